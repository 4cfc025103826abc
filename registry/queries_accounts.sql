-- insert_account --
INSERT INTO account (id, username, password_hash, display_name, staff_id, locale, created_at)
VALUES (%(id)s, %(username)s, %(password_hash)s, %(display_name)s, %(staff_id)s, %(locale)s, %(now)s);

-- insert_grant --
-- Without a beginning the role holds from the first day: accounts are set up under clocks that differ.
INSERT INTO role_assignment (id, account_id, role, centre_id, region_code, valid)
VALUES (%(id)s, %(account_id)s, %(role)s, %(centre_id)s, %(region_code)s,
        tstzrange(coalesce(%(since)s::timestamptz, '-infinity'), %(until)s::timestamptz));

-- credentials --
SELECT id, password_hash, disabled_at FROM account WHERE username = %(username)s;

-- rehash --
UPDATE account SET password_hash = %(new)s WHERE id = %(id)s AND password_hash = %(old)s;

-- account --
SELECT a.id, a.username, a.display_name, a.locale, a.scope_version, a.disabled_at, a.created_at,
       array(SELECT DISTINCT r.role FROM role_assignment r
             WHERE r.account_id = a.id AND r.valid @> %(now)s::timestamptz ORDER BY r.role) AS roles
FROM account a
WHERE a.username = %(username)s;

-- accounts --
SELECT a.id, a.username, a.display_name, a.locale, a.scope_version, a.disabled_at, a.created_at,
       array(SELECT DISTINCT r.role FROM role_assignment r
             WHERE r.account_id = a.id AND r.valid @> %(now)s::timestamptz ORDER BY r.role) AS roles
FROM account a
ORDER BY a.username;

-- disable --
UPDATE account
SET disabled_at = coalesce(disabled_at, %(now)s), scope_version = scope_version + 1
WHERE username = %(username)s
RETURNING id;

-- enable --
UPDATE account
SET disabled_at = NULL, scope_version = scope_version + 1
WHERE username = %(username)s
RETURNING id;

-- reset_password --
UPDATE account
SET password_hash = %(password_hash)s, scope_version = scope_version + 1
WHERE username = %(username)s
RETURNING id;

-- revoke_tokens --
UPDATE refresh_token
SET revoked_at = %(now)s
WHERE account_id = %(account_id)s AND revoked_at IS NULL;

-- raise_version --
UPDATE account SET scope_version = scope_version + 1 WHERE id = %(id)s;

-- end_grants --
UPDATE role_assignment
SET valid = tstzrange(lower(valid), least(upper(valid), greatest(lower(valid), %(now)s)))
WHERE account_id = %(account_id)s AND role = %(role)s
  AND (%(centre_id)s::uuid IS NULL OR centre_id = %(centre_id)s)
  AND NOT isempty(valid) AND (upper(valid) IS NULL OR upper(valid) > %(now)s);

-- insert_link --
INSERT INTO family_link (id, account_id, elder_id, can_view, valid)
VALUES (%(id)s, %(account_id)s, %(elder_id)s, %(can_view)s, tstzrange(%(now)s, NULL));

-- end_links --
WITH ended AS (
    UPDATE family_link
    SET valid = tstzrange(lower(valid), greatest(lower(valid), %(now)s))
    WHERE elder_id = %(elder_id)s AND (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s)
      AND NOT isempty(valid) AND (upper(valid) IS NULL OR upper(valid) > %(now)s)
    RETURNING account_id
)
UPDATE account SET scope_version = scope_version + 1
WHERE id IN (SELECT account_id FROM ended);
