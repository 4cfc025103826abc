-- elect --
-- Enter the keys, sorted (workers that lock in one order do not deadlock); answers the numbers, from 1, of those that
-- were there before. A key that another worker is just entering is waited for.
WITH asked AS (
    SELECT * FROM unnest(%(device_nos)s::integer[], %(keys)b::bytea[]) WITH ORDINALITY AS t (device_no, key, n)
), won AS (
    INSERT INTO event_key (device_no, key, worker, received_at)
    SELECT device_no, key, %(worker)s, %(received_at)s FROM asked ORDER BY device_no, key
    ON CONFLICT DO NOTHING
    RETURNING device_no, key
)
SELECT a.n FROM asked a LEFT JOIN won USING (device_no, key) WHERE won.key IS NULL;

-- holders --
-- Which worker entered each of these keys. A statement of its own: it must see what was committed while the election
-- waited.
SELECT t.n, k.worker
FROM unnest(%(device_nos)s::integer[], %(keys)b::bytea[]) WITH ORDINALITY AS t (device_no, key, n)
JOIN event_key k USING (device_no, key);

-- store_events --
INSERT INTO event (device_no, at, received_at, type, value, zone, key, suspect, clock_suspect)
SELECT device_no, at, received_at, type, value::jsonb, zone, key, suspect, clock_suspect
FROM unnest(%(device_nos)s::integer[], %(ats)s::timestamptz[], %(received)s::timestamptz[], %(types)s::text[],
            %(values)s::text[], %(zones)s::text[], %(keys)b::bytea[], %(suspects)s::boolean[],
            %(clock_suspects)s::boolean[])
     AS t (device_no, at, received_at, type, value, zone, key, suspect, clock_suspect);

-- store_dead_letters --
INSERT INTO dead_letter (received_at, id, topic, device_id, lane, event_index, reason, detail, payload, events)
SELECT * FROM unnest(%(received)s::timestamptz[], %(ids)s::uuid[], %(topics)s::text[], %(device_ids)s::text[],
                     %(lanes)s::text[], %(indexes)s::integer[], %(reasons)s::text[], %(details)s::text[],
                     %(payloads)b::bytea[], %(events)s::integer[]);

-- touch_state --
-- Current state, forwards only. An emergency does not wait for a row that a telemetry batch holds: whoever holds it is
-- just writing a sign of life of this moment.
WITH said AS (
    SELECT * FROM unnest(%(device_nos)s::integer[], %(last_seen)s::timestamptz[], %(last_at)s::timestamptz[])
                  AS t (device_no, last_seen, last_at)
), free AS (
    SELECT device_no FROM device_state WHERE device_no IN (SELECT device_no FROM said)
    ORDER BY device_no FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE device_state d SET last_seen = greatest(d.last_seen, s.last_seen), last_at = greatest(d.last_at, s.last_at)
    FROM said s JOIN free USING (device_no)
    WHERE d.device_no = s.device_no
)
INSERT INTO device_state (device_no, last_seen, last_at)
SELECT device_no, last_seen, coalesce(last_at, last_seen) FROM said s
WHERE NOT EXISTS (SELECT FROM device_state d WHERE d.device_no = s.device_no)
ORDER BY device_no
ON CONFLICT (device_no) DO NOTHING;
