-- Administration from the command line: entities, tokens, groups, imports. Run by hand, never by a flow.

-- name: admin_create_entity
-- A new authority; no row comes back when the slug is taken.
INSERT INTO entity (slug, name, kind, live, languages, parent_id)
VALUES ($1, $2, $3, $4, $5, (SELECT id FROM entity WHERE slug = $6))
ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: admin_change_entity
-- Change what is not NULL; $4 suspends or takes the suspension back.
UPDATE entity SET name = coalesce($2, name), live = coalesce($3, live), languages = coalesce($5, languages),
    policy = policy || coalesce($6::jsonb, '{}'), cap_answers = coalesce($7, cap_answers),
    suspended_at = CASE WHEN $4::bool IS NULL THEN suspended_at WHEN $4 THEN coalesce(suspended_at, now()) END
WHERE slug = $1 RETURNING id;

-- name: admin_entities
-- Every authority with the size of what it owns; $1 chooses one, NULL all.
SELECT e.id, e.slug, e.name, e.kind, e.live, e.suspended_at IS NOT NULL AS suspended, e.languages, p.slug AS parent,
    jsonb_array_length(e.territory) AS rings,
    (SELECT count(*) FROM contact c WHERE c.entity_id = e.id) AS contacts,
    (SELECT count(*) FROM contact_group g WHERE g.entity_id = e.id) AS groups,
    (SELECT count(*) FROM token t WHERE t.entity_id = e.id AND t.revoked_at IS NULL
        AND (t.expires_at IS NULL OR t.expires_at > now())) AS tokens
FROM entity e LEFT JOIN entity p ON p.id = e.parent_id
WHERE $1::text IS NULL OR e.slug = $1 ORDER BY e.slug;

-- name: admin_set_territory
-- Where the authority may target people by place: rings of [lon, lat] pairs.
UPDATE entity SET territory = $2::jsonb WHERE id = $1;

-- name: admin_insert_token
-- A credential: only its digest is kept.
INSERT INTO token (entity_id, realm, digest, note, expires_at) VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- name: admin_insert_mandates
-- What the holder may send: every class with every channel that were given.
INSERT INTO mandate (entity_id, token_id, message_class, channel)
SELECT $1, $2, c, h FROM unnest($3::text[]) c, unnest($4::text[]) h;

-- name: admin_tokens
-- The credentials of one authority, or of all; never the digest.
SELECT t.id, e.slug AS entity, t.realm, t.note, t.created_at, t.expires_at, t.revoked_at, t.last_used_at,
    (SELECT coalesce(array_agg(DISTINCT m.message_class ORDER BY m.message_class), '{}') FROM mandate m WHERE m.token_id = t.id) AS classes,
    (SELECT coalesce(array_agg(DISTINCT m.channel ORDER BY m.channel), '{}') FROM mandate m WHERE m.token_id = t.id) AS channels
FROM token t JOIN entity e ON e.id = t.entity_id
WHERE $1::text IS NULL OR e.slug = $1 ORDER BY e.slug, t.id;

-- name: admin_revoke_token
-- End a credential now; no row comes back when it does not exist or has been revoked.
UPDATE token SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id;

-- name: admin_create_group
-- A new group of one authority; no row comes back when the slug is taken.
INSERT INTO contact_group (entity_id, slug, name, exercises) VALUES ($1, $2, $3, $4)
ON CONFLICT (entity_id, slug) DO NOTHING RETURNING id;

-- name: admin_groups
-- The groups of one authority, or of all, with their sizes.
SELECT g.id, e.slug AS entity, g.slug, g.name, g.exercises,
    (SELECT count(*) FROM group_people m WHERE m.group_id = g.id) AS members
FROM contact_group g JOIN entity e ON e.id = g.entity_id
WHERE $1::text IS NULL OR e.slug = $1 ORDER BY e.slug, g.slug;

-- name: admin_find_contacts
-- The authority's own contacts that each word names, by key, number or address.
SELECT w.word, c.id FROM unnest($2::text[]) AS w (word)
JOIN contact c ON c.entity_id = $1 AND (c.key = w.word OR c.mobile = w.word OR c.landline = w.word OR lower(c.email) = lower(w.word));

-- name: admin_take_members
-- Take contacts out of a group; how many were in it.
WITH gone AS (DELETE FROM group_member WHERE group_id = $1 AND entity_id = $2 AND contact_id = ANY ($3::bigint[]) RETURNING 1)
SELECT count(*) FROM gone;

-- name: admin_add_members
-- Put contacts into a group; how many were new in it. A contact of another authority never gets in.
WITH put AS (
    INSERT INTO group_member (group_id, contact_id, entity_id)
    SELECT $1, c.id, $2 FROM contact c WHERE c.id = ANY ($3::bigint[]) AND c.entity_id = $2
    ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) FROM put;

-- name: admin_put_geocode
-- The outline of one value of a scheme, replaced when there is one.
INSERT INTO geocode (scheme, value, rings) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (scheme, value) DO UPDATE SET rings = EXCLUDED.rings;

-- name: admin_campaign
-- A campaign by the name that people use, with its final report when it has one.
SELECT c.id, c.state, r.body, c.entity_id FROM campaign c LEFT JOIN report r ON r.campaign_id = c.id WHERE c.public_id = $1;

-- name: admin_open_campaigns
-- Campaigns that are not closed, newest first, with how much has left.
SELECT c.public_id AS campaign, e.slug AS entity, c.mode, c.message_class AS class, c.state, c.created_at AS created,
    p.planned, p.waiting
FROM campaign c JOIN entity e ON e.id = c.entity_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(planned), 0)::bigint AS planned, coalesce(sum(queued) + sum(retry_wait), 0)::bigint AS waiting
    FROM progress WHERE campaign_id = c.id) p
WHERE c.state <> 'closed' ORDER BY c.id DESC LIMIT 1000;
