-- What the simulated exceptions must remember over a restart: whether bank2 was repaired,
-- and how often a transfer was refused already. Written in demo mode only.
CREATE TABLE demo_memory (
    name  VARCHAR(64) NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
