-- Endpoints as data, beside those of ringback.toml. A row without settings holds what an operator
-- or a rule said about an endpoint of the file: whether it may be rung.
CREATE TABLE endpoint (
    endpoint_id VARCHAR(64) NOT NULL PRIMARY KEY,
    -- JSON without anything secret: what is shown.
    settings TEXT NULL,
    -- The same JSON whole, encrypted where the configuration has a key.
    sealed TEXT NULL,
    operation VARCHAR(16) NOT NULL,
    operation_ms BIGINT NOT NULL,
    operation_by VARCHAR(64) NULL,
    operation_reason VARCHAR(200) NULL,
    -- The counter below as it was when this row last changed.
    revision BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    created_by VARCHAR(64) NOT NULL,
    updated_ms BIGINT NOT NULL,
    updated_by VARCHAR(64) NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- One more for each change of an endpoint, and the first thing that a change takes: so changes
-- come one after another, and who has seen this number unchanged has missed nothing.
CREATE TABLE endpoint_revision (
    singleton INT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
INSERT INTO endpoint_revision (singleton, revision) VALUES (1, 0);

-- The endpoint that a letter's message named for itself, so that a resend names it too.
ALTER TABLE dead_letter ADD COLUMN named_endpoint VARCHAR(64) NULL;
