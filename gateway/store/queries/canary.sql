-- name: canary_sent
-- A canary left and the provider took it.
INSERT INTO canary (name, provider, msg_id) VALUES ($1, $2, $3) ON CONFLICT (provider, msg_id) DO NOTHING;

-- name: canary_receipts
-- Receipts of canaries have no delivery, so they wait among those without one: take them from there.
WITH taken AS (
    DELETE FROM receipt_orphan o USING canary c
    WHERE c.provider = o.provider AND c.msg_id = o.msg_id RETURNING o.provider, o.msg_id, o.kind, o.at)
UPDATE canary c SET settled_at = t.at, kind = t.kind
FROM taken t WHERE c.provider = t.provider AND c.msg_id = t.msg_id AND c.kind IS DISTINCT FROM 3;

-- name: canary_state
-- For each canary: seconds since the last one left, since the last receipt of delivery (without one: since the first
-- that is remembered left), and how long that delivery took.
SELECT name,
    extract(epoch FROM now() - max(sent_at))::float8 AS sent_s,
    extract(epoch FROM now() - coalesce(max(settled_at) FILTER (WHERE kind = 3), min(sent_at)))::float8 AS age_s,
    extract(epoch FROM (array_agg(settled_at - sent_at ORDER BY sent_at DESC) FILTER (WHERE kind = 3))[1])::float8 AS took_s
FROM canary WHERE name = ANY ($1::text[]) GROUP BY name;

-- name: canary_forget
-- What is old, but never the last that was delivered.
DELETE FROM canary c WHERE sent_at < now() - interval '7 days'
    AND sent_at < (SELECT max(n.sent_at) FROM canary n WHERE n.name = c.name AND n.kind = 3);
