-- Entities as the platform and they themselves see them; terms; what runs when somebody is suspended.

-- name: entity_show
-- One entity by slug, with what its checklist asks for.
SELECT e.id, e.slug, e.name, e.kind, p.slug AS parent, e.live, e.suspended_at, e.languages, e.policy, e.region,
    (SELECT policy FROM entity WHERE slug = 'platform') AS platform_policy,
    e.convention_signed_on, e.order_form_on, e.contact_persons, jsonb_array_length(e.territory) AS rings,
    (SELECT count(*) FROM membership m WHERE m.entity_id = e.id AND 'admin' = ANY (m.roles) AND m.suspended_at IS NULL) AS administrators,
    (SELECT max(version) FROM terms) AS terms_version,
    (SELECT a.accepted FROM terms_answer a WHERE a.entity_id = e.id AND a.version = (SELECT max(version) FROM terms)) AS terms_accepted
FROM entity e LEFT JOIN entity p ON p.id = e.parent_id WHERE e.slug = $1;

-- name: entity_page
-- Entities below one in the tree ($1 NULL: all), after slug $2.
WITH RECURSIVE below (id) AS (
    SELECT id FROM entity WHERE ($1::int IS NULL AND parent_id IS NULL) OR id = $1
    UNION SELECT e.id FROM entity e JOIN below b ON e.parent_id = b.id)
SELECT e.slug, e.name, e.kind, p.slug AS parent, e.live, e.suspended_at IS NOT NULL AS suspended
FROM below JOIN entity e USING (id) LEFT JOIN entity p ON p.id = e.parent_id
WHERE e.slug > $2 ORDER BY e.slug LIMIT $3;

-- name: entity_lock
-- Nobody else changes an entity until this transaction ends.
SELECT 1 FROM entity WHERE id = $1 FOR NO KEY UPDATE;

-- name: entity_own
-- What an entity changes of itself; NULL stays.
UPDATE entity SET languages = coalesce($2, languages), policy = policy || coalesce($3::jsonb, '{}'),
    contact_persons = coalesce($4::jsonb, contact_persons), region = coalesce($5, region)
WHERE id = $1;

-- name: entity_papers
-- What the platform notes of an entity; NULL stays.
UPDATE entity SET name = coalesce($2, name), convention_signed_on = coalesce($3, convention_signed_on),
    order_form_on = coalesce($4, order_form_on), live = coalesce($5, live)
WHERE id = $1;

-- name: entity_suspend
-- Suspend an entity, or take it back.
UPDATE entity SET suspended_at = CASE WHEN $2 THEN coalesce(suspended_at, now()) END WHERE id = $1;

-- name: entity_running
-- Campaigns of an entity that still send or may ($2 NULL: of everybody, else of this author).
SELECT id, public_id FROM campaign
WHERE entity_id = $1 AND state IN ('held', 'planned', 'sending', 'paused') AND ($2::text IS NULL OR author = $2) ORDER BY id;

-- name: terms_publish
-- New terms, which every entity may accept or refuse.
INSERT INTO terms (text) VALUES ($1) RETURNING version;

-- name: terms_list
-- Terms before version $2 ($3 NULL: all), newest first, with the answer of one entity.
SELECT t.version, t.text, t.published_at, a.accepted, a.answered_by, a.at
FROM terms t LEFT JOIN terms_answer a ON a.version = t.version AND a.entity_id = $1
WHERE t.version < $2 ORDER BY t.version DESC LIMIT $3;

-- name: terms_answer
-- What an entity says to terms; no row comes back when there are none of this version.
INSERT INTO terms_answer (entity_id, version, accepted, answered_by)
SELECT $1, version, $3, $4 FROM terms WHERE version = $2
ON CONFLICT (entity_id, version) DO UPDATE SET accepted = EXCLUDED.accepted, answered_by = EXCLUDED.answered_by, at = now()
RETURNING version;

-- name: terms_tell
-- Every administrator of every entity has to take note of new terms.
INSERT INTO notice (entity_id, person_id, word, subject, body)
SELECT entity_id, person_id, 'terms', 'terms:' || $1::text, '' FROM membership WHERE 'admin' = ANY (roles);

-- name: notice_everybody
-- A notice of the platform for every member of every entity ($1 NULL), or of these.
INSERT INTO notice (entity_id, person_id, word, subject, body)
SELECT entity_id, person_id, 'platform', $3, $2 FROM membership WHERE $1::int[] IS NULL OR entity_id = ANY ($1);

-- name: notice_readers
-- By entity after slug $2 ($3 NULL: all of them), how many were told something and how many took note.
SELECT e.slug AS entity, count(*) AS told, count(n.read_at) AS read FROM notice n JOIN entity e ON e.id = n.entity_id
WHERE n.word = 'platform' AND n.subject = $1 AND e.slug > $2 GROUP BY e.slug ORDER BY e.slug LIMIT $3;

-- name: notices_sent
-- What the platform said before notice $1, newest first.
SELECT min(id) AS id, subject, max(body) AS body, min(at) AS at, count(*) AS told, count(read_at) AS read FROM notice
WHERE word = 'platform' GROUP BY subject HAVING min(id) < $1 ORDER BY min(id) DESC LIMIT $2;

-- name: entity_numbers
-- The numbers of entities.
SELECT id FROM entity WHERE slug = ANY ($1::text[]);
