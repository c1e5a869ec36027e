-- What senders declared of the use of their messages, in which wording; breaches, and what was done about them.

-- name: wording_newest
-- The wording in force.
SELECT version, text FROM wording ORDER BY version DESC LIMIT 1;

-- name: wording_publish
-- A new wording, in force from now on.
INSERT INTO wording (text) VALUES ($1) RETURNING version;

-- name: wording_page
-- Wordings before version $1, newest first.
SELECT version, text, published_at FROM wording WHERE version < $1 ORDER BY version DESC LIMIT $2;

-- name: declaration_put
-- What the sender of a campaign declared: the wording that the alert names, or the one in force.
INSERT INTO declaration (entity_id, campaign_id, version, declared_by, in_words)
SELECT $1, $2, coalesce($4, max(version)), $3, $4::int IS NOT NULL FROM wording;

-- name: declaration_page
-- Declarations before number $1, newest first, narrowed by what is not NULL: entity $3, campaign $4, sender $5, class $6,
-- version $7, from $8 to before $9, and words of the texts $10.
SELECT d.id, e.slug AS entity, c.public_id AS campaign, a.public_id AS alert, c.mode, c.message_class, c.purpose, d.version,
    d.declared_by, d.in_words, d.at, b.reason, b.suspended, b.found_by, b.at AS found_at
FROM declaration d JOIN campaign c ON c.id = d.campaign_id JOIN entity e ON e.id = d.entity_id JOIN alert a ON a.id = c.alert_id
LEFT JOIN breach b ON b.campaign_id = d.campaign_id
WHERE d.id < $1 AND ($3::text IS NULL OR e.slug = $3) AND ($4::text IS NULL OR c.public_id = $4)
  AND ($5::text IS NULL OR d.declared_by = $5) AND ($6::text IS NULL OR c.message_class = $6)
  AND ($7::int IS NULL OR d.version = $7) AND ($8::timestamptz IS NULL OR d.at >= $8) AND ($9::timestamptz IS NULL OR d.at < $9)
  AND ($10::text IS NULL OR EXISTS (
    SELECT FROM text t WHERE t.campaign_id = d.campaign_id AND position(lower($10) IN lower(t.subject || ' ' || t.body)) > 0))
ORDER BY d.id DESC LIMIT $2;

-- name: breach_case
-- A campaign with whom it concerns, of whatever entity.
SELECT c.id, c.public_id, c.entity_id, c.author, e.slug AS entity FROM campaign c JOIN entity e ON e.id = c.entity_id
WHERE c.public_id = $1;

-- name: breach_put
-- Write a breach down; no row comes back when it was before.
INSERT INTO breach (entity_id, campaign_id, reason, suspended, found_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (campaign_id) DO NOTHING RETURNING id;

-- name: breach_tell
-- Every administrator of the entity has to take note of it.
INSERT INTO notice (entity_id, person_id, word, subject, body)
SELECT entity_id, person_id, 'breach', $2, $3 FROM membership WHERE entity_id = $1 AND 'admin' = ANY (roles);
