-- Accounting: what each minute should hold, so that rows can be held against counts (docs/adr, accounting by minutes).
-- Run it with the ingest workers stopped: one of the version before would enter keys that nobody books.

CREATE TABLE ingest_minute (
    worker          smallint NOT NULL,
    lane            text NOT NULL,            -- alarm, telemetry, control; purged, written_off: rows that went; opened
    minute          timestamptz NOT NULL,     -- of receipt; -infinity: everything older, summed up
    keys            bigint NOT NULL,          -- rows entered into event_key
    dead_letters    bigint NOT NULL,
    PRIMARY KEY (worker, lane, minute)
) WITH (fillfactor = 50);
CREATE INDEX ingest_minute_time ON ingest_minute (minute);

-- The books begin with what was counted before them. Minutes are judged from the next one on.
INSERT INTO ingest_minute (worker, lane, minute, keys, dead_letters)
SELECT worker, lane, '-infinity',
       coalesce(sum(events) FILTER (WHERE lane <> 'control' AND (outcome = 'accepted'
                                    OR outcome = 'rejected' AND lane = 'alarm')), 0),
       coalesce(sum(events) FILTER (WHERE outcome = 'rejected'), 0)
FROM ingest_count
GROUP BY worker, lane;
INSERT INTO ingest_minute (worker, lane, minute, keys, dead_letters)
SELECT 0, 'opened', date_trunc('minute', now()) + INTERVAL '1 minute', 0, 0
WHERE EXISTS (SELECT FROM ingest_count);

-- Counting a minute's keys reads the blocks of that minute only if the newest blocks are summarised, too.
ALTER INDEX event_key_received SET (autosummarize = on);
