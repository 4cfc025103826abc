-- settings --
SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit');

-- device_numbers --
SELECT device_no FROM device WHERE id = ANY(%(devices)s::text[]);

-- newest_alert_event --
SELECT seq FROM alert_counter;

-- keys --
SELECT encode(key, 'hex') FROM event_key WHERE received_at >= %(since)s;

-- readings --
-- By the times of the round, which no two messages share. The devices lead the index.
SELECT (extract(epoch FROM at) * 1000000)::bigint AS at, count(*)
FROM reading
WHERE device_no = ANY(%(devices)s::integer[]) AND metric = ANY(%(metrics)s::smallint[])
  AND at >= %(first)s AND at <= %(last)s
GROUP BY 1;

-- sos_events --
SELECT encode(key, 'hex'), count(*) FROM event
WHERE type = 'sos' AND at >= %(first)s AND at <= %(last)s
GROUP BY 1;

-- alert_events --
SELECT detail->>'key', count(*) FROM alert_event
WHERE seq > %(seq)s AND type IN ('alert.opened', 'alert.pressed') AND detail ? 'key'
GROUP BY 1;

-- lanes_at_work --
-- Ingest's transactions open at this moment: each holds a batch that is neither committed nor acknowledged.
SELECT application_name FROM pg_stat_activity
WHERE application_name LIKE %(name)s AND state <> 'idle' AND xact_start IS NOT NULL;

-- spooled --
-- Messages waiting in the workers' own spools, as each says of itself, and the age of the oldest word about it or, if
-- that is older, of the oldest message that is not committed: a lane that hangs on a silent line has an empty spool.
SELECT coalesce(sum((lane.value->>'messages')::bigint), 0)::bigint AS messages,
       coalesce(extract(epoch FROM clock_timestamp() - min(least(at, (detail->>'watermark')::timestamptz))),
                1e9)::float8 AS age_s
FROM component_pulse
LEFT JOIN LATERAL jsonb_each(detail->'spool') lane ON true
WHERE component = ANY(%(components)s::text[]);
