-- insert_elder --
INSERT INTO elder (id, region_code, centre_id, household_id, data_key_id, name_enc, phone_enc, id_no_enc, name_hash,
                   phone_hash, id_no_hash, gender, birth_date, living_arrangement, elder_status, enrolment,
                   created_at, updated_at)
VALUES (%(id)s, %(region_code)s, %(centre_id)s, %(household_id)s, %(data_key_id)s, %(name_enc)s, %(phone_enc)s,
        %(id_no_enc)s, %(name_hash)s, %(phone_hash)s, %(id_no_hash)s, %(gender)s, %(birth_date)s,
        %(living_arrangement)s, %(elder_status)s, %(enrolment)s, %(now)s, %(now)s);

-- elder --
SELECT e.id, e.elder_no, e.region_code, e.centre_id, e.household_id, h.dwelling_id, e.data_key_id,
       e.name_enc, e.phone_enc, e.id_no_enc, e.gender, e.birth_date, e.living_arrangement, e.elder_status,
       e.enrolment, e.version, e.created_at, e.updated_at, k.wrapped, k.master_key_id,
       d.address_enc, d.building_enc, d.door_access_enc, d.data_key_id AS dwelling_data_key_id,
       dk.wrapped AS dwelling_wrapped, dk.master_key_id AS dwelling_master_key_id
FROM elder e
JOIN data_key k ON k.id = e.data_key_id
LEFT JOIN household h ON h.id = e.household_id
LEFT JOIN dwelling d ON d.id = h.dwelling_id
LEFT JOIN data_key dk ON dk.id = d.data_key_id
WHERE e.id = %(id)s AND :scope(e.centre_id, e.region_code, e.id);

-- list_elders --
SELECT e.id, e.elder_no, e.region_code, e.centre_id, e.household_id, h.dwelling_id, e.data_key_id,
       e.name_enc, e.phone_enc, e.id_no_enc, e.gender, e.birth_date, e.living_arrangement, e.elder_status,
       e.enrolment, e.version, e.created_at, e.updated_at, k.wrapped, k.master_key_id,
       d.address_enc, d.building_enc, d.door_access_enc, d.data_key_id AS dwelling_data_key_id,
       dk.wrapped AS dwelling_wrapped, dk.master_key_id AS dwelling_master_key_id
FROM elder e
JOIN data_key k ON k.id = e.data_key_id
LEFT JOIN household h ON h.id = e.household_id
LEFT JOIN dwelling d ON d.id = h.dwelling_id
LEFT JOIN data_key dk ON dk.id = d.data_key_id
WHERE :scope(e.centre_id, e.region_code, e.id)
  AND (%(after)s::uuid IS NULL OR e.id > %(after)s)
  AND (%(enrolment)s::text IS NULL OR e.enrolment = %(enrolment)s)
ORDER BY e.id
LIMIT %(limit)s;

-- search_elders --
SELECT e.id, e.elder_no, e.region_code, e.centre_id, e.household_id, h.dwelling_id, e.data_key_id,
       e.name_enc, e.phone_enc, e.id_no_enc, e.gender, e.birth_date, e.living_arrangement, e.elder_status,
       e.enrolment, e.version, e.created_at, e.updated_at, k.wrapped, k.master_key_id,
       d.address_enc, d.building_enc, d.door_access_enc, d.data_key_id AS dwelling_data_key_id,
       dk.wrapped AS dwelling_wrapped, dk.master_key_id AS dwelling_master_key_id
FROM elder e
JOIN data_key k ON k.id = e.data_key_id
LEFT JOIN household h ON h.id = e.household_id
LEFT JOIN dwelling d ON d.id = h.dwelling_id
LEFT JOIN data_key dk ON dk.id = d.data_key_id
WHERE :scope(e.centre_id, e.region_code, e.id)
  AND (%(after)s::uuid IS NULL OR e.id > %(after)s)
  AND (%(enrolment)s::text IS NULL OR e.enrolment = %(enrolment)s)
  AND (e.name_hash = %(name_hash)s OR e.phone_hash = %(phone_hash)s OR e.id_no_hash = %(id_no_hash)s
       OR e.elder_no = %(elder_no)s OR e.id = ANY(%(ids)s::uuid[]))
