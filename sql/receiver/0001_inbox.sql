-- What a receiver has applied, or has promised never to apply. Inserted in the transaction of the
-- business change: a row that can be seen is committed together with it.
CREATE TABLE inbox (
    source     VARCHAR(64) NOT NULL,
    tx_no      VARCHAR(36) NOT NULL,
    body_hash  VARCHAR(64) NOT NULL,
    state      VARCHAR(16) NOT NULL,
    created_ms BIGINT      NOT NULL,
    PRIMARY KEY (source, tx_no)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

CREATE INDEX inbox_created ON inbox (created_ms);
