-- elder_place --
-- Where an elder lives and by which clock. `alone`: whether a dwelling's body sensors can only mean this elder.
SELECT e.id, e.centre_id, e.region_code, r.time_zone, h.dwelling_id,
       NOT EXISTS (
           SELECT FROM household oh JOIN elder o ON o.household_id = oh.id
           WHERE oh.dwelling_id = h.dwelling_id AND o.id <> e.id AND o.enrolment NOT IN ('moved_out', 'deceased')
       ) AS alone
FROM elder e
JOIN region r ON r.code = e.region_code
LEFT JOIN household h ON h.id = e.household_id
WHERE e.id = %(elder_id)s;

-- spans --
-- Fragment: which devices spoke for the elder, and when. A device bound to somebody else in between has several rows.
span AS MATERIALIZED (
    SELECT b.device_id, d.device_no, b.elder_id IS NOT NULL AS own,
           greatest(lower(b.valid), %(since)s) AS since, least(upper(b.valid), %(until)s) AS until
    FROM device_binding b JOIN device d ON d.id = b.device_id
    WHERE (b.elder_id = %(elder_id)s OR b.dwelling_id = %(dwelling_id)s)
      AND b.valid && tstzrange(%(since)s, %(until)s)
)

-- readings_raw --
WITH :spans
SELECT r.at, r.value, r.suspect
FROM span s JOIN reading r ON r.device_no = s.device_no AND r.metric = %(metric)s
    AND r.at >= s.since AND r.at < s.until AND r.at >= %(since)s AND r.at < %(until)s
ORDER BY r.at, s.device_no, r.value
LIMIT %(limit)s;

-- latest_readings --
-- The newest of each metric; of devices of the dwelling only what `home_metrics` lists, unless the elder lives alone.
WITH :spans
SELECT DISTINCT ON (m.metric) m.metric, newest.at, newest.value, newest.suspect
FROM span s
CROSS JOIN unnest(%(metrics)s::smallint[]) AS m (metric)
CROSS JOIN LATERAL (
    SELECT r.at, r.value, r.suspect FROM reading r
    WHERE r.device_no = s.device_no AND r.metric = m.metric AND r.at >= s.since AND r.at < s.until
      AND r.at >= %(since)s AND r.at < %(until)s
    ORDER BY r.at DESC LIMIT 1
) newest
WHERE s.own OR %(alone)s OR m.metric = ANY(%(home_metrics)s::smallint[])
ORDER BY m.metric, newest.at DESC;

-- events_before --
-- Newest first from just below the cursor. Each device's index is walked from its newest end, so a long life costs
-- no more than a short one.
WITH :spans
SELECT newest.at, s.device_id || ':' || encode(newest.key, 'hex') AS id, newest.type, newest.value, s.device_id,
       newest.zone, newest.suspect, newest.clock_suspect
FROM span s
CROSS JOIN LATERAL (
    SELECT e.at, e.key, e.type, e.value, e.zone, e.suspect, e.clock_suspect FROM event e
    WHERE e.device_no = s.device_no AND e.at >= s.since AND e.at < s.until AND e.at <= %(cursor_at)s
      AND (e.at < %(cursor_at)s OR (s.device_id || ':' || encode(e.key, 'hex')) COLLATE "C" < %(cursor_id)s)
    ORDER BY e.at DESC, e.key DESC
    LIMIT %(limit)s
) newest
ORDER BY newest.at DESC, (s.device_id || ':' || encode(newest.key, 'hex')) COLLATE "C" DESC
LIMIT %(limit)s;

-- alerts_before --
SELECT a.opened_at, '~' || a.id::text AS id, a.id, a.alert_no, a.rule, a.severity, a.status, a.title, a.presses,
       a.close_code
FROM alert a
WHERE a.elder_ids @> ARRAY[%(elder_id)s]::uuid[] AND a.opened_at <= %(cursor_at)s
  AND (a.opened_at < %(cursor_at)s OR ('~' || a.id::text) COLLATE "C" < %(cursor_id)s)
ORDER BY a.opened_at DESC, ('~' || a.id::text) COLLATE "C" DESC
LIMIT %(limit)s;
