-- What the notifier said of a notification for each of several subscriptions that must accept it. Only
-- initiators that name more than one have rows here; `outgoing.outcome` is made from all of them.
CREATE TABLE outgoing_group (
    tx_no      VARCHAR(36) NOT NULL,
    group_name VARCHAR(64) NOT NULL,
    outcome    VARCHAR(16) NOT NULL,
    outcome_ms BIGINT      NOT NULL,
    PRIMARY KEY (tx_no, group_name)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- What a subscription's queue has lost, as the notifier says: the same generation goes out anew, for
-- that subscription alone. `outcome_id` is the newest line of the feed that said so, so that a line that
-- is read twice counts once; without a `next_send_ms` it has been sent.
CREATE TABLE outgoing_lost (
    tx_no        VARCHAR(36) NOT NULL,
    group_name   VARCHAR(64) NOT NULL,
    generation   INT         NOT NULL,
    outcome_id   VARCHAR(36) NOT NULL,
    next_send_ms BIGINT      NULL,
    sends        INT         NOT NULL,
    PRIMARY KEY (tx_no, group_name)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
CREATE INDEX outgoing_lost_due ON outgoing_lost (next_send_ms);
