-- Calls whose end nobody has told yet.

-- name: calls_without_end
-- Calls through the trunks $1 that were started by node $2, or (NULL) longer ago than $3, in campaigns that are not closed.
-- Range chunks of voice are small: their rows are found by number. A call that was tried again has a newer id.
SELECT DISTINCT ON (d.campaign_id, d.seq) p.name AS trunk, m.msg_id AS call_id, d.campaign_id AS campaign, t.body AS text
FROM campaign c
JOIN chunk k ON k.campaign_id = c.id AND k.channel = 2 AND k.state <> 0
JOIN delivery d ON d.campaign_id = c.id AND d.seq BETWEEN k.lo AND k.hi AND d.channel = 2 AND d.state = 2 AND d.flags & 4 = 0
JOIN msgref m ON m.campaign_id = c.id AND m.seq = d.seq AND m.mask <> 0
JOIN provider p ON p.id = m.provider AND p.name = ANY ($1::text[])
JOIN text t ON t.campaign_id = c.id AND t.key = d.text_key
WHERE c.state <> 'closed' AND CASE WHEN $2::int IS NULL THEN d.submitted_at < now() - $3::interval ELSE k.node = $2 END
ORDER BY d.campaign_id, d.seq, m.ctid DESC;
