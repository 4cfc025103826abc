-- known --
-- How far the roll-ups are, and for each device of the CTE `span`, whether it has a day that may reach into its span (no
-- day is longer than three) and which of its hours wait for a repair; one row without a device where there is none.
-- A client cannot read minus infinity, and nothing is older than the epoch.
WITH :spans
SELECT greatest(s.rolled_up_to, 'epoch'), greatest(s.raw_from, 'epoch'), greatest(s.minutes_from, 'epoch'),
       greatest(s.hours_from, 'epoch'), coalesce(z.days_from, 'epoch'), coalesce(z.days_up_to, 'epoch'),
       p.device_no, p.since, p.until,
       EXISTS (
           SELECT FROM reading_1d d WHERE d.device_no = p.device_no AND d.metric = %(metric)s
               AND d.time_zone = %(zone)s AND d.at > p.since - INTERVAL '3 days'
       ),
       ARRAY(
           SELECT DISTINCT r.hour FROM reading_dirty r WHERE r.device_no = p.device_no AND r.metric = %(metric)s
               AND r.hour >= %(hours_from)s AND r.hour < %(hours_to)s
           ORDER BY r.hour
       )
FROM rollup_state s
LEFT JOIN rollup_zone z ON z.time_zone = %(zone)s
LEFT JOIN span p ON p.since < p.until
ORDER BY p.since, p.device_no;

-- bucket_of_width --
-- Fragment.
time_bucket(%(width)s::interval, r.at)

-- bucket_of_day --
-- Fragment: `edges` are the midnights of the elder's days, so nobody's time zone tables can disagree.
(%(edges)s::timestamptz[])[width_bucket(r.at, %(edges)s::timestamptz[])]

-- sum_rolled --
-- Buckets of whole rows of a roll-up. `low` and `high` bound all ranges: chunks outside are not even planned.
SELECT :bucket AS bucket, min(r.min), max(r.max), sum(r.sum), sum(r.count)::bigint
FROM unnest(%(devices)s::integer[], %(since)s::timestamptz[], %(until)s::timestamptz[]) AS p (device_no, since, until)
JOIN :table r ON r.device_no = p.device_no AND r.metric = %(metric)s AND r.at >= p.since AND r.at < p.until
    AND r.at >= %(low)s AND r.at < %(high)s
GROUP BY bucket
ORDER BY bucket
LIMIT %(limit)s;

-- sum_raw --
-- The same from the readings themselves.
SELECT :bucket AS bucket, min(r.value), max(r.value), sum(r.value), count(*)
FROM unnest(%(devices)s::integer[], %(since)s::timestamptz[], %(until)s::timestamptz[]) AS p (device_no, since, until)
JOIN :table r ON r.device_no = p.device_no AND r.metric = %(metric)s AND r.at >= p.since AND r.at < p.until
    AND r.at >= %(low)s AND r.at < %(high)s
GROUP BY bucket
ORDER BY bucket
LIMIT %(limit)s;

-- joined --
-- Buckets of all parts; an hour that one part read from minutes and another from raw readings is one.
SELECT bucket, min(low), max(high), sum(total) / sum(count)::bigint, sum(count)::bigint
FROM (
:parts
) part (bucket, low, high, total, count)
GROUP BY bucket
ORDER BY bucket
LIMIT %(limit)s;

-- count_rolled --
-- Buckets of the busiest range; devices may share buckets, so their counts cannot be added.
SELECT max(found.buckets)
FROM unnest(%(devices)s::integer[], %(since)s::timestamptz[], %(until)s::timestamptz[]) AS p (device_no, since, until)
CROSS JOIN LATERAL (
    SELECT count(*) AS buckets FROM (
        SELECT FROM :table r WHERE r.device_no = p.device_no AND r.metric = %(metric)s
            AND r.at >= p.since AND r.at <= p.until AND r.at >= %(low)s AND r.at <= %(high)s
        LIMIT %(limit)s
    ) few
) found;

-- lock --
-- One roller at a time, for as long as this connection lives.
SELECT pg_try_advisory_lock(%(key)s);

-- state --
SELECT greatest(closed_up_to, 'epoch'), greatest(rolled_up_to, 'epoch'), greatest(raw_from, 'epoch') FROM rollup_state;

-- close --
UPDATE rollup_state SET closed_up_to = %(at)s WHERE closed_up_to < %(at)s;

-- newest_transaction --
-- Every transaction that has a number now has one below this.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text;

-- all_ended --
-- Whether every transaction with a number below `before` has ended, in whatever database of the server.
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %(before)s::xid8;

-- oldest_chunk --
-- Where the readings begin, as far as whole chunks can tell.
SELECT min(range_start) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading';

-- begin_at --
UPDATE rollup_state SET rolled_up_to = %(at)s WHERE rolled_up_to = '-infinity';

