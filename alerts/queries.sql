-- lock_subjects --
-- One writer a subject, in the order of the lock numbers: nobody waits in a circle. Held until the commit is visible.
-- A client that stops or loses its line while it holds them is thrown out: the next press of this subject waits for it.
SELECT pg_advisory_xact_lock(number), set_config('idle_in_transaction_session_timeout', '5s', true)
FROM unnest(%(numbers)s::bigint[]) AS number;

-- lock_unclosed --
-- The rows too: the engine and people's actions hold them without the subject's number. In id order, for the same reason.
-- The ids come from two indexes; with one OR the planner reads the whole table.
SELECT id
FROM alert
WHERE status <> 'closed' AND id = ANY(ARRAY(
    SELECT mine.id
    FROM unnest(%(kinds)s::text[], %(subjects)s::text[]) AS wanted (kind, id)
    JOIN alert mine ON mine.subject_kind = wanted.kind AND mine.subject_id = wanted.id AND mine.status <> 'closed'
    UNION
    SELECT fall.id
    FROM alert fall
    WHERE fall.elder_id = ANY(%(elders)s::uuid[]) AND fall.rule IN ('fall', 'fall_suspected')
      AND fall.status <> 'closed'))
ORDER BY id
FOR UPDATE;

-- unclosed --
-- A statement of its own after the locks: its snapshot is newer than whatever was waited for.
SELECT a.*, o.display_name AS owner_name, s.seen_at AS owner_seen_at
FROM alert a
LEFT JOIN account o ON o.id = a.owner_id
LEFT JOIN LATERAL (SELECT max(last_seen_at) AS seen_at FROM seat WHERE account_id = a.owner_id) s ON true
WHERE a.status <> 'closed' AND a.id = ANY(ARRAY(
    SELECT mine.id
    FROM unnest(%(kinds)s::text[], %(subjects)s::text[]) AS wanted (kind, id)
    JOIN alert mine ON mine.subject_kind = wanted.kind AND mine.subject_id = wanted.id AND mine.status <> 'closed'
    UNION
    SELECT fall.id
    FROM alert fall
    WHERE fall.elder_id = ANY(%(elders)s::uuid[]) AND fall.rule IN ('fall', 'fall_suspected')
      AND fall.status <> 'closed'));

-- answers_of_elders --
-- Stored "I am fine" messages that may answer these falls: from any device that stood for the same elder or dwelling.
-- The two outer bounds let the planner skip all other chunks.
SELECT f.n, d.id AS device_id, d.device_no, e.at, e.received_at, e.key
FROM unnest(%(elders)s::uuid[], %(dwellings)s::uuid[], %(ats)s::timestamptz[])
     WITH ORDINALITY AS f (elder_id, dwelling_id, at, n)
LEFT JOIN LATERAL (
    SELECT h.dwelling_id
    FROM elder own JOIN household h ON h.id = own.household_id
    WHERE own.id = f.elder_id
      AND NOT EXISTS (
          SELECT 1 FROM household hh JOIN elder other ON other.household_id = hh.id
          WHERE hh.dwelling_id = h.dwelling_id AND other.id <> own.id
            AND other.enrolment NOT IN ('moved_out', 'deceased'))
) alone ON true
JOIN device_binding b
  ON (b.elder_id = f.elder_id OR b.dwelling_id = coalesce(f.dwelling_id, alone.dwelling_id))
 AND b.valid && tstzrange(f.at, f.at + %(window)s::interval, '[]')
JOIN device d ON d.id = b.device_id
JOIN event e
  ON e.device_no = d.device_no AND e.type = 'elder_ok' AND NOT e.suspect
 AND e.at >= f.at AND e.at <= f.at + %(window)s::interval AND b.valid @> e.at
WHERE e.at >= %(first)s::timestamptz AND e.at <= %(last)s::timestamptz
ORDER BY f.n, e.at;

-- devices_with_live_state --
-- Which of these devices have a live alert of these rules at all: without one, a good battery is no news.
SELECT DISTINCT subject_id, rule
FROM alert
WHERE subject_kind = 'device' AND subject_id = ANY(%(devices)s::text[]) AND rule = ANY(%(rules)s::text[])
  AND status NOT IN ('resolved', 'closed');

