-- append --
INSERT INTO access_log (at, actor_id, action, subject_kind, subject_id, fields, reason, request_id)
VALUES (%(at)s, %(actor_id)s, %(action)s, %(subject_kind)s, %(subject_id)s, %(fields)s, %(reason)s, %(request_id)s);

-- highest_id --
SELECT coalesce(max(id), 0) AS id FROM access_log;

-- last_seal --
SELECT up_to_id, from_id, rows, sealed_at, head
FROM access_seal
ORDER BY up_to_id DESC
LIMIT 1;

-- seals --
SELECT up_to_id, from_id, rows, sealed_at, head
FROM access_seal
ORDER BY up_to_id;

-- rows_after --
SELECT id, at, actor_id, action, subject_kind, subject_id, fields, reason, request_id
FROM access_log
WHERE id > %(after)s AND id <= %(up_to_id)s
ORDER BY id
LIMIT %(limit)s;

-- rows_between --
SELECT id, at, actor_id, action, subject_kind, subject_id, fields, reason, request_id
FROM access_log
WHERE id BETWEEN %(from_id)s AND %(up_to_id)s
ORDER BY id;

-- below_the_first --
SELECT id FROM access_log WHERE id < 1 LIMIT 1;

-- insert_seal --
INSERT INTO access_seal (up_to_id, from_id, rows, sealed_at, head)
VALUES (%(up_to_id)s, %(from_id)s, %(rows)s, %(sealed_at)s, %(head)s);

-- rows_of_subject --
SELECT id, at, actor_id, action, subject_kind, subject_id, fields, reason, request_id
FROM access_log
WHERE subject_kind = %(subject_kind)s AND subject_id = %(subject_id)s
ORDER BY id DESC
LIMIT %(limit)s;
