-- A call to those whose SMS did not arrive. Looked at chunk by chunk, when a chunk has been done for as long as the
-- campaign's entity wants to wait: never a scan of a campaign.

-- name: ripe_chunks
-- Chunks of SMS that were done long enough ago (their last lease tells when) and were not looked at yet.
SELECT c.id AS campaign_id, k.lo FROM campaign c
CROSS JOIN LATERAL (
    SELECT k.lo FROM chunk k
    WHERE k.campaign_id = c.id AND k.channel = 1 AND k.lo > 0 AND k.state = 2 AND NOT k.escalated
      AND k.lease_until < now() - c.escalate_after
    ORDER BY k.lo LIMIT 20) k
WHERE c.state = 'sending' AND c.planned AND c.escalate_after IS NOT NULL AND c.expires_at > now()
ORDER BY c.priority, c.id, k.lo LIMIT 200;

-- name: lock_escalating
-- The campaign's row, so that row numbers are given out once; no row when it may not send any more.
SELECT id, entity_id, next_seq, state FROM campaign
WHERE id = $1 AND state = 'sending' AND planned AND expires_at > now() FOR NO KEY UPDATE;

-- name: escalate_chunk
-- Deliveries by voice (flag 16: it took over) for the people of one chunk of SMS who have none delivered: refused,
-- undeliverable, unknown, or without the receipt that was expected. The landline if there is one, else the mobile; whoever is
-- called already is not called twice. Words of the same variant, in the language of the SMS if it was spoken.
WITH k AS (
    UPDATE chunk SET escalated = true WHERE campaign_id = $1 AND lo = $2 AND NOT escalated
    RETURNING lo, hi, transport, exercise_group, entity_id),
words AS (
    SELECT DISTINCT ON (sms) (s.text ->> 2)::smallint AS sms, (
        SELECT (v.text ->> 2)::smallint FROM jsonb_array_elements(x.variant -> 'texts') WITH ORDINALITY AS v (text, rank)
        WHERE v.text ->> 1 = 'voice' ORDER BY v.text ->> 0 = s.text ->> 0 DESC, v.rank LIMIT 1) AS voice
    FROM campaign c CROSS JOIN LATERAL jsonb_array_elements(c.plan -> 'variants') WITH ORDINALITY AS x (variant, number)
    CROSS JOIN LATERAL jsonb_array_elements(x.variant -> 'texts') AS s (text)
    WHERE c.id = $1 AND s.text ->> 1 = 'sms' ORDER BY sms, x.number),
late AS (
    SELECT DISTINCT ON (coalesce(p.landline, d.address)) d.contact_id, coalesce(p.landline, d.address) AS address, w.voice
    FROM k JOIN delivery d ON d.campaign_id = $1 AND d.seq = ANY (ARRAY(SELECT generate_series(k.lo, k.hi) FROM k))
    JOIN contact p ON p.id = d.contact_id
    JOIN words w ON w.sms = d.text_key
    WHERE d.channel = 1 AND w.voice IS NOT NULL
      AND (d.state IN (4, 6, 7, 8) OR (d.state = 2 AND d.flags & 4 = 0))
      AND NOT EXISTS (SELECT FROM delivery o
          WHERE o.campaign_id = $1 AND o.channel = 2 AND o.address = coalesce(p.landline, d.address))
    ORDER BY coalesce(p.landline, d.address), d.seq),
put AS (
    INSERT INTO delivery (campaign_id, seq, entity_id, contact_id, channel, transport, flags, text_key, address)
    SELECT $1, $3 - 1 + (row_number() OVER ())::int, k.entity_id, late.contact_id, 2, k.transport, 16, late.voice, late.address
    FROM late, k RETURNING seq),
n AS (
    UPDATE campaign SET next_seq = next_seq + (SELECT count(*)::int FROM put) WHERE id = $1 AND EXISTS (SELECT FROM put))
SELECT k.transport, k.exercise_group, (SELECT count(*)::int FROM put) AS rows FROM k;

-- name: first_escalation
-- Write down, once, that people are called because their SMS did not arrive.
INSERT INTO campaign_event (campaign_id, entity_id, event, state)
SELECT $1, $2, 'escalated', $3
WHERE NOT EXISTS (SELECT FROM campaign_event WHERE campaign_id = $1 AND event = 'escalated');
