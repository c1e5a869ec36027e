-- Entities, tokens, contacts: who may alert, and who is alerted. The fan-out lives here because it reads people.

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

-- name: fan_out
-- The rows of one slice, in one statement: registered citizens in cells ($11 to $20, the columns of gateway.cap.cover), own
-- contacts ($10: members of a group), or whom the earlier campaign $9 told (rows $21 to $22: reached, in flight, unknown
-- now or once (1), on the line when a call ended (8)); whoever has not opted out of the class, and (unless it is urgent)
-- whose address is not suppressed; one row per channel and address that the campaign does not have. People are found by a
-- list of numbers, and whom the campaign has by a list of addresses: an index is walked along a list once. The text is the
-- one of the channel in the person's language: $8 holds the keys by channel (SMS, voice, e-mail) and language ($7), and
-- languages that are not in $7 get the first. Row numbers go on from $2, channel by channel; so many were added to each.
-- $1 campaign, $3 entity, $4 transport, $5 opt-out bit, $6 channels by which a person is told, $23 channels that have texts
-- (those told before are told the way they were).
WITH told AS (
    SELECT DISTINCT d.contact_id AS id, d.channel, d.address, t.language
    FROM delivery d JOIN text t ON t.campaign_id = d.campaign_id AND t.key = d.text_key
    WHERE d.campaign_id = $9 AND d.seq BETWEEN $21 AND $22 AND d.transport = $4 AND d.channel = ANY ($23::smallint[])
      AND d.contact_id <> 0  -- 0: erased
      AND (d.state IN (1, 2, 3, 8) OR d.flags & 9 <> 0 OR (d.state = 0 AND d.seq <= (
        SELECT k.marked_to FROM chunk k WHERE k.campaign_id = d.campaign_id AND k.lo BETWEEN 1 AND d.seq
        ORDER BY k.lo DESC LIMIT 1)))),
person AS (
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM contact c
    WHERE c.id = ANY ($10::bigint[]) AND c.entity_id = $3 AND c.opt_out & $5 = 0
    UNION ALL
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM contact c
    WHERE c.registered AND c.opt_out & $5 = 0 AND c.id = ANY (ARRAY(
        SELECT a.contact_id
        FROM unnest($11::bigint[], $12::bigint[], $13::text[]::polygon[], $14::text[]::polygon[], $15::float8[],
            $16::float8[], $17::float8[], $18::float8[], $19::float8[], $20::float8[]) AS r (lo, hi, ring_a, ring_b, lon_a, lat_a, limit_a, lon_b, lat_b, limit_b)
        JOIN address a ON a.z BETWEEN r.lo AND r.hi
        WHERE (r.ring_a IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_a)
          AND (r.ring_b IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_b)
          AND (r.limit_a IS NULL OR sin(radians(a.lat - r.lat_a) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_a)) * sin(radians(a.lon - r.lon_a) / 2) ^ 2 <= r.limit_a)
          AND (r.limit_b IS NULL OR sin(radians(a.lat - r.lat_b) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_b)) * sin(radians(a.lon - r.lon_b) / 2) ^ 2 <= r.limit_b)))),
reach AS (
    SELECT id, 1::smallint AS channel, mobile AS address, language FROM person WHERE mobile IS NOT NULL AND 1 = ANY ($6::smallint[])
    UNION ALL
    SELECT id, 3, email, language FROM person WHERE email IS NOT NULL AND 3 = ANY ($6::smallint[])
      AND ($5 = 1 OR NOT EXISTS (SELECT FROM suppression s WHERE s.address = lower(person.email) AND s.suppressed_at IS NOT NULL))
    UNION ALL
    SELECT id, 2, coalesce(landline, mobile), language FROM person
    WHERE 2 = ANY ($6::smallint[]) AND coalesce(landline, mobile) IS NOT NULL
      AND NOT (1 = ANY ($6::smallint[]) AND mobile IS NOT NULL) AND NOT (3 = ANY ($6::smallint[]) AND email IS NOT NULL)
    UNION ALL
    SELECT id, channel, address, language FROM told),
once AS MATERIALIZED (SELECT DISTINCT ON (channel, address) id, channel, address, language FROM reach ORDER BY channel, address, id),
known AS (
    SELECT d.channel, d.address FROM delivery d
    WHERE d.campaign_id = $1 AND d.channel = ANY ($23::smallint[]) AND d.address = ANY (ARRAY(SELECT address FROM once))),
put AS (
    INSERT INTO delivery (campaign_id, seq, entity_id, contact_id, channel, transport, text_key, address)
    SELECT $1, $2 - 1 + (row_number() OVER (ORDER BY channel, address))::int, $3, id, channel, $4,
        ($8::smallint[])[cardinality($7::text[]) * (channel - 1) + coalesce(array_position($7::text[], language), 1)], address
    FROM once WHERE (channel, address) NOT IN (SELECT channel, address FROM known)
    RETURNING channel)
