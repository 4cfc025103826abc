-- seed_models --
INSERT INTO device_model (id, name, vendor, device_type, supervision_class_s, has_countdown)
SELECT * FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(vendors)s::text[], %(types)s::text[],
                     %(classes)s::int[], %(countdowns)s::bool[])
ON CONFLICT (name) DO NOTHING;

-- insert_model --
INSERT INTO device_model (id, name, vendor, device_type, supervision_class_s, has_countdown)
VALUES (%(id)s, %(name)s, %(vendor)s, %(type)s, %(class)s, %(countdown)s)
ON CONFLICT (name) DO NOTHING;

-- model_ids --
SELECT name, id FROM device_model;

-- list_models --
SELECT name, vendor, device_type, supervision_class_s, has_countdown FROM device_model ORDER BY name;

-- insert_devices --
INSERT INTO device (id, model_id, hub_id, centre_id, created_at)
SELECT id, model_id, hub_id, centre_id, %(now)s
FROM unnest(%(ids)s::text[], %(model_ids)s::uuid[], %(hub_ids)s::text[], %(centre_ids)s::uuid[])
     AS given (id, model_id, hub_id, centre_id);

-- get_devices --
SELECT d.id, d.device_no, m.name, m.device_type, d.hub_id, d.centre_id, d.lifecycle, d.created_at, d.retired_at
FROM device d JOIN device_model m ON m.id = d.model_id
WHERE d.id = ANY(%(ids)s);

-- list_devices --
-- In scope: an operator sees the devices of the places of its centre, and those of its stock.
SELECT d.id, d.device_no, m.name, m.device_type, d.hub_id, d.centre_id, d.lifecycle, d.created_at, d.retired_at
FROM device d
JOIN device_model m ON m.id = d.model_id
LEFT JOIN device_binding b ON b.device_id = d.id AND b.valid @> %(now)s::timestamptz
LEFT JOIN elder e ON e.id = b.elder_id
LEFT JOIN dwelling w ON w.id = b.dwelling_id
LEFT JOIN device hub ON hub.id = d.hub_id
LEFT JOIN device_binding hb ON b.id IS NULL AND hb.device_id = d.hub_id AND hb.valid @> %(now)s::timestamptz
LEFT JOIN elder he ON he.id = hb.elder_id
LEFT JOIN dwelling hw ON hw.id = hb.dwelling_id
CROSS JOIN LATERAL (
    SELECT coalesce(e.centre_id, w.centre_id, he.centre_id, hw.centre_id, d.centre_id, hub.centre_id) AS centre_id,
           coalesce(e.region_code, w.region_code, he.region_code, hw.region_code) AS region_code
) place
WHERE (%(after)s::text IS NULL OR d.id > %(after)s)
  AND (%(device_id)s::text IS NULL OR d.id = %(device_id)s)
  AND (%(hub_id)s::text IS NULL OR d.hub_id = %(hub_id)s)
  AND (%(elder_id)s::uuid IS NULL OR b.elder_id = %(elder_id)s)
  AND (%(lifecycle)s::text IS NULL OR d.lifecycle = %(lifecycle)s)
  AND (%(scope_everything)s OR place.centre_id = ANY(%(scope_centres)s::uuid[])
       OR place.region_code LIKE ANY(%(scope_regions)s::text[]) OR b.elder_id = ANY(%(scope_elders)s::uuid[]))
ORDER BY d.id
LIMIT %(limit)s;

-- lock_device --
SELECT id, lifecycle FROM device WHERE id = %(id)s FOR UPDATE;

-- set_lifecycle --
UPDATE device SET lifecycle = %(lifecycle)s,
                  retired_at = CASE WHEN %(lifecycle)s = 'retired' THEN %(now)s::timestamptz END
WHERE id = %(id)s;

-- living_children --
SELECT id FROM device WHERE hub_id = %(id)s AND lifecycle <> 'retired' ORDER BY id;

-- known_centres --
SELECT id FROM centre WHERE id = ANY(%(ids)s);

-- insert_binding --
INSERT INTO device_binding (id, device_id, elder_id, dwelling_id, zone_id, valid, created_at)
VALUES (%(id)s, %(device_id)s, %(elder_id)s, %(dwelling_id)s, %(zone_id)s,
        tstzrange(%(from)s, %(until)s), %(now)s);

-- get_binding --
SELECT b.id, b.device_id, b.elder_id, b.dwelling_id, z.name, lower(b.valid), upper(b.valid)
FROM device_binding b LEFT JOIN zone z ON z.id = b.zone_id
WHERE b.id = %(id)s;

-- bindings_of --
SELECT b.id, b.device_id, b.elder_id, b.dwelling_id, z.name, lower(b.valid), upper(b.valid)
FROM device_binding b LEFT JOIN zone z ON z.id = b.zone_id
WHERE b.device_id = ANY(%(device_ids)s)
ORDER BY b.device_id, b.valid;

-- overlapping_binding --
SELECT b.id, b.device_id, b.elder_id, b.dwelling_id, z.name, lower(b.valid), upper(b.valid)
FROM device_binding b LEFT JOIN zone z ON z.id = b.zone_id
WHERE b.device_id = %(device_id)s AND b.valid && tstzrange(%(from)s, %(until)s)
ORDER BY b.valid LIMIT 1;

-- end_binding --
UPDATE device_binding SET valid = tstzrange(lower(valid), %(at)s)
WHERE device_id = %(device_id)s AND valid @> %(at)s::timestamptz AND lower(valid) < %(at)s
RETURNING id;

-- drop_later_bindings --
-- Of a device that is taken out of service: what had not begun never will.
DELETE FROM device_binding WHERE device_id = %(device_id)s AND lower(valid) >= %(at)s;

-- bound_after --
SELECT EXISTS (SELECT FROM device_binding
               WHERE device_id = %(device_id)s AND valid && tstzrange(%(at)s, NULL));

-- elder_dwelling --
-- The elder's dwelling; no row when there is no such elder.
SELECT h.dwelling_id FROM elder e LEFT JOIN household h ON h.id = e.household_id WHERE e.id = %(elder_id)s;

-- known_dwelling --
SELECT id FROM dwelling WHERE id = %(dwelling_id)s;

-- find_zone --
-- By its name, else the first of that kind.
SELECT id FROM zone WHERE dwelling_id = %(dwelling_id)s AND (name = %(zone)s OR kind = %(zone)s)
ORDER BY (name = %(zone)s) DESC, name LIMIT 1;

-- insert_zone --
INSERT INTO zone (id, dwelling_id, kind, name) VALUES (%(id)s, %(dwelling_id)s, %(kind)s, %(zone)s)
ON CONFLICT (dwelling_id, name) DO UPDATE SET name = excluded.name
RETURNING id;
