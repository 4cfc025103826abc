-- alone --
SELECT pg_try_advisory_lock(hashtext('anxin replay dead-letters'));

-- letters --
-- In the order of receipt, after the last one seen.
SELECT received_at, id, topic, event_index, reason, payload, events
FROM dead_letter
WHERE replayed_at IS NULL
  AND (received_at, id) > (%(after_at)s, %(after_id)s)
  AND received_at >= %(since)s AND received_at < %(until)s
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(device)s::text IS NULL OR device_id = %(device)s)
ORDER BY received_at, id
LIMIT %(limit)s;

-- count --
SELECT count(*) FROM dead_letter
WHERE replayed_at IS NULL
  AND received_at >= %(since)s AND received_at < %(until)s
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(device)s::text IS NULL OR device_id = %(device)s);

-- replayed --
UPDATE dead_letter SET replayed_at = %(now)s
WHERE received_at = ANY(%(moments)s) AND id = ANY(%(ids)s) AND replayed_at IS NULL;
