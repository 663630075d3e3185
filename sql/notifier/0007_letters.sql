-- What should be awake and is not: when that was told last, and how often.
ALTER TABLE notification ADD COLUMN lost_ms BIGINT NULL;
ALTER TABLE notification ADD COLUMN lost_times INT NOT NULL DEFAULT 0;

-- What waits, until when, since when and for whom, from the index alone. In this order, what is
-- delivered is appended: an index in which each endpoint had a place of its own would cost every
-- delivery a page.
CREATE INDEX notification_awaited ON notification (state, next_due_ms, first_seen_ms, endpoint_id);
DROP INDEX notification_due /*! ON notification */;

-- One endpoint's letters in the order in which they died.
CREATE INDEX dead_letter_of ON dead_letter (state, endpoint_id, died_ms);

-- An operator's order about many dead letters. Whoever holds the claim carries it, one transaction after
-- another, each with the letters it deals with, the counts and the place reached; when the claim's time is
-- up, another replica goes on from there. `endpoint_id` is set if all its letters are of one endpoint.
CREATE TABLE letter_job (
    job_id VARCHAR(36) NOT NULL PRIMARY KEY,
    kind VARCHAR(16) NOT NULL,
    state VARCHAR(16) NOT NULL,
    note VARCHAR(200) NULL,
    filter TEXT NOT NULL,
    endpoint_id VARCHAR(64) NULL,
    rate_per_minute INT NOT NULL,
    anyway INT NOT NULL,
    reason VARCHAR(200) NULL,
    asked_by VARCHAR(64) NOT NULL,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT NULL,
    selected BIGINT NOT NULL,
    matched BIGINT NOT NULL,
    dealt BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    reached VARCHAR(255) NULL,
    worker VARCHAR(64) NULL,
    claimed_until_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX letter_job_state ON letter_job (state);

-- What a job did with each of its letters. The key lets no job deal with a letter twice.
CREATE TABLE letter_job_letter (
    job_id VARCHAR(36) NOT NULL,
    group_name VARCHAR(64) NOT NULL,
    tx_no VARCHAR(36) NOT NULL,
    source VARCHAR(64) NOT NULL,
    generation INT NOT NULL,
    result VARCHAR(16) NOT NULL,
    why VARCHAR(200) NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (job_id, group_name, tx_no, source, generation)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX letter_job_result ON letter_job_letter (job_id, result);
