-- Imports of contacts: stored batch by batch, recorded, undone. $2 narrows to partnerships; NULL: the whole entity.

-- name: import_planned
-- From here to the end of the transaction plans are made for the batch at hand: one that serves any batch expects few rows.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: import_twins
-- Contacts that have the number or address of a row and are not the row's own: (row, column, key). Rows of the arrays are
-- numbered from 1. A landline is a household's: two people may share it. Each row is looked up by itself (OFFSET 0), by the one
-- index that has this order (so >= and <= for =): nobody has counted yet what the batches before it brought, and where nothing
-- is expected every index that begins with the entity looks as good.
WITH u AS (SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS t (key, mobile, landline, email, ord))
SELECT u.ord, 'mobile' AS called, c.key FROM u CROSS JOIN LATERAL (
    SELECT c.key FROM contact c WHERE c.entity_id = $1 AND c.mobile >= u.mobile AND c.mobile <= u.mobile
    AND c.key IS DISTINCT FROM u.key AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2)) ORDER BY c.mobile OFFSET 0) c
UNION ALL
SELECT u.ord, 'email', c.key FROM u CROSS JOIN LATERAL (
    SELECT c.key FROM contact c WHERE c.entity_id = $1 AND c.email >= u.email AND c.email <= u.email
    AND c.key IS DISTINCT FROM u.key AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2)) ORDER BY c.email OFFSET 0) c
UNION ALL
SELECT u.ord, 'landline', c.key FROM u CROSS JOIN LATERAL (
    SELECT c.key FROM contact c WHERE c.entity_id = $1 AND c.landline >= u.landline AND c.landline <= u.landline
    AND c.key IS DISTINCT FROM u.key AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2)) ORDER BY c.landline OFFSET 0) c
WHERE $7 = 'landline'
ORDER BY 1, 2, 3;

-- name: import_contacts
-- Contacts by the owner's key: new ones are added; of those that are there an empty cell changes nothing, and a refusal
-- (opt-out) that the person gave is never taken back by a file. What is the same already is not touched; one that is
-- somebody else's to keep is left alone (mine = false). $3 import (NULL: not recorded), $4 consent of citizens, $5 language,
-- $6 partnership of new ones.
WITH u AS (
    SELECT * FROM unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::smallint[],
        $14::text[], $15::text[], $16::text[], $17::text[], $18::float8[], $19::float8[], $20::bigint[])
        AS t (key, name, language, mobile, landline, email, opt_out, postcode, municipality, tags, label, lon, lat, z)),
want AS (
    SELECT u.key, c.id, u.label, u.lon, u.lat, u.z, c.id IS NULL AS added,
        coalesce(nullif(u.name, ''), c.name, '') AS name, coalesce(nullif(u.language, ''), c.language, $5) AS language,
        coalesce(u.mobile, c.mobile) AS mobile, coalesce(u.landline, c.landline) AS landline,
        coalesce(u.email, c.email) AS email, u.opt_out | coalesce(c.opt_out, 0::smallint) AS opt_out,
        coalesce(nullif(u.postcode, ''), c.postcode, '') AS postcode,
        coalesce(nullif(u.municipality, ''), c.municipality, '') AS municipality,
        CASE WHEN u.tags = '' THEN coalesce(c.tags, '{}') ELSE string_to_array(u.tags, ' ') END AS tags,
        c.id IS NULL OR (c.registered = ($4::text IS NOT NULL) AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))) AS mine,
        u.lon IS NOT NULL AND (a.label, a.lon, a.lat) IS DISTINCT FROM (u.label, u.lon, u.lat) AS moved,
        (c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags) AS was,
        CASE WHEN c.id IS NOT NULL AND $3::int IS NOT NULL THEN jsonb_build_object('name', c.name, 'language', c.language,
            'mobile', c.mobile, 'landline', c.landline, 'email', c.email, 'opt_out', c.opt_out, 'postcode', c.postcode,
            'municipality', c.municipality, 'tags', c.tags, 'import_id', c.import_id, 'verified_at', c.verified_at,
            'place', CASE WHEN a.contact_id IS NOT NULL THEN jsonb_build_array(a.label, a.lon, a.lat, a.z) END) END AS before
    FROM u LEFT JOIN LATERAL (SELECT * FROM contact c WHERE c.entity_id = $1 AND c.key >= u.key AND c.key <= u.key ORDER BY c.key LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT * FROM address a WHERE a.contact_id = c.id AND a.slot = 1 LIMIT 1) a ON true),
