-- insert_command --
INSERT INTO device_command (id, device_id, type, params, created_by, created_at, expires_at)
VALUES (%(id)s, %(device_id)s, %(type)s, %(params)s, %(created_by)s, %(now)s, %(expires_at)s)
RETURNING id, device_id, %(hub_id)s::text, type, params, status, detail, created_by, created_at, expires_at,
          sent_at, finished_at;

-- get_command --
SELECT c.id, c.device_id, d.hub_id, c.type, c.params, c.status, c.detail, c.created_by, c.created_at, c.expires_at,
       c.sent_at, c.finished_at
FROM device_command c JOIN device d ON d.id = c.device_id
WHERE c.id = %(id)s;

-- claim_queued --
-- Oldest first, each to one sender only. Held until the sender's transaction ends: a crash gives them back.
SELECT c.id, c.device_id, d.hub_id, c.type, c.params, c.status, c.detail, c.created_by, c.created_at, c.expires_at,
       c.sent_at, c.finished_at
FROM device_command c JOIN device d ON d.id = c.device_id
WHERE c.status = 'queued' AND c.expires_at > %(now)s
ORDER BY c.created_at, c.id
LIMIT %(limit)s
FOR UPDATE OF c SKIP LOCKED;

-- free_when_idle --
-- For this transaction only.
SELECT set_config('idle_in_transaction_session_timeout', %(after_ms)s, true);

-- mark_sent --
UPDATE device_command SET status = 'sent', sent_at = %(now)s WHERE id = ANY(%(ids)s) AND status = 'queued';

-- finish --
-- Only the device that was told, or the hub it speaks through, may answer; an answer after the end still tells
-- what happened, and a second answer changes nothing.
UPDATE device_command c SET status = %(outcome)s, detail = %(detail)s, finished_at = %(now)s
FROM device d
WHERE c.id = %(id)s AND d.id = c.device_id AND %(publisher)s IN (d.id, d.hub_id)
  AND c.status IN ('queued', 'sent', 'expired');

-- expire --
-- Never sent in time, or sent and never answered.
UPDATE device_command SET status = 'expired', finished_at = %(now)s
WHERE id IN (SELECT id FROM device_command
             WHERE status IN ('queued', 'sent') AND expires_at <= %(now)s
             ORDER BY id FOR UPDATE SKIP LOCKED);

-- reach --
-- How a device is told: by itself or through its hub, and whether that one may connect.
SELECT d.hub_id, d.lifecycle,
       EXISTS (SELECT FROM broker_credential b
               WHERE b.username = coalesce(d.hub_id, d.id) AND b.revoked_at IS NULL)
FROM device d WHERE d.id = %(id)s;
