-- How long parks have put the generation away in all, in milliseconds: its age as a sleeper.
ALTER TABLE notification ADD COLUMN parked_ms BIGINT NOT NULL DEFAULT 0;
