-- The notifier's record. States and the statements that may change them: ARCHITECTURE.md.
-- One text for SQLite and MariaDB; the trailing comment is a comment to SQLite only.

-- Which life of this database it is: a restored or recreated one has another epoch, and readers
-- of the outcome feed start anew.
CREATE TABLE record_epoch (
    singleton INT NOT NULL PRIMARY KEY,
    epoch VARCHAR(36) NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- One row for each (group, source, tx_no): where it stands. `tail` is the tx_no reversed, so that
-- an index finds it by its ending.
CREATE TABLE notification (
    group_name VARCHAR(64) NOT NULL,
    tx_no VARCHAR(36) NOT NULL,
    source VARCHAR(64) NOT NULL,
    tail VARCHAR(36) NOT NULL,
    endpoint_id VARCHAR(64) NOT NULL,
    event_type VARCHAR(64) NOT NULL,
    business_key VARCHAR(128) NOT NULL,
    state VARCHAR(16) NOT NULL,
    generation INT NOT NULL,
    attempts INT NOT NULL,
    parks INT NOT NULL,
    seen INT NOT NULL,
    next_due_ms BIGINT NULL,
    first_seen_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    last_status INT NULL,
    last_error VARCHAR(200) NULL,
    PRIMARY KEY (group_name, tx_no, source)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX notification_tail ON notification (tail);
CREATE INDEX notification_due ON notification (state, next_due_ms);

-- One row for each HTTP request that was sent, also those that lost a race.
CREATE TABLE attempt (
    attempt_id VARCHAR(36) NOT NULL PRIMARY KEY,
    group_name VARCHAR(64) NOT NULL,
    tx_no VARCHAR(36) NOT NULL,
    source VARCHAR(64) NOT NULL,
    generation INT NOT NULL,
    number INT NOT NULL,
    endpoint_id VARCHAR(64) NOT NULL,
    url VARCHAR(1024) NOT NULL,
    started_ms BIGINT NOT NULL,
    took_ms INT NOT NULL,
    verdict VARCHAR(16) NOT NULL,
    status INT NULL,
    error VARCHAR(64) NULL,
    response_excerpt BLOB NULL,
    next_due_ms BIGINT NULL,
    delivery_attempt INT NOT NULL,
    worker VARCHAR(64) NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX attempt_of ON attempt (tx_no, group_name, source);
CREATE INDEX attempt_newest ON attempt (endpoint_id, started_ms);

-- A dead letter holds the whole message: the truth that the broker's topic is mended from.
CREATE TABLE dead_letter (
    group_name VARCHAR(64) NOT NULL,
    tx_no VARCHAR(36) NOT NULL,
    source VARCHAR(64) NOT NULL,
    generation INT NOT NULL,
    tail VARCHAR(36) NOT NULL,
    endpoint_id VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL,
    class VARCHAR(16) NOT NULL,
    reason VARCHAR(32) NOT NULL,
    attempts INT NOT NULL,
    last_status INT NULL,
    last_error VARCHAR(200) NULL,
    died_ms BIGINT NOT NULL,
    forwarded_ms BIGINT NULL,
    topic VARCHAR(127) NOT NULL,
    event_type VARCHAR(64) NOT NULL,
    business_key VARCHAR(128) NOT NULL,
    content_type VARCHAR(128) NOT NULL,
    notify_url VARCHAR(1024) NULL,
    traceparent VARCHAR(64) NULL,
    initiator_id VARCHAR(36) NOT NULL,
    body MEDIUMBLOB NOT NULL,
    closed_ms BIGINT NULL,
    closed_by VARCHAR(64) NULL,
    closed_reason VARCHAR(200) NULL,
    PRIMARY KEY (group_name, tx_no, source, generation)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX dead_letter_tail ON dead_letter (tail);
CREATE INDEX dead_letter_open ON dead_letter (state, died_ms);

-- An operator's resend that no record of the new generation has confirmed yet. `generation` is the
-- new one.
CREATE TABLE send_request (
    group_name VARCHAR(64) NOT NULL,
    tx_no VARCHAR(36) NOT NULL,
    source VARCHAR(64) NOT NULL,
    generation INT NOT NULL,
    next_send_ms BIGINT NOT NULL,
    sends INT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (group_name, tx_no, source, generation)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX send_request_due ON send_request (next_send_ms);

-- What initiators read: append-only, ordered by id.
CREATE TABLE outcome (
    outcome_id VARCHAR(36) NOT NULL PRIMARY KEY,
    group_name VARCHAR(64) NOT NULL,
    source VARCHAR(64) NOT NULL,
    tx_no VARCHAR(36) NOT NULL,
    generation INT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    at_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- An operator's word that a receiver was repaired: failures before it no longer refuse a resend.
CREATE TABLE endpoint_repair (
    endpoint_id VARCHAR(64) NOT NULL PRIMARY KEY,
    repaired_ms BIGINT NOT NULL,
    repaired_by VARCHAR(64) NULL,
    reason VARCHAR(200) NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