-- write_changes --
-- Everything of one transaction's changes in one statement, so that the counter is held for one round trip and the
-- commit: take the numbers, write the alerts with the last of theirs, append the events with theirs, wake the readers.
-- Rows that close are written before rows that open, or the unique key of live alerts would refuse the new one.
WITH counter AS (
    UPDATE alert_counter SET seq = seq + %(count)s RETURNING seq - %(count)s AS base
),
updated AS (
    UPDATE alert a
    SET (version, seq, elder_id, elder_ids, severity, boost, status, title, reason, presses, last_pressed_at, delayed,
         clock_suspect, test, evidence, location, owner_id, owner_since, escalation_level, clocks, dispatches, verified,
         outcome, close_code, note, resolved_at, closed_at, confirm_due_at)
      = (r.version, counter.base + r.seq, r.elder_id, r.elder_ids, r.severity, r.boost, r.status, r.title, r.reason,
         r.presses, r.last_pressed_at, r.delayed, r.clock_suspect, r.test, r.evidence, r.location, r.owner_id,
         r.owner_since, r.escalation_level, r.clocks, r.dispatches, r.verified, r.outcome, r.close_code, r.note,
         r.resolved_at, r.closed_at, r.confirm_due_at)
    FROM counter, jsonb_populate_recordset(NULL::alert, %(changed)s::jsonb) r
    WHERE a.id = r.id AND a.version < r.version
    RETURNING a.id
),
inserted AS (
    INSERT INTO alert (id, version, seq, subject_kind, subject_id, elder_id, elder_ids, centre_id, region_code, rule,
        rule_version, severity, boost, status, title, reason, presses, opened_at, event_at, last_pressed_at, delayed,
        clock_suspect, test, evidence, location, owner_id, owner_since, escalation_level, clocks, dispatches,
        parent_alert_id, verified, outcome, close_code, note, resolved_at, closed_at, confirm_due_at)
    SELECT r.id, r.version, counter.base + r.seq, r.subject_kind, r.subject_id, r.elder_id, r.elder_ids, r.centre_id,
        r.region_code, r.rule, r.rule_version, r.severity, r.boost, r.status, r.title, r.reason, r.presses, r.opened_at,
        r.event_at, r.last_pressed_at, r.delayed, r.clock_suspect, r.test, r.evidence, r.location, r.owner_id,
        r.owner_since, r.escalation_level, r.clocks, r.dispatches, r.parent_alert_id, r.verified, r.outcome,
        r.close_code, r.note, r.resolved_at, r.closed_at, r.confirm_due_at
    FROM counter, (SELECT count(*) FROM updated) AS after_updates,
         jsonb_populate_recordset(NULL::alert, %(opened)s::jsonb) r
    RETURNING id, alert_no
),
appended AS (
    INSERT INTO alert_event (seq, alert_id, type, at, actor_kind, actor_id, detail, alert)
    SELECT counter.base + e.n, e.alert_id, e.type, e.at, e.actor_kind, e.actor_id, e.detail,
           e.alert || jsonb_build_object('seq', counter.base + e.n)
                   || CASE WHEN i.id IS NULL THEN '{}' ELSE jsonb_build_object('alert_no', i.alert_no) END
    FROM counter
    CROSS JOIN jsonb_to_recordset(%(events)s::jsonb) AS e (n bigint, alert_id uuid, type text, at timestamptz,
        actor_kind text, actor_id text, detail jsonb, alert jsonb)
    LEFT JOIN inserted i ON i.id = e.alert_id
    RETURNING seq
)
SELECT (SELECT base FROM counter) AS base,
       (SELECT coalesce(jsonb_object_agg(id, alert_no), '{}') FROM inserted) AS alert_nos,
       pg_notify('alert_event', ((SELECT base FROM counter) + %(count)s)::text),
       -- From here on every other alert of the platform waits for this commit.
       set_config('idle_in_transaction_session_timeout', '1s', true),
       -- A row that somebody changed without its lock, or no counter: the COMMIT may be on its way already, so the
       -- server itself must refuse. This setting cannot be changed within a transaction, and its error is our Conflict.
       CASE WHEN (SELECT count(*) FROM updated) <> jsonb_array_length(%(changed)s::jsonb)
              OR (SELECT count(*) FROM appended) <> %(count)s
            THEN set_config('transaction_isolation', 'serializable', true) END;

