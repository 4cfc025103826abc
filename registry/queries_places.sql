-- insert_region --
INSERT INTO region (code, name, level, parent_code, time_zone, urban_rural, valid_from, valid_to, replaced_by)
VALUES (%(code)s, %(name)s, %(level)s, %(parent_code)s, %(time_zone)s, %(urban_rural)s, %(valid_from)s,
        %(valid_to)s, %(replaced_by)s);

-- region --
SELECT code, name, time_zone, urban_rural, valid_from, valid_to, replaced_by
FROM region
WHERE code = %(code)s;

-- regions_like --
SELECT code, name, time_zone, urban_rural, valid_from, valid_to, replaced_by
FROM region
WHERE code LIKE %(pattern)s
ORDER BY code;

-- insert_organisation --
INSERT INTO organisation (id, name, org_type, parent_id, region_code, status, created_at)
VALUES (%(id)s, %(name)s, %(org_type)s, %(parent_id)s, %(region_code)s, %(status)s, %(now)s);

-- insert_centre --
INSERT INTO centre (id, hotlines, duty_24h, takes_unidentified)
VALUES (%(id)s, %(hotlines)s, %(duty_24h)s, %(takes_unidentified)s);

-- centre --
SELECT c.id, o.name, o.region_code, c.hotlines, c.duty_24h, c.takes_unidentified
FROM centre c JOIN organisation o USING (id)
WHERE c.id = %(id)s;

-- centres --
SELECT c.id, o.name, o.region_code, c.hotlines, c.duty_24h, c.takes_unidentified
FROM centre c JOIN organisation o USING (id)
ORDER BY o.name, c.id;

-- insert_dwelling --
INSERT INTO dwelling (id, region_code, centre_id, data_key_id, address_enc, building_enc, door_access_enc, lat, lng,
                      created_at)
VALUES (%(id)s, %(region_code)s, %(centre_id)s, %(data_key_id)s, %(address_enc)s, %(building_enc)s,
        %(door_access_enc)s, %(lat)s, %(lng)s, %(now)s);

-- insert_household --
INSERT INTO household (id, dwelling_id, created_at)
VALUES (%(id)s, %(dwelling_id)s, %(now)s);

-- insert_zone --
INSERT INTO zone (id, dwelling_id, kind, name)
VALUES (%(id)s, %(dwelling_id)s, %(kind)s, %(name)s);

-- dwelling --
SELECT d.id, d.region_code, d.centre_id, d.building_enc, d.lat, d.lng, d.data_key_id, k.wrapped, k.master_key_id
FROM dwelling d
JOIN data_key k ON k.id = d.data_key_id
CROSS JOIN LATERAL (
    SELECT array_agg(e.id) AS elder_ids
    FROM elder e JOIN household h ON h.id = e.household_id
    WHERE h.dwelling_id = d.id
) r
WHERE d.id = %(id)s AND :scope(d.centre_id, d.region_code, r.elder_ids[]);

-- zones_of_dwelling --
SELECT id, dwelling_id, kind, name
FROM zone
WHERE dwelling_id = %(dwelling_id)s
ORDER BY name;

-- elders_of_dwelling --
-- Residents as of now; the moved away and the dead are no longer residents.
SELECT e.id
FROM elder e JOIN household h ON h.id = e.household_id
WHERE h.dwelling_id = %(dwelling_id)s AND e.enrolment IN ('pending', 'active', 'suspended')
ORDER BY e.id;
