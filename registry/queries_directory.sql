-- directory_fingerprint --
-- Changes with any field the directory holds, whatever changed it: one row instead of the whole fleet.
SELECT count(*), bit_xor(hashtextextended(
    concat_ws('|', d.id, d.device_no, d.lifecycle, coalesce(d.hub_id, '-'), coalesce(d.centre_id::text, '-'),
              m.device_type), 0))
FROM device d JOIN device_model m ON m.id = d.model_id;

-- directory --
SELECT d.id, d.device_no, d.lifecycle, d.hub_id, d.centre_id, m.device_type
FROM device d JOIN device_model m ON m.id = d.model_id;
