-- spool_position --
SELECT segment, position FROM ingest_spool_position WHERE worker = %(worker)s AND lane = %(lane)s;

-- move_spool_position --
-- In the transaction that stores what is before it: a crash afterwards repeats nothing.
INSERT INTO ingest_spool_position (worker, lane, segment, position, at)
VALUES (%(worker)s, %(lane)s, %(segment)s, %(position)s, %(at)s)
ON CONFLICT (worker, lane) DO UPDATE
    SET segment = excluded.segment, position = excluded.position, at = excluded.at;

-- touch_spool_position --
-- Whether the database takes a write, not only whether it answers: with a full disk it does only the latter. The
-- position stays; where there is none yet, the segment of that name does not exist.
INSERT INTO ingest_spool_position (worker, lane, segment, position, at)
VALUES (%(worker)s, %(lane)s, '00000000-0000-0000-0000-000000000000', 0, %(at)s)
ON CONFLICT (worker, lane) DO UPDATE SET at = excluded.at;
