-- insert_contact --
INSERT INTO contact (id, elder_id, data_key_id, name_enc, phone_enc, phone_hash, relation, priority, is_guardian,
                     is_keyholder, created_at)
VALUES (%(id)s, %(elder_id)s, %(data_key_id)s, %(name_enc)s, %(phone_enc)s, %(phone_hash)s, %(relation)s,
        %(priority)s, %(is_guardian)s, %(is_keyholder)s, %(now)s);

-- elder_in_scope --
SELECT e.id FROM elder e WHERE e.id = %(id)s AND :scope(e.centre_id, e.region_code, e.id);

-- contacts_of_elder --
SELECT c.id, c.elder_id, c.name_enc, c.phone_enc, c.relation, c.priority, c.is_guardian, c.is_keyholder,
       c.data_key_id, k.wrapped, k.master_key_id
FROM contact c JOIN data_key k ON k.id = c.data_key_id
WHERE c.elder_id = %(elder_id)s
ORDER BY c.priority, c.id;

-- contact --
SELECT c.id, c.phone_enc, c.data_key_id, k.wrapped, k.master_key_id
FROM contact c
JOIN data_key k ON k.id = c.data_key_id
JOIN elder e ON e.id = c.elder_id
WHERE c.id = %(id)s AND :scope(e.centre_id, e.region_code, e.id);

-- insert_staff --
INSERT INTO staff (id, organisation_id, data_key_id, name_enc, phone_enc, employment, created_at)
VALUES (%(id)s, %(organisation_id)s, %(data_key_id)s, %(name_enc)s, %(phone_enc)s, %(employment)s, %(now)s);

-- staff_in_scope --
SELECT s.id, s.organisation_id, s.name_enc, s.phone_enc, s.employment, s.data_key_id, k.wrapped, k.master_key_id
FROM staff s
JOIN organisation o ON o.id = s.organisation_id
JOIN data_key k ON k.id = s.data_key_id
WHERE :scope(o.id, o.region_code, NULL::uuid)
ORDER BY s.id;
