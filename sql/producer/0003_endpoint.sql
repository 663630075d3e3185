-- The endpoint that a notification names for itself; empty if it names none.
ALTER TABLE outgoing ADD COLUMN endpoint_id VARCHAR(64) NOT NULL DEFAULT '';