put AS (
    INSERT INTO contact AS k (entity_id, registered, name, language, mobile, landline, email, opt_out, postcode, municipality,
        tags, consent_at, consent_source, partnership_id, import_id, key)
    SELECT $1, $4::text IS NOT NULL, name, language, mobile, landline, email, opt_out, postcode, municipality, tags,
        CASE WHEN $4::text IS NOT NULL THEN now() END, $4, $6, $3, key
    FROM want WHERE mine AND (moved
        OR was IS DISTINCT FROM (name, language, mobile, landline, email, opt_out, postcode, municipality, tags))
    ON CONFLICT (entity_id, key) DO UPDATE SET name = EXCLUDED.name, language = EXCLUDED.language, mobile = EXCLUDED.mobile,
        landline = EXCLUDED.landline, email = EXCLUDED.email, opt_out = k.opt_out | EXCLUDED.opt_out,
        postcode = EXCLUDED.postcode, municipality = EXCLUDED.municipality, tags = EXCLUDED.tags, import_id = EXCLUDED.import_id
    WHERE k.registered = EXCLUDED.registered AND ($2::int[] IS NULL OR k.partnership_id = ANY ($2))
    RETURNING k.id, k.key),
placed AS (
    INSERT INTO address (contact_id, entity_id, label, lon, lat, z)
    SELECT put.id, $1, w.label, w.lon, w.lat, w.z FROM put JOIN want w USING (key) WHERE w.lon IS NOT NULL
    ON CONFLICT (contact_id, slot) DO UPDATE SET label = EXCLUDED.label, lon = EXCLUDED.lon, lat = EXCLUDED.lat, z = EXCLUDED.z),
noted AS (
    INSERT INTO import_change (import_id, entity_id, contact_id, added, before)
    SELECT $3, $1, put.id, w.added, w.before FROM put JOIN want w USING (key) WHERE $3::int IS NOT NULL)
SELECT coalesce(put.id, w.id) AS id, w.key, w.added, put.id IS NOT NULL AS written, w.mine
FROM want w LEFT JOIN put USING (key);

-- name: import_join
-- Contacts come into a group; how many were new in it, each of them noted when there is an import.
WITH came AS (
    INSERT INTO group_member (group_id, contact_id, entity_id)
    SELECT $1, c.id, $2 FROM contact c WHERE c.id = ANY ($3::bigint[]) AND c.entity_id = $2
    ON CONFLICT DO NOTHING RETURNING contact_id),
noted AS (
    INSERT INTO import_change (import_id, entity_id, contact_id, joined)
    SELECT $4, $2, contact_id, true FROM came WHERE $4::int IS NOT NULL
    ON CONFLICT (import_id, contact_id) DO UPDATE SET joined = true)
SELECT count(*) FROM came;

-- name: import_begin
-- The record of an import that begins.
INSERT INTO import_run (entity_id, partnership_id, group_id, dry_run, made_by) VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- name: import_progress
-- How far it is.
UPDATE import_run SET kind = $3, rows_read = $4, rows_done = $5, seen_at = now() WHERE entity_id = $1 AND id = $2;

-- name: import_end
-- What it did, counted, with the first problems.
UPDATE import_run SET state = $3, reason = $4, kind = $5, rows_read = $6, rows_done = $6, added = $7, changed = $8, same = $9,
    joined = $10, refused = $11, duplicates = $12, problems = $13::jsonb, seen_at = now(), ended_at = now()
WHERE entity_id = $1 AND id = $2;

-- name: import_page
-- Imports of an entity, newest first; $2: those of somebody's partnerships only.
SELECT r.id, r.group_id, r.kind, r.dry_run, r.state, r.reason, r.made_by, r.rows_read, r.rows_done, r.added, r.changed, r.same,
    r.joined, r.refused, r.duplicates, r.problems, r.started_at, r.ended_at, r.undone_at, r.undone_by, g.slug AS group_slug, s.slug AS partnership,
    r.state = 'running' AND r.seen_at < now() - interval '3 minutes' AS lost FROM import_run r
