-- put_credential --
-- A new one, or a new password for one that was there.
INSERT INTO broker_credential (username, device_id, password_hash, issued_at)
VALUES (%(username)s, %(device_id)s, %(hash)s, %(now)s)
ON CONFLICT (username) DO UPDATE
SET password_hash = excluded.password_hash, issued_at = excluded.issued_at, revoked_at = NULL
WHERE broker_credential.device_id IS NOT DISTINCT FROM excluded.device_id;

-- insert_credentials --
INSERT INTO broker_credential (username, device_id, password_hash, issued_at)
SELECT id, id, hash, %(now)s FROM unnest(%(ids)s::text[], %(hashes)s::text[]) AS given (id, hash);

-- revoke_credential --
UPDATE broker_credential SET revoked_at = %(now)s WHERE username = %(username)s AND revoked_at IS NULL;

-- valid_credentials --
SELECT username, password_hash FROM broker_credential WHERE revoked_at IS NULL;

-- credentials_fingerprint --
-- Changes with any valid credential, whatever changed it: one row instead of all of them.
SELECT count(*), bit_xor(hashtextextended(username || ':' || password_hash, 0))
FROM broker_credential WHERE revoked_at IS NULL;

-- platform_names --
SELECT username FROM broker_credential WHERE device_id IS NULL AND username = ANY(%(names)s);
