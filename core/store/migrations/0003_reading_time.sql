-- no-transaction
-- The roller reads all readings of a minute whatever their device. BRIN: a few bytes a megabyte, next to nothing for
-- each insert. Chunk after chunk, so that ingest never waits for more than one; begun again from the start after a crash.
DROP INDEX IF EXISTS reading_time;
CREATE INDEX reading_time ON reading USING brin (at)
    WITH (timescaledb.transaction_per_chunk, autosummarize = on, pages_per_range = 32);