-- find_for_action --
-- Whom the alert is about, for the lock; nothing when it is outside the caller's scope.
SELECT subject_kind, subject_id, elder_id
FROM alert a
WHERE id = %(id)s AND (:scope(a.centre_id, a.region_code, a.elder_ids[]) OR a.dispatches @> %(dispatched_to)s::jsonb);

-- lock_alert --
SELECT id FROM alert WHERE id = %(id)s FOR UPDATE;

-- get --
SELECT a.*, o.display_name AS owner_name, s.seen_at AS owner_seen_at
FROM alert a
LEFT JOIN account o ON o.id = a.owner_id
LEFT JOIN LATERAL (SELECT max(last_seen_at) AS seen_at FROM seat WHERE account_id = a.owner_id) s ON true
WHERE a.id = %(id)s AND (:scope(a.centre_id, a.region_code, a.elder_ids[]) OR a.dispatches @> %(dispatched_to)s::jsonb);

-- list --
-- Newest first. NULL parameters do not filter.
SELECT a.*, o.display_name AS owner_name, s.seen_at AS owner_seen_at
FROM alert a
LEFT JOIN account o ON o.id = a.owner_id
LEFT JOIN LATERAL (SELECT max(last_seen_at) AS seen_at FROM seat WHERE account_id = a.owner_id) s ON true
WHERE (:scope(a.centre_id, a.region_code, a.elder_ids[]) OR a.dispatches @> %(dispatched_to)s::jsonb)
  AND (%(status)s::text[] IS NULL OR a.status = ANY(%(status)s::text[]))
  AND (%(severity)s::text[] IS NULL OR a.severity = ANY(%(severity)s::text[]))
  AND (%(elder_id)s::uuid IS NULL OR a.elder_id = %(elder_id)s OR a.elder_ids @> ARRAY[%(elder_id)s::uuid])
  AND (%(before_at)s::timestamptz IS NULL
       OR (a.opened_at, a.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
ORDER BY a.opened_at DESC, a.id DESC
LIMIT %(limit)s;

-- live --
-- The live alerts and the number they stand at, of one snapshot: what a live stream says first.
SELECT c.seq AS at_seq, a.*, o.display_name AS owner_name, s.seen_at AS owner_seen_at
FROM alert_counter c
LEFT JOIN alert a
  ON a.status NOT IN ('resolved', 'closed')
 AND (:scope(a.centre_id, a.region_code, a.elder_ids[]) OR a.dispatches @> %(dispatched_to)s::jsonb)
LEFT JOIN account o ON o.id = a.owner_id
LEFT JOIN LATERAL (SELECT max(last_seen_at) AS seen_at FROM seat WHERE account_id = a.owner_id) s ON true
ORDER BY a.opened_at DESC, a.id DESC;

-- events_after --
-- What never changes of an alert (centre, region, residents) comes from its row; all else as it stood at the event.
SELECT e.seq, e.type, e.at, e.actor_kind, e.actor_id, e.detail, e.alert, a.centre_id, a.region_code, a.elder_ids
FROM alert_event e JOIN alert a ON a.id = e.alert_id
WHERE e.seq > %(seq)s
ORDER BY e.seq
LIMIT %(limit)s;

-- timeline --
SELECT seq, type, at, actor_kind, actor_id, detail
FROM alert_event
WHERE alert_id = %(id)s
ORDER BY seq;

-- highest_seq --
SELECT seq FROM alert_counter;

-- oldest_kept_seq --
-- The counter itself when no event is kept: nothing before it can be asked for.
SELECT coalesce((SELECT min(seq) FROM alert_event), (SELECT seq + 1 FROM alert_counter));

-- claim_unanswered --
-- Engines side by side each take rows the other has not; nobody waits.
SELECT id
FROM alert
WHERE status = 'pending_confirm' AND confirm_due_at <= %(now)s
ORDER BY confirm_due_at
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;

-- by_ids --
SELECT a.*, o.display_name AS owner_name, s.seen_at AS owner_seen_at
FROM alert a
LEFT JOIN account o ON o.id = a.owner_id
LEFT JOIN LATERAL (SELECT max(last_seen_at) AS seen_at FROM seat WHERE account_id = a.owner_id) s ON true
WHERE a.id = ANY(%(ids)s::uuid[])
ORDER BY a.confirm_due_at;

-- next_due --
SELECT min(confirm_due_at) FROM alert WHERE status = 'pending_confirm';

-- is_responder --
SELECT EXISTS (
    SELECT 1 FROM role_assignment r JOIN account c ON c.id = r.account_id
    WHERE r.account_id = %(account_id)s AND r.role = 'responder' AND r.valid @> %(now)s::timestamptz
      AND c.disabled_at IS NULL);

-- live_elsewhere --
-- Whether another alert holds the live key of this one's subject and rule.
SELECT EXISTS (
    SELECT 1 FROM alert a JOIN alert other
      ON (other.subject_kind, other.subject_id, other.rule) = (a.subject_kind, a.subject_id, a.rule)
    WHERE a.id = %(id)s AND other.id <> a.id AND other.status NOT IN ('resolved', 'closed'));

-- open_counts --
SELECT severity, count(*), min(opened_at) FILTER (WHERE status = 'open')
FROM alert
WHERE status NOT IN ('resolved', 'closed')
GROUP BY severity;

-- purge_event_keys --
-- A slice at a time: a long delete would hold back the vacuum of everything else. What goes is booked, minute by minute,
-- or the accounting would miss it.
WITH gone AS (
    DELETE FROM event_key
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM event_key WHERE received_at < %(before)s LIMIT %(limit)s))
    RETURNING worker, received_at
), booked AS (
    INSERT INTO ingest_minute AS m (worker, lane, minute, keys, dead_letters)
    SELECT worker, 'purged', date_trunc('minute', received_at), -count(*), 0
    FROM gone GROUP BY worker, date_trunc('minute', received_at)
    ORDER BY worker, date_trunc('minute', received_at)
    ON CONFLICT (worker, lane, minute) DO UPDATE SET keys = m.keys + excluded.keys
)
SELECT FROM gone;