SELECT count(*) FILTER (WHERE channel = 1) AS sms, count(*) FILTER (WHERE channel = 2) AS voice,
    count(*) FILTER (WHERE channel = 3) AS email
FROM put;

-- name: count_targets
-- How many messages a target would make, by channel and language, without making one.
WITH person AS (
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM group_people m
    JOIN contact c ON c.id = m.contact_id
    WHERE m.group_id = ANY ($4::int[]) AND m.entity_id = $1 AND c.entity_id = $1 AND c.opt_out & $2 = 0
    UNION ALL
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM (
        SELECT DISTINCT a.contact_id
        FROM unnest($5::bigint[], $6::bigint[], $7::text[]::polygon[], $8::text[]::polygon[], $9::float8[],
            $10::float8[], $11::float8[], $12::float8[], $13::float8[], $14::float8[]) AS r (lo, hi, ring_a, ring_b, lon_a, lat_a, limit_a, lon_b, lat_b, limit_b)
        JOIN address a ON a.z BETWEEN r.lo AND r.hi
        WHERE (r.ring_a IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_a)
          AND (r.ring_b IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_b)
          AND (r.limit_a IS NULL OR sin(radians(a.lat - r.lat_a) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_a)) * sin(radians(a.lon - r.lon_a) / 2) ^ 2 <= r.limit_a)
          AND (r.limit_b IS NULL OR sin(radians(a.lat - r.lat_b) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_b)) * sin(radians(a.lon - r.lon_b) / 2) ^ 2 <= r.limit_b)) a
    JOIN contact c ON c.id = a.contact_id
    WHERE c.registered AND c.opt_out & $2 = 0),
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

-- name: insert_chunks
-- Cut the new rows lo..hi of one channel into chunks of $8, and count them as planned and queued.
WITH k AS (
    INSERT INTO chunk (campaign_id, lo, hi, entity_id, channel, transport, exercise_group)
    SELECT $1, g, least(g + $8 - 1, $3), $4, $5, $6, $7 FROM generate_series($2::int, $3::int, $8::int) g RETURNING 1)
UPDATE progress SET planned = planned + ($3 - $2 + 1), queued = queued + ($3 - $2 + 1)
WHERE campaign_id = $1 AND channel = $5 AND shard = 0;

-- name: analyze_campaign
-- Statistics for a fresh partition, inside the first slice's transaction.
SELECT analyze_campaign($1);

-- name: campaign_to_plan
-- One campaign whose fan-out is not complete. A lock of its own keeps other planners off until the slice is committed; the
-- campaign's row stays free, so that nobody who stops it or counts for it has to wait for a slice. Of equally urgent ones
-- the one that has the fewest rows, so that nobody waits for the end of a large one. $1: none of these; $2: none less urgent.
WITH waiting AS MATERIALIZED (
    SELECT c.id, c.entity_id, c.alert_id, c.mode, c.message_class, c.channels, c.plan, c.plan_cursor, c.next_seq, c.state
    FROM campaign c
    WHERE NOT c.planned AND c.state IN ('planned', 'sending', 'paused') AND c.expires_at > now() AND c.id <> ALL ($1::int[])
      AND c.priority <= $2
    ORDER BY c.priority, c.next_seq, c.id LIMIT 20)
SELECT * FROM waiting WHERE pg_try_advisory_xact_lock(7230004, id) LIMIT 1;

-- name: plan_reached
-- How far a campaign is planned; asked with its lock, as another planner may have written since it was found.
SELECT plan_cursor, next_seq, plan_group, plan_after FROM campaign WHERE id = $1;

-- name: slice_done
-- Move the planner's cursor with the slice, and how far the group at the cursor is planned; no row when the campaign was
-- stopped, or planned on by another, meanwhile.
UPDATE campaign SET plan_cursor = $3, next_seq = $4, planned = $5, plan_group = $6, plan_after = $7,
    state = CASE WHEN state = 'planned' THEN 'sending' ELSE state END
WHERE id = $1 AND plan_cursor = $2 AND NOT planned AND state IN ('planned', 'sending', 'paused')
RETURNING id;

-- name: texts_of_campaign
-- The texts of one campaign.
SELECT key, channel, language, body, subject, html, parts FROM text WHERE campaign_id = $1 ORDER BY key;

-- name: campaign_for_texts
-- What a channel needs to know of a campaign beside its texts.
SELECT c.id, c.public_id, c.mode, c.message_class, c.expires_at, c.plan, a.raw FROM campaign c JOIN alert a ON a.id = c.alert_id WHERE c.id = $1;
