-- Alerts prepared by entities, and what was launched of them.

-- name: put_template
-- The next version of a template.
INSERT INTO template (entity_id, slug, version, body, made_by)
SELECT $1, $2, coalesce(max(version), 0) + 1, $3::jsonb, $4 FROM template WHERE entity_id = $1 AND slug = $2
ON CONFLICT DO NOTHING RETURNING version;

-- name: templates
-- The newest version of each template of an entity, after slug $2.
SELECT DISTINCT ON (slug) id, slug, version, body, made_by, made_at FROM template
WHERE entity_id = $1 AND slug > $2 ORDER BY slug, version DESC LIMIT $3;

-- name: template
-- One version of a template ($3 NULL: the newest).
SELECT id, slug, version, body, made_by, made_at FROM template
WHERE entity_id = $1 AND slug = $2 AND ($3::int IS NULL OR version = $3) ORDER BY version DESC LIMIT 1;

-- name: put_launch
-- What the launcher could see, before the alert goes.
INSERT INTO template_launch (entity_id, template_id, preview, document, waived, reason, launched_by)
VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7) RETURNING id;

-- name: note_launch
-- What the intake made of it.
UPDATE template_launch SET alert = $2 WHERE id = $1;

-- name: launches
-- What was launched of a template before launch $3, newest first.
SELECT l.id, t.version, l.preview, l.waived, l.reason, l.launched_by, l.at, l.alert
FROM template_launch l JOIN template t ON t.id = l.template_id
WHERE l.entity_id = $1 AND t.slug = $2 AND l.id < $3 ORDER BY l.id DESC LIMIT $4;
