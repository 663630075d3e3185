-- How far each queue of each group's dead-letter topic was read: the first offset that was not.
CREATE TABLE dlq_position (
    group_name VARCHAR(64) NOT NULL,
    broker VARCHAR(255) NOT NULL,
    queue_id INT NOT NULL,
    next_offset BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (group_name, broker, queue_id)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
