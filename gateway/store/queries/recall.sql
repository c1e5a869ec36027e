-- name: stopped_campaigns
-- Campaigns that were stopped (by hand, by a Cancel or by an Update) and still have SMS with their providers; `replacing`
-- while an Update of them is on its way, which may take the place of these SMS.
SELECT c.id, EXISTS (
    SELECT FROM campaign u JOIN alert a ON a.id = u.alert_id AND a.msg_type = 'Update'
    WHERE u.state IN ('planned', 'sending', 'paused') AND EXISTS (
        SELECT FROM jsonb_array_elements(u.plan -> 'told') t WHERE (t ->> 0)::int = c.id)) AS replacing
FROM campaign c WHERE c.state = 'closing' AND c.closure = 'stopped'
  AND (SELECT sum(p.submitted) FROM progress p WHERE p.campaign_id = c.id AND p.channel = 1) > 0;

-- name: recallable
-- SMS of campaign $1 that provider $2 took and nothing is known of since, from message ($3 seq, $4 mask) on.
SELECT m.seq, m.mask, m.msg_id, d.address FROM msgref m
JOIN delivery d ON d.campaign_id = m.campaign_id AND d.seq = m.seq
WHERE m.campaign_id = $1 AND m.provider = (SELECT id FROM provider WHERE name = $2)
  AND (m.seq, m.mask) > ($3, $4) AND d.state = 2 AND d.flags & 4 = 0
ORDER BY m.seq, m.mask LIMIT $5;

-- name: updated_by
-- The campaigns whose people campaign $1 tells, if it is an Update and they are not closed.
SELECT e.id FROM campaign c JOIN alert a ON a.id = c.alert_id AND a.msg_type = 'Update'
CROSS JOIN LATERAL jsonb_array_elements(c.plan -> 'told') t
JOIN campaign e ON e.id = (t ->> 0)::int AND e.state <> 'closed' WHERE c.id = $1 ORDER BY e.id DESC;

-- name: summarise_message_ids
-- Have the index of message ids by row cover what was inserted lately.
SELECT summarise_message_ids();

-- name: replaceable
-- Of rows $1 with numbers $2, those that have an SMS of one part in campaigns $3 (the newest counts) which one of the
-- providers $4 took and of which nothing is known since.
WITH o AS MATERIALIZED (
    SELECT DISTINCT ON (v.seq) v.seq AS later, d.campaign_id, d.seq, d.text_key
    FROM unnest($1::int[], $2::text[]) AS v (seq, address)
    JOIN delivery d ON d.campaign_id = ANY ($3::int[]) AND d.channel = 1 AND d.address = v.address
    WHERE d.state = 2 AND d.flags & 4 = 0
    ORDER BY v.seq, d.campaign_id DESC),
m AS MATERIALIZED (
    SELECT m.campaign_id, m.seq, m.provider, m.msg_id
    FROM (SELECT campaign_id, min(seq) AS lo, max(seq) AS hi FROM o GROUP BY campaign_id) b
    CROSS JOIN LATERAL (
        SELECT * FROM msgref m WHERE m.campaign_id = b.campaign_id AND m.seq BETWEEN b.lo AND b.hi
          AND m.mask = 1 AND m.parts = 1 OFFSET 0) m)
SELECT o.later, p.name AS provider, m.msg_id, t.body
FROM o JOIN m ON m.campaign_id = o.campaign_id AND m.seq = o.seq
JOIN provider p ON p.id = m.provider AND p.name = ANY ($4::text[])
JOIN text t ON t.campaign_id = o.campaign_id AND t.key = o.text_key;
