-- Messages of the queue that the broker dropped before they were read, in all: told at every start until somebody sets
-- it to 0.
ALTER TABLE dlq_position ADD COLUMN missed BIGINT NOT NULL DEFAULT 0;
