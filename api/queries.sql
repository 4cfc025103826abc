-- insert_refresh_token --
-- A new token of a sign-in session (a family); only its hash is kept.
INSERT INTO refresh_token (id, family_id, account_id, token_hash, created_at, expires_at)
VALUES (%(id)s, %(family_id)s, %(account_id)s, %(token_hash)s, %(now)s, %(expires_at)s);

-- refresh_token_for_update --
-- Locked, so that two refreshes with one token are one after the other.
SELECT id, family_id, account_id, expires_at, rotated_at, revoked_at
FROM refresh_token
WHERE token_hash = %(token_hash)s
FOR UPDATE;

-- mark_rotated --
UPDATE refresh_token SET rotated_at = %(now)s WHERE id = %(id)s AND rotated_at IS NULL;

-- revoke_family --
UPDATE refresh_token SET revoked_at = %(now)s WHERE family_id = %(family_id)s AND revoked_at IS NULL;

-- count_sign_in --
-- Counted before the password is checked, so that attempts sent side by side slow each other down too.
-- What is older than %(forget_before)s starts over.
INSERT INTO sign_in_failure AS f (name_hash, failures, last_at)
VALUES (%(name_hash)s, 1, %(now)s)
ON CONFLICT (name_hash) DO UPDATE SET
    failures = CASE WHEN f.last_at < %(forget_before)s THEN 1 ELSE least(f.failures + 1, 1000) END,
    last_at = %(now)s
RETURNING failures;

-- clear_sign_in --
DELETE FROM sign_in_failure WHERE name_hash = %(name_hash)s;

-- forget_old_sign_ins --
DELETE FROM sign_in_failure WHERE last_at < %(forget_before)s;

-- forget_old_tokens --
-- A session whose every token has run out can neither be refreshed nor reused.
DELETE FROM refresh_token WHERE expires_at < %(before)s;

-- claim_idempotency --
-- No row comes back when the key is taken; a key older than %(oldest)s is free again.
-- Waits (lock_timeout) while a first request with the same key is still running.
INSERT INTO idempotency AS i (account_id, method, path, key, body_hash, created_at)
VALUES (%(account_id)s, %(method)s, %(path)s, %(key)s, %(body_hash)s, %(now)s)
ON CONFLICT (account_id, method, path, key) DO UPDATE SET
    body_hash = EXCLUDED.body_hash, status = NULL, response = NULL, created_at = EXCLUDED.created_at
WHERE i.created_at < %(oldest)s
RETURNING true;

-- idempotent_answer --
SELECT body_hash, status, response
FROM idempotency
WHERE account_id = %(account_id)s AND method = %(method)s AND path = %(path)s AND key = %(key)s;

-- store_answer --
UPDATE idempotency SET status = %(status)s, response = %(response)s
WHERE account_id = %(account_id)s AND method = %(method)s AND path = %(path)s AND key = %(key)s;

-- set_lock_timeout --
SELECT set_config('lock_timeout', %(milliseconds)s, true);

-- upsert_seats --
-- All seats of a process in one statement: after a power cut hundreds connect in the same second.
INSERT INTO seat (session_id, account_id, connected_at, last_seen_at, audible, visible, idle_s)
SELECT session_id, account_id, %(now)s, %(now)s, audible, visible, idle_s
FROM unnest(%(sessions)s::uuid[], %(accounts)s::uuid[], %(audible)s::boolean[], %(visible)s::boolean[],
            %(idle_s)s::integer[]) AS s (session_id, account_id, audible, visible, idle_s)
ON CONFLICT (session_id) DO UPDATE SET
    last_seen_at = EXCLUDED.last_seen_at, audible = EXCLUDED.audible,
    visible = EXCLUDED.visible, idle_s = EXCLUDED.idle_s;

-- delete_old_seats --
-- Long gone, closed or killed.
DELETE FROM seat WHERE last_seen_at < %(before)s;

-- access_marks --
-- One text per account that differs as soon as anything of its roles, its scope or its links does, also when a
-- validity merely began or ended; an account that is disabled or gone has no row.
SELECT a.id,
    md5(concat_ws('|', a.scope_version,
        (SELECT string_agg(concat_ws(',', r.role, r.centre_id, r.region_code), ';' ORDER BY r.id)
         FROM role_assignment r WHERE r.account_id = a.id AND r.valid @> %(now)s::timestamptz),
        (SELECT string_agg(concat_ws(',', f.elder_id, f.can_view), ';' ORDER BY f.id)
         FROM family_link f WHERE f.account_id = a.id AND f.valid @> %(now)s::timestamptz)))
FROM account a
WHERE a.id = ANY(%(accounts)s::uuid[]) AND a.disabled_at IS NULL;

-- revoked_sessions --
SELECT DISTINCT family_id FROM refresh_token
WHERE family_id = ANY(%(sessions)s::uuid[]) AND revoked_at IS NOT NULL;

-- account_names --
-- Names of seats ("坐席 1") for timelines.
SELECT id::text, display_name FROM account WHERE id = ANY(%(accounts)s::uuid[]);

-- newest_pulse --
-- When a part of the platform last said that it works.
SELECT max(at) FROM component_pulse WHERE component LIKE %(like)s;

-- ping --
SELECT 1;

-- stored_keys --
-- Which of these event keys ingest has entered.
SELECT k.device_no, k.key
FROM unnest(%(device_nos)s::integer[], %(keys)s::bytea[]) AS k (device_no, key)
JOIN event_key e ON e.device_no = k.device_no AND e.key = k.key;
