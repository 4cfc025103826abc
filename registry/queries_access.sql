-- account_for_scope --
SELECT id, username, display_name, locale, scope_version, disabled_at
FROM account
WHERE id = %(account_id)s;

-- roles_of_account --
SELECT role, centre_id, region_code
FROM role_assignment
WHERE account_id = %(account_id)s AND valid @> %(now)s::timestamptz;

-- family_links_of_account --
-- An erased or departed elder stays visible to the family as a record, but nothing of it can be read any more.
SELECT elder_id, can_view
FROM family_link
WHERE account_id = %(account_id)s AND valid @> %(now)s::timestamptz;
