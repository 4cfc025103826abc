-- account_for_scope --
-- The account with its roles and family links, in one round trip because every request asks it. No row for a `session`
-- that was ended. An erased or departed elder stays visible to the family as a record, but nothing of it can be read
-- any more.
SELECT a.id, a.username, a.display_name, a.locale, a.scope_version, a.disabled_at,
       ARRAY(
           SELECT jsonb_build_object('role', r.role, 'centre_id', r.centre_id, 'region_code', r.region_code)
           FROM role_assignment r WHERE r.account_id = a.id AND r.valid @> %(now)s::timestamptz
       ) AS assignments,
       ARRAY(
           SELECT jsonb_build_object('elder_id', l.elder_id, 'can_view', l.can_view)
           FROM family_link l WHERE l.account_id = a.id AND l.valid @> %(now)s::timestamptz
       ) AS links
FROM account a
WHERE a.id = %(account_id)s
  AND NOT EXISTS (SELECT FROM refresh_token t WHERE t.family_id = %(session)s::uuid AND t.revoked_at IS NOT NULL);
