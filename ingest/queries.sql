-- stage --
-- Once a connection: where a batch lands before the server decides what of it is new.
CREATE TEMP TABLE key_stage (device_no integer NOT NULL, key bytea NOT NULL)
    ON COMMIT DELETE ROWS;
CREATE TEMP TABLE state_stage (
    device_no integer NOT NULL, last_seen timestamptz, last_at timestamptz, battery_pct real, battery_at timestamptz,
    worn boolean, worn_at timestamptz, link text, link_at timestamptz, link_from text
) ON COMMIT DELETE ROWS;

-- copy_keys --
COPY pg_temp.key_stage (device_no, key) FROM STDIN (FORMAT BINARY);

-- copy_state --
COPY pg_temp.state_stage FROM STDIN (FORMAT BINARY);

-- copy_reading --
COPY reading (device_no, metric, at, value, suspect) FROM STDIN (FORMAT BINARY);

-- copy_late --
COPY reading_dirty (device_no, metric, hour) FROM STDIN (FORMAT BINARY);

-- closed_up_to --
-- Before the first roll-up nothing is late; a client cannot read minus infinity.
SELECT greatest(closed_up_to, 'epoch') FROM rollup_state;

-- copy_event --
COPY event (device_no, at, received_at, type, value, zone, key, suspect, clock_suspect) FROM STDIN (FORMAT BINARY);

-- copy_position --
COPY position (device_no, at, lat, lng, accuracy_m, source) FROM STDIN (FORMAT BINARY);

-- copy_dead_letter --
COPY dead_letter (received_at, id, topic, device_id, lane, event_index, reason, detail, payload, events)
    FROM STDIN (FORMAT BINARY);

-- elect --
-- Enter the staged keys, sorted (workers that lock in one order do not deadlock); answers those that were
-- there before. A key that another worker is just entering is waited for.
WITH won AS (
    INSERT INTO event_key (device_no, key, worker, received_at)
    SELECT device_no, key, %(worker)s, %(received_at)s FROM key_stage ORDER BY device_no, key
    ON CONFLICT DO NOTHING
    RETURNING device_no, key
)
SELECT s.device_no, s.key FROM key_stage s LEFT JOIN won USING (device_no, key) WHERE won.key IS NULL;

-- clear_keys --
DELETE FROM key_stage;

-- move_state --
-- Current state, forwards only.
INSERT INTO device_state AS d
    (device_no, last_seen, last_at, battery_pct, battery_at, worn, worn_at, link, link_at, link_from)
SELECT device_no, last_seen, coalesce(last_at, last_seen), battery_pct, battery_at, worn, worn_at, link, link_at,
       link_from
FROM state_stage ORDER BY device_no
ON CONFLICT (device_no) DO UPDATE SET
    last_seen = greatest(d.last_seen, excluded.last_seen),
    last_at = greatest(d.last_at, excluded.last_at),
    battery_pct = CASE WHEN excluded.battery_at >= coalesce(d.battery_at, '-infinity')
                       THEN excluded.battery_pct ELSE d.battery_pct END,
    battery_at = greatest(d.battery_at, excluded.battery_at),
    worn = CASE WHEN excluded.worn_at >= coalesce(d.worn_at, '-infinity') THEN excluded.worn ELSE d.worn END,
    worn_at = greatest(d.worn_at, excluded.worn_at),
    -- The last will of an earlier session may come after the birth of the next one: it is no news.
    (link, link_at, link_from) = (
        SELECT CASE WHEN news THEN excluded.link ELSE d.link END,
               CASE WHEN news THEN excluded.link_at ELSE d.link_at END,
               CASE WHEN news THEN excluded.link_from ELSE d.link_from END
        FROM (SELECT excluded.link IS NOT NULL
                     AND excluded.link_at >= coalesce(d.link_at, '-infinity')
                     AND (excluded.link = 'online' OR d.link IS DISTINCT FROM 'online'
                          OR d.link_from IS NOT DISTINCT FROM excluded.link_from) AS news) AS word);

-- count --
-- The totals, and what each minute of receipt should hold: the accounting counts the rows themselves against it.
WITH totals AS (
    INSERT INTO ingest_count AS c (worker, lane, outcome, events)
    SELECT %(worker)s, lane, outcome, events
    FROM unnest(%(lanes)s::text[], %(outcomes)s::text[], %(events)s::bigint[]) AS t (lane, outcome, events)
    ORDER BY lane, outcome
    ON CONFLICT (worker, lane, outcome) DO UPDATE SET events = c.events + excluded.events
)
INSERT INTO ingest_minute AS m (worker, lane, minute, keys, dead_letters)
SELECT %(worker)s, lane, minute, keys, dead_letters
FROM unnest(%(minute_lanes)s::text[], %(minutes)s::timestamptz[], %(keys)s::bigint[], %(dead_letters)s::bigint[])
     AS t (lane, minute, keys, dead_letters)
ORDER BY lane, minute
ON CONFLICT (worker, lane, minute) DO UPDATE
SET keys = m.keys + excluded.keys, dead_letters = m.dead_letters + excluded.dead_letters;

-- live_workers --
SELECT count(*) FILTER (WHERE component <> %(component)s AND NOT coalesce((detail ->> 'stopped')::boolean, false)
                        AND at > %(now)s - INTERVAL '10 seconds')::integer,
       max(at) FILTER (WHERE component = %(component)s)
FROM component_pulse WHERE component ~ '^ingest-[0-9]+$';

-- pulse --
INSERT INTO component_pulse (component, detail, at) VALUES (%(component)s, %(detail)s, %(at)s)
ON CONFLICT (component) DO UPDATE SET detail = excluded.detail, at = excluded.at;
