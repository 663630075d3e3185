-- bank2 keeps the payee's account and every credit that it applied.
CREATE TABLE account_info (
    account_no   VARCHAR(32) NOT NULL PRIMARY KEY,
    account_name VARCHAR(64) NOT NULL,
    balance_fen  BIGINT NOT NULL,
    opening_fen  BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

INSERT INTO account_info (account_no, account_name, balance_fen, opening_fen)
VALUES ('2', '李四', 0, 0);

-- One row for each notification applied. The inbox already keeps a second one out;
-- this key would refuse it as well.
CREATE TABLE credit (
    source     VARCHAR(64) NOT NULL,
    tx_no      VARCHAR(36) NOT NULL,
    account_no VARCHAR(32) NOT NULL,
    amount_fen BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (source, tx_no)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
