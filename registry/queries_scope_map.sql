-- scope_map_fingerprint --
-- Changes with anything the map holds: one row a minute instead of the whole registry.
SELECT
    (SELECT ROW(count(*), bit_xor(hashtextextended(ROW(id, device_no, lifecycle, hub_id, centre_id)::text, 0)))::text
     FROM device),
    (SELECT ROW(count(*), bit_xor(hashtextextended(ROW(id, device_id, elder_id, dwelling_id)::text, 0)))::text
     FROM device_binding WHERE valid @> %(now)s::timestamptz),
    (SELECT ROW(count(*), bit_xor(hashtextextended(
         ROW(id, elder_no, centre_id, region_code, household_id, enrolment, name_enc)::text, 0)))::text FROM elder),
    (SELECT ROW(count(*), bit_xor(hashtextextended(ROW(id, centre_id, region_code, building_enc)::text, 0)))::text
     FROM dwelling),
    (SELECT string_agg(ROW(id, takes_unidentified)::text, ',' ORDER BY id) FROM centre),
    (SELECT count(*) FROM data_key WHERE wrapped IS NULL);

-- scope_map_devices --
SELECT id, device_no, lifecycle, hub_id FROM device WHERE id > %(after)s ORDER BY id LIMIT %(limit)s;
