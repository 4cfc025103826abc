-- server --
-- What a backup has to know of the server it is of.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int / 10000 AS major,
       (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
       (SELECT setting::int FROM pg_settings WHERE name = 'wal_segment_size') AS wal_segment_bytes,
       (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user) AS may_replicate,
       (SELECT sum(pg_database_size(oid))::bigint FROM pg_database) AS database_bytes,
       coalesce((SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), '') AS timescaledb_version,
       current_database()::text AS database,
       current_user::text AS role;

-- content --
-- How far the platform's own numbers were.
SELECT (SELECT coalesce(max(version), 0) FROM schema_migration), (SELECT seq FROM alert_counter);

-- slot --
-- The slot keeps the log that a follower has not fetched yet.
SELECT wal_status, coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = %(slot)s;

-- make_slot --
SELECT pg_create_physical_replication_slot(%(slot)s, true);

-- drop_slot --
SELECT pg_drop_replication_slot(%(slot)s);

-- behind --
-- How much of the log the follower has not put on its disk yet, in bytes; no row: it is not connected.
SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), r.flush_lsn)::bigint, r.flush_lsn::text, r.sync_state
FROM pg_stat_replication r
JOIN pg_replication_slots s ON s.active_pid = r.pid
WHERE s.slot_name = %(slot)s;
