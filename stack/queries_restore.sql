-- content --
-- How far the restored database reaches: the newest receipt of an event is the recovery point.
SELECT (SELECT coalesce(max(version), 0) FROM schema_migration) AS schema_version,
       (SELECT max(received_at) FROM event_key) AS newest_receipt_at,
       (SELECT max(at) FROM alert_event) AS newest_alert_event_at,
       (SELECT max(applied_at) FROM schema_migration) AS migrated_at;

-- sizes --
-- Rows of what matters, counted.
SELECT 'event_key' AS name, count(*) AS rows FROM event_key
UNION ALL SELECT 'reading', count(*) FROM reading
UNION ALL SELECT 'event', count(*) FROM event
UNION ALL SELECT 'alert', count(*) FROM alert
UNION ALL SELECT 'alert_event', count(*) FROM alert_event
UNION ALL SELECT 'elder', count(*) FROM elder
UNION ALL SELECT 'device', count(*) FROM device
UNION ALL SELECT 'access_log', count(*) FROM access_log
UNION ALL SELECT 'dead_letter', count(*) FROM dead_letter;

-- alert_events_without_gap --
-- Numbered from 1 to the counter, none missing, none beyond.
SELECT count(e.seq) = c.seq AND coalesce(max(e.seq), 0) = c.seq AND coalesce(min(e.seq), 1) = 1
FROM alert_counter c LEFT JOIN alert_event e ON true
GROUP BY c.seq;

-- alerts_as_their_newest_event --
-- Every alert's row is what its newest event says.
SELECT count(*) = 0
FROM alert a
LEFT JOIN alert_event e ON e.seq = a.seq AND e.alert_id = a.id
WHERE e.seq IS NULL OR e.alert ->> 'status' <> a.status
   OR EXISTS (SELECT FROM alert_event later WHERE later.alert_id = a.id AND later.seq > a.seq);

-- accounting_closes --
-- Counted in the transaction that made it true, so the sum closes at every moment.
SELECT count(*) = 0
FROM (SELECT FROM ingest_count GROUP BY worker, lane
      HAVING sum(events) FILTER (WHERE outcome = 'received')
             IS DISTINCT FROM sum(events) FILTER (WHERE outcome <> 'received')) AS open_sum;

-- indexes_whole --
-- No index was left half-built.
SELECT count(*) = 0 FROM pg_index WHERE NOT indisvalid;

-- seal_of_witness --
-- The head that was written outside the database is in its chain.
SELECT count(*) = 1 FROM access_seal WHERE up_to_id = %(up_to_id)s AND head = %(head)s;

-- role_exists --
SELECT count(*) = 1 FROM pg_roles WHERE rolname = %(role)s;