LEFT JOIN contact_group g ON g.id = r.group_id LEFT JOIN partnership s ON s.id = r.partnership_id
WHERE r.entity_id = $1 AND ($2::int[] IS NULL OR r.partnership_id = ANY ($2)) AND r.id < $3 ORDER BY r.id DESC LIMIT $4;

-- name: import_show
-- One import.
SELECT r.id, r.group_id, r.kind, r.dry_run, r.state, r.reason, r.made_by, r.rows_read, r.rows_done, r.added, r.changed, r.same,
    r.joined, r.refused, r.duplicates, r.problems, r.started_at, r.ended_at, r.undone_at, r.undone_by, g.slug AS group_slug, s.slug AS partnership,
    r.state = 'running' AND r.seen_at < now() - interval '3 minutes' AS lost FROM import_run r
LEFT JOIN contact_group g ON g.id = r.group_id LEFT JOIN partnership s ON s.id = r.partnership_id
WHERE r.entity_id = $1 AND ($2::int[] IS NULL OR r.partnership_id = ANY ($2)) AND r.id = $3;

-- name: import_undo
-- Mark an import as undone; no row comes back when it can not be. What it kept must still be there.
UPDATE import_run SET state = 'undone', undone_at = now(), undone_by = $4
WHERE entity_id = $1 AND ($2::int[] IS NULL OR partnership_id = ANY ($2)) AND id = $3 AND state = 'done' AND NOT dry_run
  AND ended_at > now() - $5 * interval '1 day' RETURNING group_id;

-- name: import_undo_left
-- How many contacts were changed again after the import, and keep what they have now.
SELECT count(*) FROM import_change h JOIN contact c ON c.id = h.contact_id
WHERE h.entity_id = $1 AND h.import_id = $2 AND (h.added OR h.before IS NOT NULL) AND c.import_id IS DISTINCT FROM $2;

-- name: import_undo_joined
-- Who came into the group by the import leaves it.
DELETE FROM group_member m USING import_change h
WHERE h.entity_id = $1 AND h.import_id = $2 AND h.joined AND m.group_id = $3 AND m.contact_id = h.contact_id;

-- name: import_undo_places
-- The first address point as it was before.
DELETE FROM address a USING import_change h, contact c
WHERE h.entity_id = $1 AND h.import_id = $2 AND h.before IS NOT NULL AND c.id = h.contact_id AND c.import_id = $2
  AND a.contact_id = c.id AND a.slot = 1;

-- name: import_undo_placed
-- The first address point as it was before, where there was one.
INSERT INTO address (contact_id, entity_id, label, lon, lat, z)
SELECT c.id, $1, h.before -> 'place' ->> 0, (h.before -> 'place' ->> 1)::float8, (h.before -> 'place' ->> 2)::float8,
    (h.before -> 'place' ->> 3)::bigint
FROM import_change h JOIN contact c ON c.id = h.contact_id AND c.import_id = $2
WHERE h.entity_id = $1 AND h.import_id = $2 AND jsonb_typeof(h.before -> 'place') = 'array';

-- name: import_undo_added
-- Who was added, and not changed since, goes.
DELETE FROM contact c USING import_change h
WHERE h.entity_id = $1 AND h.import_id = $2 AND h.added AND c.id = h.contact_id AND c.import_id = $2;

-- name: import_undo_changed
-- Who was changed, and not again since, is as before.
UPDATE contact c SET name = b.name, language = b.language, mobile = b.mobile, landline = b.landline, email = b.email,
    opt_out = b.opt_out, postcode = b.postcode, municipality = b.municipality, tags = b.tags,
    import_id = b.import_id, verified_at = b.verified_at
FROM import_change h, jsonb_to_record(h.before) AS b (name text, language text, mobile text, landline text, email text,
    opt_out smallint, postcode text, municipality text, tags text[], import_id int, verified_at timestamptz)
WHERE h.entity_id = $1 AND h.import_id = $2 AND h.before IS NOT NULL AND c.id = h.contact_id AND c.import_id = $2;

-- name: import_forget
-- What was kept for undoing goes when the time for it is over: it holds people's data.
DELETE FROM import_change h USING import_run r WHERE r.id = h.import_id
  AND (r.state = 'undone' OR coalesce(r.ended_at, r.started_at) < now() - $1 * interval '1 day');

-- name: import_lock
-- Imports of one entity come one after the other.
SELECT pg_advisory_xact_lock(7230011, $1);
