-- bank1 keeps the payer's account and every transfer that it debited.
-- Money is integer fen. One text for SQLite and MariaDB: the closing comment speaks to MariaDB alone.
CREATE TABLE account_info (
    account_no   VARCHAR(32) NOT NULL PRIMARY KEY,
    account_name VARCHAR(64) NOT NULL,
    balance_fen  BIGINT NOT NULL,
    opening_fen  BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

INSERT INTO account_info (account_no, account_name, balance_fen, opening_fen)
VALUES ('1', '张三', 1000000, 1000000);

-- One row for each committed debit; its tx_no is a UUIDv7, so the key's order is the order of making.
CREATE TABLE transfer (
    tx_no        VARCHAR(36) NOT NULL PRIMARY KEY,
    from_account VARCHAR(32) NOT NULL,
    to_account   VARCHAR(32) NOT NULL,
    amount_fen   BIGINT NOT NULL,
    created_ms   BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
