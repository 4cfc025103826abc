-- stored --
-- Each event of the drill's devices with how often it is there; `fill` writes under numbers no device has.
SELECT d.id, found.at, count(*)
FROM (SELECT device_no, at FROM reading WHERE device_no > 0
      UNION ALL SELECT device_no, at FROM event WHERE type = 'sos') AS found
JOIN device d USING (device_no)
GROUP BY d.id, found.at;

-- rung --
-- Alert events that presses made, and presses.
SELECT (SELECT count(*) FROM alert_event WHERE type IN ('alert.opened', 'alert.pressed')),
       (SELECT count(*) FROM event WHERE type = 'sos');

-- fill --
-- Series of one reading a minute over thirty days, under negative device numbers.
INSERT INTO reading (device_no, metric, at, value)
SELECT -1 - n %% 1000, 1, now() - INTERVAL '30 days' * random(), 60 + random() * 40
FROM generate_series(1, %(readings)s) AS n;