-- roll_minutes --
INSERT INTO reading_1m (device_no, metric, at, min, max, sum, count)
SELECT device_no, metric, time_bucket('1 minute', at) AS minute, min(value), max(value), sum(value), count(*)
FROM reading WHERE at >= %(since)s AND at < %(until)s
GROUP BY device_no, metric, minute
ORDER BY device_no, metric, minute
ON CONFLICT (device_no, metric, at)
DO UPDATE SET min = excluded.min, max = excluded.max, sum = excluded.sum, count = excluded.count;

-- roll_hours --
INSERT INTO reading_1h (device_no, metric, at, min, max, sum, count)
SELECT device_no, metric, time_bucket('1 hour', at) AS hour, min(min), max(max), sum(sum), sum(count)
FROM reading_1m WHERE at >= %(since)s AND at < %(until)s
GROUP BY device_no, metric, hour
ORDER BY device_no, metric, hour
ON CONFLICT (device_no, metric, at)
DO UPDATE SET min = excluded.min, max = excluded.max, sum = excluded.sum, count = excluded.count;

-- rolled --
UPDATE rollup_state SET rolled_up_to = %(until)s WHERE rolled_up_to = %(since)s;

-- new_zones --
SELECT DISTINCT time_zone FROM region WHERE time_zone NOT IN (SELECT time_zone FROM rollup_zone);

-- oldest_hour --
-- The oldest hour that is written, and from when on hours and minutes are kept.
SELECT min(h.at), greatest(min(s.hours_from), 'epoch'), greatest(min(s.minutes_from), 'epoch')
FROM rollup_state s LEFT JOIN (SELECT at FROM reading_1h ORDER BY at LIMIT 1) h ON true;

-- add_zone --
INSERT INTO rollup_zone (time_zone, days_from, days_up_to) VALUES (%(zone)s, %(at)s, %(at)s);

-- zones --
SELECT time_zone, days_from, days_up_to FROM rollup_zone ORDER BY time_zone;

-- roll_day --
-- One local day of everybody: its whole hours, and minutes where it begins or ends off the hour.
INSERT INTO reading_1d (device_no, metric, time_zone, at, min, max, sum, count)
SELECT device_no, metric, %(zone)s, %(day)s, min(min), max(max), sum(sum), sum(count)
FROM (
    SELECT device_no, metric, min, max, sum, count FROM reading_1h WHERE at >= %(hours_from)s AND at < %(hours_to)s
    UNION ALL
    SELECT device_no, metric, min, max, sum, count FROM reading_1m WHERE at >= %(day)s AND at < %(hours_from)s
    UNION ALL
    SELECT device_no, metric, min, max, sum, count FROM reading_1m WHERE at >= %(hours_to)s AND at < %(day_end)s
) part
GROUP BY device_no, metric
ORDER BY device_no, metric
ON CONFLICT (device_no, metric, time_zone, at)
DO UPDATE SET min = excluded.min, max = excluded.max, sum = excluded.sum, count = excluded.count;

-- days_rolled --
UPDATE rollup_zone SET days_up_to = %(until)s WHERE time_zone = %(zone)s;

-- claim_dirty --
-- The oldest marks and all others of the same hours; a mark that is committed later is repaired later.
WITH oldest AS (
    SELECT DISTINCT device_no, metric, hour
    FROM (SELECT device_no, metric, hour FROM reading_dirty ORDER BY marked_at LIMIT %(limit)s) slice
), claimed AS (
    DELETE FROM reading_dirty d USING oldest o
    WHERE d.device_no = o.device_no AND d.metric = o.metric AND d.hour = o.hour
    RETURNING d.device_no, d.metric, d.hour
)
SELECT device_no, metric, hour, count(*) FROM claimed GROUP BY device_no, metric, hour ORDER BY hour, device_no, metric;

-- wipe_minutes --
DELETE FROM reading_1m m
USING unnest(%(devices)s::integer[], %(metrics)s::smallint[], %(hours)s::timestamptz[]) AS k (device_no, metric, hour)
WHERE m.device_no = k.device_no AND m.metric = k.metric AND m.at >= k.hour AND m.at < k.hour + INTERVAL '1 hour'
  AND m.at >= %(low)s AND m.at < %(high)s;

-- repair_minutes --
INSERT INTO reading_1m (device_no, metric, at, min, max, sum, count)
SELECT r.device_no, r.metric, time_bucket('1 minute', r.at) AS minute, min(r.value), max(r.value), sum(r.value), count(*)
FROM unnest(%(devices)s::integer[], %(metrics)s::smallint[], %(hours)s::timestamptz[]) AS k (device_no, metric, hour)
JOIN reading r ON r.device_no = k.device_no AND r.metric = k.metric AND r.at >= k.hour
    AND r.at < k.hour + INTERVAL '1 hour' AND r.at >= %(low)s AND r.at < %(high)s
