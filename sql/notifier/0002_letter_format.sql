-- Which format a letter's message had: 1, or 0 if it was one that this notifier could not read,
-- which can't be sent anew from these columns.
ALTER TABLE dead_letter ADD COLUMN format INT NOT NULL DEFAULT 1;

-- Each initiator reads its own part of the feed.
CREATE INDEX outcome_of ON outcome (source, outcome_id);
