-- attribute --
-- Whose events these are: the binding valid at the moment of each. One row a moment, in the order given.
-- An unbound child belongs to the place its hub was bound to then; a device nobody knows, to the default centre.
WITH fallback AS MATERIALIZED (
    SELECT c.id
    FROM centre c JOIN organisation o ON o.id = c.id
    ORDER BY c.takes_unidentified DESC, (o.status = 'operating') DESC, o.created_at, o.id
    LIMIT 1
)
SELECT
    CASE WHEN b.elder_id IS NOT NULL THEN 'elder' WHEN b.dwelling_id IS NOT NULL THEN 'dwelling' ELSE 'device' END,
    coalesce(b.elder_id::text, b.dwelling_id::text, m.device_id),
    coalesce(b.elder_id, CASE WHEN cardinality(residents.ids) = 1 THEN residents.ids[1] END),
    CASE WHEN b.elder_id IS NOT NULL THEN ARRAY[b.elder_id] ELSE coalesce(residents.ids, '{}') END,
    place.centre_id,
    coalesce(e.region_code, w.region_code, o.region_code)
FROM unnest(%(device_ids)s::text[], %(ats)s::timestamptz[]) WITH ORDINALITY AS m (device_id, at, n)
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN device_binding b ON b.device_id = m.device_id AND b.valid @> m.at
LEFT JOIN elder e ON e.id = b.elder_id
LEFT JOIN dwelling w ON w.id = b.dwelling_id
LEFT JOIN LATERAL (
    SELECT array_agg(r.id ORDER BY r.id) AS ids
    FROM household h JOIN elder r ON r.household_id = h.id
    WHERE h.dwelling_id = b.dwelling_id AND r.enrolment NOT IN ('moved_out', 'deceased')
) residents ON true
LEFT JOIN device hub ON hub.id = d.hub_id
LEFT JOIN device_binding hb ON b.id IS NULL AND hb.device_id = d.hub_id AND hb.valid @> m.at
LEFT JOIN elder he ON he.id = hb.elder_id
LEFT JOIN dwelling hw ON hw.id = hb.dwelling_id
CROSS JOIN LATERAL (
    SELECT coalesce(e.centre_id, w.centre_id, he.centre_id, hw.centre_id, d.centre_id, hub.centre_id,
                    (SELECT id FROM fallback)) AS centre_id
) place
LEFT JOIN organisation o ON o.id = place.centre_id
ORDER BY m.n;
