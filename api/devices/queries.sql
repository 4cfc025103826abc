-- device_states --
SELECT d.id, s.last_at, s.last_seen, s.battery_pct, s.battery_at, s.worn, s.worn_at, s.link, s.link_at
FROM device d JOIN device_state s ON s.device_no = d.device_no
WHERE d.id = ANY(%(ids)s);

-- queue_command --
INSERT INTO device_command (id, device_id, type, params, status, created_by, created_at, expires_at)
VALUES (%(id)s, %(device_id)s, %(type)s, %(params)s, 'queued', %(created_by)s, %(now)s, %(expires_at)s);