-- purge_minutes --
-- Minutes whose keys are all gone are summed up, so that totals still close and the table does not grow.
WITH old AS (
    DELETE FROM ingest_minute
    WHERE (worker, lane, minute) IN (
        SELECT worker, lane, minute FROM ingest_minute
        WHERE minute > '-infinity' AND minute < %(before)s::timestamptz - INTERVAL '1 day' AND lane <> 'opened'
        LIMIT %(limit)s)
    RETURNING worker, lane, keys, dead_letters
), summed AS (
    INSERT INTO ingest_minute AS m (worker, lane, minute, keys, dead_letters)
    SELECT worker, lane, '-infinity', sum(keys), sum(dead_letters)
    FROM old WHERE lane IN ('alarm', 'telemetry', 'control') GROUP BY worker, lane
    ORDER BY worker, lane
    ON CONFLICT (worker, lane, minute) DO UPDATE
    SET keys = m.keys + excluded.keys, dead_letters = m.dead_letters + excluded.dead_letters
)
SELECT FROM old;

-- purge_idempotency --
DELETE FROM idempotency
WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency WHERE created_at < %(before)s LIMIT %(limit)s));

-- pulse --
INSERT INTO component_pulse (component, detail, at) VALUES (%(component)s, %(detail)s, %(at)s)
ON CONFLICT (component) DO UPDATE SET detail = excluded.detail, at = excluded.at;

-- purge_pulses --
-- Parts that said goodbye a day ago and did not come back.
DELETE FROM component_pulse
WHERE component IN (SELECT component FROM component_pulse
                    WHERE detail->'stopped' = 'true' AND at < %(before)s LIMIT %(limit)s);
