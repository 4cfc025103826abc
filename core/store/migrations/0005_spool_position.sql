-- How far each worker's spool is in the database, written by the transaction that stores what is before it. A segment
-- is named by an id of its own: a spool folder that was replaced is never taken for the one the row speaks of.
CREATE TABLE ingest_spool_position (
    worker          smallint NOT NULL,
    lane            text NOT NULL,            -- alarm, telemetry
    segment         uuid NOT NULL,
    position        bigint NOT NULL,          -- bytes from the start of the segment
    at              timestamptz NOT NULL,
    PRIMARY KEY (worker, lane)
);
