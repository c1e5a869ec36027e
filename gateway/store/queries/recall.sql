-- name: stopped_campaigns
-- Campaigns that were stopped (by hand, by a Cancel or by an Update) and still have SMS with their providers.
SELECT DISTINCT c.id FROM campaign c JOIN progress p ON p.campaign_id = c.id AND p.channel = 1
WHERE c.state = 'closing' AND c.closure = 'stopped' AND p.submitted > 0;

-- name: recallable
-- SMS of campaign $1 that provider $2 took and nothing is known of since, from message ($3 seq, $4 mask) on.
SELECT m.seq, m.mask, m.msg_id, d.address FROM msgref m
JOIN delivery d ON d.campaign_id = m.campaign_id AND d.seq = m.seq
WHERE m.campaign_id = $1 AND m.provider = (SELECT id FROM provider WHERE name = $2)
  AND (m.seq, m.mask) > ($3, $4) AND d.state = 2 AND d.flags & 4 = 0
ORDER BY m.seq, m.mask LIMIT $5;
