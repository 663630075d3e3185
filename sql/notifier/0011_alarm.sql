-- The alarms of several notifiers, told by one of them. What a worker sees, by alarm and subject; without a worker: what
-- was told and has not ended. Rows are few: what goes on at this moment.
CREATE TABLE alarm_sight (
    worker VARCHAR(64) NOT NULL,
    name VARCHAR(64) NOT NULL,
    about VARCHAR(400) NOT NULL,
    times BIGINT NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    -- JSON: the newest event's fields.
    fields TEXT NOT NULL,
    PRIMARY KEY (worker, name, about)
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- Not before when an alarm is told again, and when all of it was told last.
CREATE TABLE alarm_told (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    next_ms BIGINT NOT NULL,
    told_ms BIGINT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- Who sees something, and until when it counts without another word of its.
CREATE TABLE alarm_worker (
    worker VARCHAR(64) NOT NULL PRIMARY KEY,
    alive_until_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;

-- Who tells, and until when nobody else may.
CREATE TABLE alarm_teller (
    singleton INT NOT NULL PRIMARY KEY,
    worker VARCHAR(64) NOT NULL,
    until_ms BIGINT NOT NULL
) /*! ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin */;
INSERT INTO alarm_teller (singleton, worker, until_ms) VALUES (1, '', 0);
