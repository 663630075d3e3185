-- Who may use the API. Of a token its hash alone is kept; a revoked one stays, because `audit` names it.
CREATE TABLE token (
    token_id VARCHAR(16) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    role VARCHAR(16) NOT NULL,
    hash VARCHAR(64) NOT NULL,
    created_ms BIGINT NOT NULL,
    created_by VARCHAR(64) NOT NULL,
    last_used_ms BIGINT NULL,
    expires_ms BIGINT NULL,
    revoked_ms BIGINT NULL,
    revoked_by VARCHAR(64) NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- What operators did, each line written in the transaction of the deed itself. Ids sort by time.
CREATE TABLE audit (
    audit_id VARCHAR(36) NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    token_id VARCHAR(16) NOT NULL,
    operator VARCHAR(64) NOT NULL,
    action VARCHAR(32) NOT NULL,
    target VARCHAR(200) NOT NULL,
    reason VARCHAR(200) NULL,
    result VARCHAR(200) NOT NULL,
    request_id VARCHAR(64) NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX audit_of ON audit (target, audit_id);
