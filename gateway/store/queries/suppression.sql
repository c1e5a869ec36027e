-- What came back for mails, and the addresses that are not written to any more.

-- name: mailed_delivery
-- The e-mail delivery that a tag names, with the class of its campaign.
SELECT d.entity_id, d.contact_id, d.address, d.transport, c.message_class
FROM delivery d JOIN campaign c ON c.id = d.campaign_id
WHERE d.campaign_id = $1 AND d.seq = $2 AND d.channel = 3;

-- name: insert_notice
-- Note what came back; nothing when the same was said before.
INSERT INTO mail_notice (campaign_id, seq, entity_id, said, status) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING true;

-- name: notice_counts
-- What came back for a campaign's mails, counted.
SELECT said, status, count(*) AS mails FROM mail_notice WHERE campaign_id = $1 GROUP BY said, status ORDER BY said, status;

-- name: suppress
-- Suppress an address at once ($4), or count one more bounce and suppress it at $5; those older than $6 days are forgotten.
INSERT INTO suppression AS s (address, reason, status, bounces, suppressed_at)
VALUES (lower($1), $2, $3, 1, CASE WHEN $4 OR $5 <= 1 THEN now() END)
ON CONFLICT (address) DO UPDATE SET
    bounces = CASE WHEN s.last_at < now() - make_interval(days => $6) THEN 1 ELSE s.bounces + 1 END, last_at = now(),
    reason = CASE WHEN s.reason = 'complained' AND s.suppressed_at IS NOT NULL THEN s.reason ELSE $2 END, status = $3,
    suppressed_at = coalesce(s.suppressed_at, CASE
        WHEN $4 OR $5 <= CASE WHEN s.last_at < now() - make_interval(days => $6) THEN 1 ELSE s.bounces + 1 END THEN now() END);

-- name: clear_bounces
-- A mail arrived: forget the bounces of an address that is not suppressed.
DELETE FROM suppression WHERE address = lower($1) AND suppressed_at IS NULL;

-- name: opt_out
-- A person wants no more messages of a class ($2 is its bit).
UPDATE contact SET opt_out = opt_out | $2 WHERE id = $1;

-- name: suppressed_addresses
-- A page of the list, behind an address.
SELECT address, reason, status, bounces, suppressed_at FROM suppression
WHERE suppressed_at IS NOT NULL AND address > $1 ORDER BY address LIMIT $2;

-- name: lift_suppression
-- Write to an address again.
DELETE FROM suppression WHERE address = lower($1) RETURNING true;
