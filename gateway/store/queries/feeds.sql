-- name: shown_alerts
-- What the public feeds show of one status: Public alerts posted with a live right, released, not expired, and not replaced
-- or ended by a released Update or Cancel of the same authority. Which authority each is of stands beside it. The bytes of
-- those in $2 are left out: whoever asks has read them before.
SELECT a.public_id, CASE WHEN a.public_id = ANY ($2::text[]) THEN NULL ELSE a.raw END AS raw, a.received_at, c.released_at, e.slug
FROM campaign c JOIN alert a ON a.id = c.alert_id JOIN entity e ON e.id = c.entity_id
WHERE a.accepted AND a.realm = 'live' AND a.scope = 'Public' AND a.status = $1 AND c.released_at IS NOT NULL
  AND c.expires_at > now() AND NOT EXISTS (
    SELECT 1 FROM alert_reference r JOIN alert l ON l.id = r.alert_id JOIN campaign k ON k.alert_id = l.id
    WHERE r.identifier = a.identifier AND r.sender = a.sender AND r.entity_id = a.entity_id AND l.accepted
      AND l.realm = 'live' AND l.status = a.status AND l.msg_type IN ('Update', 'Cancel') AND k.released_at IS NOT NULL)
ORDER BY c.released_at DESC, c.id DESC LIMIT 1000;

-- name: shown_version
-- Changes whenever an alert of one status comes into the feeds or leaves them.
SELECT count(*)::bigint AS entries, coalesce(max(c.id), 0) AS newest,
    coalesce(extract(epoch FROM max(c.released_at)), 0)::float8 AS released
FROM campaign c JOIN alert a ON a.id = c.alert_id
WHERE a.accepted AND a.realm = 'live' AND a.scope = 'Public' AND a.status = $1 AND c.released_at IS NOT NULL
  AND c.expires_at > now();

-- name: shown_alert
-- The bytes of one public alert, as received, and whether their signature was trusted.
SELECT a.raw, coalesce(a.signature = 'trusted', false) AS trusted FROM alert a JOIN campaign c ON c.alert_id = a.id
WHERE a.public_id = $1 AND a.accepted AND a.realm = 'live' AND a.scope = 'Public' AND a.status IN ('Actual', 'Exercise')
  AND c.released_at IS NOT NULL;

-- name: shown_ids
-- Our ids of public alerts with this CAP identifier.
SELECT a.public_id FROM alert a JOIN campaign c ON c.alert_id = a.id
WHERE a.identifier = $1 AND a.accepted AND a.realm = 'live' AND a.scope = 'Public' AND a.status IN ('Actual', 'Exercise')
  AND c.released_at IS NOT NULL ORDER BY a.id DESC LIMIT 20;

-- name: publishing_entities
-- The authorities that have a feed of their own.
SELECT slug, name FROM entity WHERE live AND slug <> 'platform' ORDER BY slug;