GROUP BY r.device_no, r.metric, minute
ORDER BY r.device_no, r.metric, minute;

-- wipe_hours --
DELETE FROM reading_1h h
USING unnest(%(devices)s::integer[], %(metrics)s::smallint[], %(hours)s::timestamptz[]) AS k (device_no, metric, hour)
WHERE h.device_no = k.device_no AND h.metric = k.metric AND h.at = k.hour AND h.at >= %(low)s AND h.at < %(high)s;

-- repair_hours --
-- `high` is the end of the newest whole hour that is rolled up: an hour under way has no row yet.
INSERT INTO reading_1h (device_no, metric, at, min, max, sum, count)
SELECT m.device_no, m.metric, time_bucket('1 hour', m.at) AS bucket, min(m.min), max(m.max), sum(m.sum), sum(m.count)
FROM unnest(%(devices)s::integer[], %(metrics)s::smallint[], %(hours)s::timestamptz[]) AS k (device_no, metric, hour)
JOIN reading_1m m ON m.device_no = k.device_no AND m.metric = k.metric AND m.at >= k.hour
    AND m.at < k.hour + INTERVAL '1 hour' AND m.at >= %(low)s AND m.at < %(high)s
GROUP BY m.device_no, m.metric, bucket
ORDER BY m.device_no, m.metric, bucket;

-- wipe_day --
DELETE FROM reading_1d d
USING unnest(%(devices)s::integer[], %(metrics)s::smallint[]) AS k (device_no, metric)
WHERE d.device_no = k.device_no AND d.metric = k.metric AND d.time_zone = %(zone)s AND d.at = %(day)s;

-- repair_day --
-- As `roll_day`, for some series.
INSERT INTO reading_1d (device_no, metric, time_zone, at, min, max, sum, count)
SELECT k.device_no, k.metric, %(zone)s, %(day)s, min(part.min), max(part.max), sum(part.sum), sum(part.count)
FROM unnest(%(devices)s::integer[], %(metrics)s::smallint[]) AS k (device_no, metric)
CROSS JOIN LATERAL (
    SELECT min, max, sum, count FROM reading_1h r
    WHERE r.device_no = k.device_no AND r.metric = k.metric AND r.at >= %(hours_from)s AND r.at < %(hours_to)s
    UNION ALL
    SELECT min, max, sum, count FROM reading_1m r
    WHERE r.device_no = k.device_no AND r.metric = k.metric AND r.at >= %(day)s AND r.at < %(hours_from)s
    UNION ALL
    SELECT min, max, sum, count FROM reading_1m r
    WHERE r.device_no = k.device_no AND r.metric = k.metric AND r.at >= %(hours_to)s AND r.at < %(day_end)s
) part
GROUP BY k.device_no, k.metric;

-- dirty_gauge --
-- How many marks wait (counted no further than `limit`) and since when the oldest.
SELECT (SELECT count(*) FROM (SELECT FROM reading_dirty LIMIT %(limit)s) few), (SELECT min(marked_at) FROM reading_dirty);

-- droppable --
-- Chunks of a table that are wholly before `before`, oldest first.
SELECT range_end FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = %(table)s AND range_end <= %(before)s
ORDER BY range_end
LIMIT %(limit)s;

-- safe_to_drop --
-- Before when raw readings, minutes and hours are in the next coarser roll-up. A mark that waits holds its raw hour.
SELECT least(s.rolled_up_to, (SELECT min(hour) FROM reading_dirty WHERE hour >= s.raw_from)),
       greatest(least(s.rolled_up_to, (SELECT min(days_up_to) FROM rollup_zone)), 'epoch'),
       greatest(s.raw_from, 'epoch')
FROM rollup_state s
WHERE s.rolled_up_to > '-infinity';

-- drop_chunks --
SELECT drop_chunks(%(table)s::regclass, older_than => %(before)s::timestamptz);

-- dropped_raw --
UPDATE rollup_state SET raw_from = greatest(raw_from, %(before)s);

-- dropped_minutes --
UPDATE rollup_state SET minutes_from = greatest(minutes_from, %(before)s);

-- dropped_hours --
UPDATE rollup_state SET hours_from = greatest(hours_from, %(before)s);

-- licence --
SELECT current_setting('timescaledb.license', true);

-- allow_compression --
ALTER TABLE reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_no, metric',
                         timescaledb.compress_orderby = 'at');

-- compressible --
SELECT format('%%I.%%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading' AND range_end <= %(before)s AND NOT is_compressed
ORDER BY range_end
LIMIT %(limit)s;

-- compress --
SELECT compress_chunk(%(chunk)s::regclass, true);

-- pulse --
INSERT INTO component_pulse (component, detail, at) VALUES (%(component)s, %(detail)s, %(at)s)
ON CONFLICT (component) DO UPDATE SET detail = excluded.detail, at = excluded.at;