ORDER BY e.id
LIMIT %(limit)s;

-- names_in_scope --
-- Erased elders have no key and so no name to find.
SELECT e.id, e.version
FROM elder e JOIN data_key k ON k.id = e.data_key_id
WHERE :scope(e.centre_id, e.region_code, e.id) AND k.wrapped IS NOT NULL;

-- names_of --
SELECT e.id, e.version, e.name_enc, e.data_key_id, k.wrapped, k.master_key_id
FROM elder e JOIN data_key k ON k.id = e.data_key_id
WHERE e.id = ANY(%(ids)s::uuid[]);

-- elder_labels --
SELECT e.id, e.elder_no, e.name_enc, e.data_key_id, k.wrapped, k.master_key_id, d.building_enc,
       d.data_key_id AS dwelling_data_key_id, dk.wrapped AS dwelling_wrapped,
       dk.master_key_id AS dwelling_master_key_id
FROM elder e
JOIN data_key k ON k.id = e.data_key_id
LEFT JOIN household h ON h.id = e.household_id
LEFT JOIN dwelling d ON d.id = h.dwelling_id
LEFT JOIN data_key dk ON dk.id = d.data_key_id
WHERE e.id = ANY(%(ids)s::uuid[]);

-- elder_for_update --
SELECT e.*, k.wrapped, k.master_key_id
FROM elder e JOIN data_key k ON k.id = e.data_key_id
WHERE e.id = %(id)s AND :scope(e.centre_id, e.region_code, e.id)
FOR UPDATE OF e;

-- update_elder --
UPDATE elder
SET region_code = %(region_code)s, centre_id = %(centre_id)s, household_id = %(household_id)s,
    name_enc = %(name_enc)s, phone_enc = %(phone_enc)s, id_no_enc = %(id_no_enc)s, name_hash = %(name_hash)s,
    phone_hash = %(phone_hash)s, id_no_hash = %(id_no_hash)s, gender = %(gender)s, birth_date = %(birth_date)s,
    living_arrangement = %(living_arrangement)s, elder_status = %(elder_status)s, enrolment = %(enrolment)s,
    version = version + 1, updated_at = %(now)s
WHERE id = %(id)s;

-- centre_exists --
SELECT id FROM centre WHERE id = %(id)s;

-- household_in_scope --
-- Nobody is a family member of a household: only the centre and the region of its dwelling count.
SELECT h.id
FROM household h JOIN dwelling d ON d.id = h.dwelling_id
WHERE h.id = %(id)s AND :scope(d.centre_id, d.region_code, NULL::uuid);

-- keys_of_elder --
-- The elder's own key, those of the contacts, and the dwelling's unless somebody else still lives there.
SELECT e.data_key_id AS id FROM elder e WHERE e.id = %(id)s
UNION
SELECT c.data_key_id FROM contact c WHERE c.elder_id = %(id)s
UNION
SELECT d.data_key_id
FROM elder e JOIN household h ON h.id = e.household_id JOIN dwelling d ON d.id = h.dwelling_id
WHERE e.id = %(id)s AND NOT EXISTS (
    SELECT FROM elder o
    JOIN household oh ON oh.id = o.household_id
    JOIN data_key ok ON ok.id = o.data_key_id
    WHERE oh.dwelling_id = d.id AND o.id <> e.id AND ok.wrapped IS NOT NULL
);

-- blank_elder --
-- The hashes go too: with the master key they would still tell whether a given person had been here.
UPDATE elder
SET name_enc = '', phone_enc = NULL, id_no_enc = NULL, name_hash = %(noise)s, phone_hash = NULL, id_no_hash = NULL,
    birth_date = date_trunc('year', birth_date)::date, version = version + 1, updated_at = %(now)s
WHERE id = %(id)s;

-- blank_contacts --
UPDATE contact
SET name_enc = '', phone_enc = '', phone_hash = %(noise)s
WHERE elder_id = %(id)s;

-- lock_elder --
SELECT e.id, k.wrapped IS NULL AS erased
FROM elder e JOIN data_key k ON k.id = e.data_key_id
WHERE e.id = %(id)s
FOR UPDATE OF e;
