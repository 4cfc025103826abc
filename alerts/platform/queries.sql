-- totals --
-- What became of everything received, and what the minutes say was entered for it. One statement: one moment.
WITH counted AS (
    SELECT worker, lane,
           coalesce(sum(events) FILTER (WHERE outcome = 'received'), 0)::bigint AS received,
           coalesce(sum(events) FILTER (WHERE outcome = 'accepted'), 0)::bigint AS accepted,
           coalesce(sum(events) FILTER (WHERE outcome = 'duplicate'), 0)::bigint AS duplicate,
           coalesce(sum(events) FILTER (WHERE outcome = 'echo'), 0)::bigint AS echo,
           coalesce(sum(events) FILTER (WHERE outcome = 'rejected'), 0)::bigint AS rejected,
           coalesce(sum(events) FILTER (WHERE outcome = 'ignored'), 0)::bigint AS ignored
    FROM ingest_count GROUP BY worker, lane
), entered AS (
    SELECT worker, lane, sum(keys)::bigint AS keys, sum(dead_letters)::bigint AS dead_letters
    FROM ingest_minute WHERE lane IN ('alarm', 'telemetry', 'control') GROUP BY worker, lane
)
SELECT worker, lane, coalesce(received, 0), coalesce(accepted, 0), coalesce(duplicate, 0), coalesce(echo, 0),
       coalesce(rejected, 0), coalesce(ignored, 0), coalesce(keys, 0), coalesce(dead_letters, 0)
FROM counted FULL JOIN entered USING (worker, lane)
ORDER BY worker, lane;

-- booked_minutes --
-- The minutes that may be judged, newest first, with the rows to be counted for each.
SELECT minute, greatest(sum(keys), 0)::bigint + sum(dead_letters)::bigint
FROM ingest_minute
WHERE minute > '-infinity' AND minute >= %(since)s AND minute < %(until)s AND lane <> 'opened'
  AND minute >= coalesce((SELECT minute FROM ingest_minute WHERE lane = 'opened'), '-infinity')
GROUP BY minute
ORDER BY minute DESC;

-- slice --
-- The rows received in a span against what its minutes say, by worker. Dead letters are not kept by worker: worker 0.
-- One statement: rows and books are seen at the same moment.
WITH booked AS (
    SELECT worker, sum(keys)::bigint AS n FROM ingest_minute
    WHERE minute >= %(since)s AND minute < %(until)s GROUP BY worker
), found AS (
    SELECT worker, count(*) AS n FROM event_key
    WHERE received_at >= %(since)s AND received_at < %(until)s GROUP BY worker
)
SELECT 'keys' AS what, worker, coalesce(booked.n, 0), coalesce(found.n, 0)
FROM booked FULL JOIN found USING (worker)
WHERE coalesce(booked.n, 0) <> coalesce(found.n, 0)
UNION ALL
SELECT 'dead_letters', 0, booked.n, found.n
FROM (SELECT coalesce(sum(dead_letters), 0)::bigint AS n FROM ingest_minute
      WHERE minute >= %(since)s AND minute < %(until)s) booked,
     (SELECT coalesce(sum(events), 0) AS n FROM dead_letter WHERE received_at >= %(since)s AND received_at < %(until)s) found
WHERE booked.n <> found.n
ORDER BY 1, 2;

-- write_off --
-- Minute by minute: the same span is cut differently the next time.
WITH booked AS (
    SELECT worker, minute, sum(keys) AS n FROM ingest_minute
    WHERE minute >= %(since)s AND minute < %(until)s GROUP BY worker, minute
), found AS (
    SELECT worker, date_trunc('minute', received_at) AS minute, count(*) AS n FROM event_key
    WHERE received_at >= %(since)s AND received_at < %(until)s GROUP BY worker, date_trunc('minute', received_at)
), letters_booked AS (
    SELECT minute, sum(dead_letters) AS n FROM ingest_minute
    WHERE minute >= %(since)s AND minute < %(until)s GROUP BY minute
), letters_found AS (
    SELECT date_trunc('minute', received_at) AS minute, sum(events) AS n FROM dead_letter
    WHERE received_at >= %(since)s AND received_at < %(until)s GROUP BY date_trunc('minute', received_at)
), missing AS (
    SELECT worker, minute, coalesce(found.n, 0) - coalesce(booked.n, 0) AS keys, 0 AS dead_letters
    FROM booked FULL JOIN found USING (worker, minute)
    UNION ALL
    SELECT 0, minute, 0, coalesce(f.n, 0) - coalesce(b.n, 0)
    FROM letters_booked b FULL JOIN letters_found f USING (minute)
)
INSERT INTO ingest_minute AS m (worker, lane, minute, keys, dead_letters)
SELECT worker, 'written_off', minute, sum(keys), sum(dead_letters)
FROM missing GROUP BY worker, minute HAVING sum(keys) <> 0 OR sum(dead_letters) <> 0
ORDER BY worker, minute
ON CONFLICT (worker, lane, minute) DO UPDATE
SET keys = m.keys + excluded.keys, dead_letters = m.dead_letters + excluded.dead_letters;

-- take_round --
-- Engines side by side: one does this round, the others leave it to it.
SELECT pg_try_advisory_xact_lock(%(lock)s);

-- pulses --
SELECT component, at, detail FROM component_pulse ORDER BY component;

-- live_of_platform --
SELECT subject_id, rule FROM alert
WHERE status NOT IN ('resolved', 'closed') AND subject_kind = 'device' AND rule = ANY(%(rules)s::text[]);

-- ended_by_people --
-- The newest alert of each subject and rule that a person ended since.
SELECT DISTINCT ON (subject_id, rule) subject_id, rule, coalesce(resolved_at, closed_at), severity
FROM alert
WHERE subject_kind = 'device' AND subject_id = ANY(%(subjects)s::text[]) AND rule = ANY(%(rules)s::text[])
  AND status IN ('resolved', 'closed') AND close_code IS DISTINCT FROM 'auto_cleared'
  AND coalesce(resolved_at, closed_at) >= %(since)s
ORDER BY subject_id, rule, opened_at DESC;
