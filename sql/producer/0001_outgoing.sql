-- Who this database is. Halves carry the id, so that a check-back meant for another database's
-- transaction is recognised. One row for ever: made at the first start, never changed.
CREATE TABLE initiator (
    singleton    INT         NOT NULL PRIMARY KEY,
    initiator_id VARCHAR(36) NOT NULL,
    created_ms   BIGINT      NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- Every notification, in the same transaction as the business change it tells of. A row that can be
-- seen is committed. The fence of a check-back is a row too: state rolled_back, no body, never sent.
--   state    committed | rolled_back | reversed          what became of the business
--   outcome  none | accepted | delivered | dead | cancelled   what the notifier said of it
-- An absent notify_url or traceparent is the empty string.
CREATE TABLE outgoing (
    tx_no        VARCHAR(36)   NOT NULL PRIMARY KEY,
    state        VARCHAR(16)   NOT NULL,
    outcome      VARCHAR(16)   NOT NULL,
    generation   INT           NOT NULL,
    request_hash VARCHAR(64)   NOT NULL,
    topic        VARCHAR(127)  NOT NULL,
    event_type   VARCHAR(64)   NOT NULL,
    business_key VARCHAR(128)  NOT NULL,
    content_type VARCHAR(128)  NOT NULL,
    notify_url   VARCHAR(1024) NOT NULL,
    traceparent  VARCHAR(64)   NOT NULL,
    body         MEDIUMBLOB    NULL,
    created_ms   BIGINT        NOT NULL,
    next_send_ms BIGINT        NULL,
    sends        INT           NOT NULL,
    checked_by   VARCHAR(64)   NULL,
    outcome_ms   BIGINT        NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- The relay selects by state: whatever is still due.
CREATE INDEX outgoing_due ON outgoing (next_send_ms);
-- Result pages read in the order of creation.
CREATE INDEX outgoing_created ON outgoing (created_ms, tx_no);

-- How far the notifier's outcome feed was read. Moves in the transaction that applies its outcomes.
CREATE TABLE feed_position (
    feed    VARCHAR(64) NOT NULL PRIMARY KEY,
    epoch   VARCHAR(36) NOT NULL,
    last_id VARCHAR(36) NOT NULL,
    read_ms BIGINT      NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
