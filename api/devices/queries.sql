-- device_states --
SELECT d.id, s.last_at, s.last_seen, s.battery_pct, s.battery_at, s.worn, s.worn_at, s.link, s.link_at
FROM device d JOIN device_state s ON s.device_no = d.device_no
WHERE d.id = ANY(%(ids)s);
