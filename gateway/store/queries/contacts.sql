-- Contacts and groups of an entity, as its people keep them. $2 narrows to partnerships; NULL: the whole entity.

-- name: contact_page
-- Own contacts by name, after (search $4, id $5), whose name begins with $3; in group $6 (NULL: any).
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE c.entity_id = $1 AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
  AND c.search >= $3 AND c.search < $3 || chr(1114111) AND (c.search, c.id) > ($4, $5)
  AND ($6::int IS NULL OR EXISTS (SELECT FROM group_member m WHERE m.group_id = $6 AND m.contact_id = c.id))
ORDER BY c.search, c.id LIMIT $7;

-- name: contact_by_endpoint
-- Own contacts with this number or address.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE c.entity_id = $1 AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
  AND (c.mobile = $3 OR c.landline = $3 OR c.email = $3) ORDER BY c.id LIMIT 100;

-- name: contact_by_key
-- One own contact.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE c.entity_id = $1 AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2)) AND c.key = $3;

-- name: contact_put
-- A contact by the owner's key, new or changed; one of another partnership is left alone and no row comes back.
INSERT INTO contact AS c (entity_id, key, name, language, mobile, landline, email, opt_out, partnership_id, verified_at,
    postcode, municipality, tags)
VALUES ($1, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $11 THEN now() END, $12, $13, $14)
ON CONFLICT (entity_id, key) DO UPDATE SET name = EXCLUDED.name, language = EXCLUDED.language, mobile = EXCLUDED.mobile,
    landline = EXCLUDED.landline, email = EXCLUDED.email, opt_out = c.opt_out | EXCLUDED.opt_out,
    verified_at = coalesce(EXCLUDED.verified_at, c.verified_at), postcode = EXCLUDED.postcode,
    municipality = EXCLUDED.municipality, tags = EXCLUDED.tags, import_id = NULL
WHERE NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
RETURNING c.id, c.xmax = 0 AS added;

-- name: contact_remove
-- Own contacts with these keys leave, and with them their places and memberships.
DELETE FROM contact c WHERE c.entity_id = $1 AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
  AND c.key = ANY ($3::text[]);

-- name: group_page
-- Groups of an entity with their sizes.
SELECT g.id, g.slug, g.name, g.exercises, s.slug AS partnership,
    (SELECT count(*) FROM group_member m WHERE m.group_id = g.id) AS members
FROM contact_group g LEFT JOIN partnership s ON s.id = g.partnership_id
WHERE g.entity_id = $1 AND ($2::int[] IS NULL OR g.partnership_id = ANY ($2)) AND g.slug > $3 ORDER BY g.slug LIMIT $4;

-- name: group_by_slug
-- One group that may be kept.
SELECT id FROM contact_group WHERE entity_id = $1 AND ($2::int[] IS NULL OR partnership_id = ANY ($2)) AND slug = $3;

-- name: group_put
-- A group, new or with another name; one of another partnership is left alone and no row comes back.
INSERT INTO contact_group AS g (entity_id, slug, name, exercises, partnership_id) VALUES ($1, $3, $4, $5, $6)
ON CONFLICT (entity_id, slug) DO UPDATE SET name = EXCLUDED.name, exercises = EXCLUDED.exercises
WHERE $2::int[] IS NULL OR g.partnership_id = ANY ($2) RETURNING id;

-- name: group_remove
-- A group ends; its contacts stay.
DELETE FROM contact_group WHERE entity_id = $1 AND id = $2 RETURNING id;

-- name: group_join
-- Contacts that may be seen come into a group.
INSERT INTO group_member (group_id, contact_id, entity_id)
SELECT $3, c.id, $1 FROM contact c WHERE c.entity_id = $1 AND NOT c.registered
  AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2)) AND c.key = ANY ($4::text[]) ON CONFLICT DO NOTHING;

-- name: group_leave
-- Contacts leave a group.
DELETE FROM group_member m USING contact c
WHERE m.group_id = $2 AND m.entity_id = $1 AND c.id = m.contact_id AND c.key = ANY ($3::text[]);

-- name: export_ask
-- Ask to take contacts out.
INSERT INTO export_request (entity_id, reason, asked_by) VALUES ($1, $2, $3) RETURNING id;

-- name: export_agree
-- A second person agrees; no row comes back when there is nothing to agree to, or it is their own.
UPDATE export_request SET agreed_by = $3 WHERE entity_id = $1 AND id = $2 AND agreed_by IS NULL AND asked_by <> $3 RETURNING id;

-- name: export_take
-- Take what was agreed to, once, by who asked.
UPDATE export_request SET taken_at = now()
WHERE entity_id = $1 AND id = $2 AND asked_by = $3 AND agreed_by IS NOT NULL AND taken_at IS NULL RETURNING id;
