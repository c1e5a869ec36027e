-- Entities, tokens, contacts: who may alert, and who is alerted.

-- name: token_holder
-- The entity and realm behind a token's digest, or behind a session's for the entity $2 in the world $3.
SELECT a.token_id, a.realm, a.person_id, a.entity_id, a.slug, a.name, a.kind, a.live, a.languages, a.territory, a.policy,
    a.suspended, a.revoked, a.expired, a.trained, a.roles, a.partner_roles, a.mandates,
    (SELECT policy FROM entity WHERE slug = 'platform') AS platform_policy, e.signatures, e.allow_sha1, e.cap_answers,
    ARRAY(SELECT c.der FROM entity_certificate c WHERE c.entity_id = e.id AND c.removed_at IS NULL ORDER BY c.id) AS pinned,
    ARRAY(SELECT c.der FROM entity_certificate c WHERE c.entity_id = e.id AND c.removed_at IS NULL AND c.certifies
          ORDER BY c.id) AS authorities,
    ARRAY(SELECT s.sender FROM entity_sender s WHERE s.entity_id = e.id ORDER BY s.id) AS senders
FROM token_authority a JOIN entity e ON e.id = a.entity_id
WHERE a.digest = $1 AND (a.token_id IS NOT NULL OR (a.slug = $2::text AND a.realm = $3::text));

-- name: touch_token
-- Note that a token was used, at most once a minute.
UPDATE token SET last_used_at = now() WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: groups_by_slug
-- Group addressing is by exact slug inside the sender's own entity.
SELECT g.id, g.slug, g.exercises, g.partnership_id, coalesce(p.agreement, 'none') AS agreement
FROM contact_group g LEFT JOIN partnership p ON p.id = g.partnership_id
WHERE g.entity_id = $1 AND g.slug = ANY ($2::text[]);

-- name: geocode_rings
-- The outlines of geocodes.
SELECT scheme, value, rings FROM geocode
WHERE (scheme, value) IN (SELECT * FROM unnest($1::text[], $2::text[]));

-- name: insert_contacts
-- Many contacts at once, keyed by the owner's own key; again with the same key: updated.
INSERT INTO contact (entity_id, registered, name, language, mobile, landline, email, opt_out, consent_at, consent_source, key)
SELECT $1, $2, n, l, m, f, e, o, CASE WHEN $2 THEN now() END, CASE WHEN $2 THEN $10 END, k
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::text[]) AS u (n, l, m, f, e, o, k)
ON CONFLICT (entity_id, key) DO UPDATE SET name = EXCLUDED.name, language = EXCLUDED.language, mobile = EXCLUDED.mobile,
    landline = EXCLUDED.landline, email = EXCLUDED.email, opt_out = EXCLUDED.opt_out
RETURNING id, key;

-- name: insert_addresses
-- Address points of contacts.
INSERT INTO address (contact_id, slot, entity_id, label, lon, lat, z)
SELECT c, s, $1, l, x, y, z FROM unnest($2::bigint[], $3::smallint[], $4::text[], $5::float8[], $6::float8[], $7::bigint[])
     AS u (c, s, l, x, y, z)
ON CONFLICT (contact_id, slot) DO UPDATE SET label = EXCLUDED.label, lon = EXCLUDED.lon, lat = EXCLUDED.lat, z = EXCLUDED.z;

-- name: citizens_of_source
-- How many citizens registered at one source.
SELECT count(*) FROM contact WHERE registered AND consent_source = $1;

-- name: drop_citizens_after
-- Remove the citizens of a source whose key sorts after one.
DELETE FROM contact WHERE registered AND consent_source = $1 AND key > $2;

-- name: count_targets
-- How many messages a target would make, by channel and language, without making one. People are found by a list of numbers, as
-- in the fan-out: an index is walked along a list once.
WITH person AS (
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM group_people m
    JOIN contact c ON c.id = m.contact_id
    WHERE m.group_id = ANY ($4::int[]) AND m.entity_id = $1 AND c.entity_id = $1 AND c.opt_out & $2 = 0
    UNION ALL
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM contact c
    WHERE c.registered AND c.opt_out & $2 = 0 AND c.id = ANY (ARRAY(
        SELECT a.contact_id
        FROM unnest($5::bigint[], $6::bigint[], $7::text[]::polygon[], $8::text[]::polygon[], $9::float8[],
            $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[]) AS r (lo, hi, ring_a, ring_b, lon_a, lat_a, limit_a, lon_b, lat_b, limit_b)
        JOIN address a ON a.z BETWEEN r.lo AND r.hi
        WHERE (r.ring_a IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_a)
          AND (r.ring_b IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_b)
          AND (r.limit_a IS NULL OR sin(radians(a.lat - r.lat_a) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_a)) * sin(radians(a.lon - r.lon_a) / 2) ^ 2 <= r.limit_a)
          AND (r.limit_b IS NULL OR sin(radians(a.lat - r.lat_b) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_b)) * sin(radians(a.lon - r.lon_b) / 2) ^ 2 <= r.limit_b)))),
reach AS (
    SELECT id, 1::smallint AS channel, mobile AS address, language FROM person WHERE mobile IS NOT NULL AND 1 = ANY ($3::smallint[])
    UNION ALL
    SELECT id, 3, email, language FROM person WHERE email IS NOT NULL AND 3 = ANY ($3::smallint[])
      AND ($2 = 1 OR NOT is_suppressed(email))
    UNION ALL
    SELECT id, 2, coalesce(landline, mobile), language FROM person
    WHERE 2 = ANY ($3::smallint[]) AND coalesce(landline, mobile) IS NOT NULL
      AND NOT (1 = ANY ($3::smallint[]) AND mobile IS NOT NULL) AND NOT (3 = ANY ($3::smallint[]) AND email IS NOT NULL))
SELECT channel, language, count(*) AS messages FROM (
    SELECT DISTINCT ON (channel, address) channel, address, language FROM reach ORDER BY channel, address, id) f
GROUP BY channel, language ORDER BY channel, language;

-- name: texts_of_campaign
-- The texts of one campaign.
SELECT key, channel, language, body, subject, html, parts FROM text WHERE campaign_id = $1 ORDER BY key;

-- name: campaign_for_texts
-- What a channel needs to know of a campaign beside its texts.
SELECT c.id, c.public_id, c.mode, c.message_class, c.expires_at, c.plan, a.raw FROM campaign c JOIN alert a ON a.id = c.alert_id WHERE c.id = $1;
