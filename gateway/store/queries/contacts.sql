-- Contacts and groups of an entity, as its people keep them. $2 narrows to partnerships; NULL: the whole entity.

-- name: contact_page
-- Own contacts by name, after (search $3, id $4), whose name begins with $2.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE c.entity_id = $1 AND NOT c.registered
  AND c.search >= $2 AND c.search < $2 || chr(1114111) AND (c.search, c.id) > ($3, $4)
ORDER BY c.search, c.id LIMIT $5;

-- name: contact_page_within
-- The same for partnerships $6: a statement of its own, for its plan is another one.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE c.entity_id = $1 AND c.partnership_id = ANY ($6::int[])
  AND c.search >= $2 AND c.search < $2 || chr(1114111) AND (c.search, c.id) > ($3, $4)
ORDER BY c.search, c.id LIMIT $5;

-- name: contact_of_group
-- Who was put into group $3, after contact $4, by number.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM group_member m JOIN contact c ON c.id = m.contact_id LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE m.group_id = $3 AND m.contact_id > $4 AND c.entity_id = $1 AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
ORDER BY m.contact_id LIMIT $5;

-- name: contact_words
-- What somebody looks for, as words.
SELECT array_agg(DISTINCT w) FROM contact_words($1, NULL, NULL, NULL, '{}') w;

-- name: contact_rare
-- The words $2 by how many contacts have one that begins so, the rarest first; more than a thousand are many.
SELECT o FROM unnest($2::text[]) o
ORDER BY (SELECT count(*) FROM (SELECT FROM contact_word x WHERE x.entity_id = $1 AND x.word >= o COLLATE "C"
    AND x.word < (o || chr(1114111)) COLLATE "C" LIMIT 1000) few), length(o) DESC;

-- name: contact_search
-- Own contacts of which a word begins with $2, after (word $3, contact $4), each by the first of its words that does, and
-- that have a word with every one of the beginnings $6. Scalar sub-selects: a look for each row of the page, no join. NOT
-- coalesce: half of the rows are expected to pass, so that the words are walked in their order until the page is full; of
-- IS NULL next to none are, and all of them would be fetched and sorted.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership, w.word
FROM contact_word w JOIN contact c ON c.id = w.contact_id LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE w.entity_id = $1 AND w.word >= $2 AND w.word < $2 || chr(1114111) AND (w.word, w.contact_id) > ($3, $4)
  AND NOT coalesce((SELECT true FROM contact_word x
      WHERE x.contact_id = w.contact_id AND x.word >= $2 AND x.word < w.word LIMIT 1), false)
  AND NOT coalesce((SELECT true FROM unnest($6::text[]) o WHERE (SELECT true FROM contact_word x WHERE x.contact_id = w.contact_id
      AND x.word >= o COLLATE "C" AND x.word < (o || chr(1114111)) COLLATE "C" LIMIT 1) IS NULL LIMIT 1), false)
ORDER BY w.word, w.contact_id LIMIT $5;

-- name: contact_search_within
-- Contacts of partnerships $2 that have a word with every one of the beginnings $3, by name, after (search $4, id $5).
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE c.entity_id = $1 AND c.partnership_id = ANY ($2::int[]) AND (c.search, c.id) > ($4, $5)
  AND NOT EXISTS (SELECT FROM unnest($3::text[]) o WHERE NOT EXISTS (
      SELECT FROM contact_words(c.name, c.mobile, c.landline, c.email, c.tags) v WHERE starts_with(v, o)))
ORDER BY c.search, c.id LIMIT $6;

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
-- Groups of an entity; those that are filled by hand with their sizes, counted as far as $5.
SELECT g.id, g.slug, g.name, g.exercises, s.slug AS partnership, f.group_id IS NOT NULL AS filtered,
    CASE WHEN f.group_id IS NULL THEN (
        SELECT count(*) FROM (SELECT FROM group_member m WHERE m.group_id = g.id LIMIT $5) m) END AS members
FROM contact_group g LEFT JOIN group_filter f ON f.group_id = g.id LEFT JOIN partnership s ON s.id = g.partnership_id
WHERE g.entity_id = $1 AND ($2::int[] IS NULL OR g.partnership_id = ANY ($2)) AND g.slug > $3 ORDER BY g.slug LIMIT $4;

-- name: group_by_slug
-- One group that may be kept.
SELECT g.id, f.group_id IS NOT NULL AS filtered FROM contact_group g LEFT JOIN group_filter f ON f.group_id = g.id
WHERE g.entity_id = $1 AND ($2::int[] IS NULL OR g.partnership_id = ANY ($2)) AND g.slug = $3;

-- name: group_show
-- One group with its filter.
SELECT g.id, g.slug, g.name, g.exercises, s.slug AS partnership, f.group_id IS NOT NULL AS filtered,
    f.languages, f.postcodes, f.municipalities, f.tags, f.channels, f.rings
FROM contact_group g LEFT JOIN group_filter f ON f.group_id = g.id LEFT JOIN partnership s ON s.id = g.partnership_id
WHERE g.entity_id = $1 AND ($2::int[] IS NULL OR g.partnership_id = ANY ($2)) AND g.slug = $3;

-- name: group_count
-- How many people were put into a group, and how many of them each channel reaches; of the first $3, or of all (NULL).
SELECT count(*) AS members, count(c.mobile) AS sms, count(coalesce(c.landline, c.mobile)) AS voice, count(c.email) AS email
FROM (SELECT contact_id FROM group_member WHERE group_id = $2 LIMIT $3) m
JOIN contact c ON c.id = m.contact_id WHERE c.entity_id = $1;

-- name: group_numbers
-- The numbers of the first $4 people after $3 who were put into a group.
SELECT coalesce(array_agg(m.contact_id ORDER BY m.contact_id), '{}') FROM (
    SELECT contact_id FROM group_member WHERE group_id = $2 AND entity_id = $1 AND contact_id > $3::bigint
    ORDER BY contact_id LIMIT $4) m;

-- name: group_filter_put
-- A group is filled by this filter; no row comes back when people were put in by hand.
INSERT INTO group_filter (group_id, entity_id, languages, postcodes, municipalities, tags, channels, rings, outlines)
SELECT $2, $1, $3, $4, $5, $6, $7, $8::jsonb, $9::text[]::polygon[]
WHERE NOT EXISTS (SELECT FROM group_member m WHERE m.group_id = $2)
ON CONFLICT (group_id) DO UPDATE SET languages = EXCLUDED.languages, postcodes = EXCLUDED.postcodes,
    municipalities = EXCLUDED.municipalities, tags = EXCLUDED.tags, channels = EXCLUDED.channels, rings = EXCLUDED.rings,
    outlines = EXCLUDED.outlines RETURNING group_id;

-- name: group_filter_drop
-- A group is filled by hand from now on.
DELETE FROM group_filter WHERE entity_id = $1 AND group_id = $2;

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
UPDATE export_request SET agreed_by = $3 WHERE entity_id = $1 AND id = $2 AND contact_id IS NULL AND agreed_by IS NULL AND asked_by <> $3 RETURNING id;

-- name: export_take
-- Take what was agreed to, once, by who asked.
UPDATE export_request SET taken_at = now()
WHERE entity_id = $1 AND id = $2 AND asked_by = $3 AND agreed_by IS NOT NULL AND taken_at IS NULL RETURNING id;

-- name: export_one
-- One person's data is taken, for this reason.
INSERT INTO export_request (entity_id, reason, asked_by, contact_id, taken_at) VALUES ($1, $2, $3, $4, now()) RETURNING id;

-- name: person_places
-- The address points of one contact.
SELECT slot, label, lon, lat FROM address WHERE entity_id = $1 AND contact_id = $2 ORDER BY slot;

-- name: person_groups
-- The groups that one contact is in now.
SELECT g.slug FROM group_people m JOIN contact_group g ON g.id = m.group_id
WHERE m.entity_id = $1 AND m.contact_id = $2 ORDER BY g.slug;

-- name: person_deliveries
-- What was sent to these numbers and addresses, newest first.
SELECT c.public_id AS campaign, c.mode, d.channel, d.address, d.state, d.submitted_at, d.done_at
FROM campaign c CROSS JOIN unnest($2::smallint[], $3::text[]) AS e (channel, address)
JOIN delivery d ON d.campaign_id = c.id AND d.channel = e.channel AND d.address = e.address
WHERE c.entity_id = $1 AND d.entity_id = $1 ORDER BY c.id DESC, d.seq LIMIT 10000;

-- name: erasure_ask
-- One own contact leaves for good.
WITH left_us AS (
    DELETE FROM contact c WHERE c.entity_id = $1 AND NOT c.registered AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
      AND c.key = $3 RETURNING c.id)
INSERT INTO erasure (entity_id, contact_id, asked_by) SELECT $1, id, $4 FROM left_us RETURNING id;

-- name: erasure_open
-- Who is not forgotten everywhere yet.
SELECT contact_id FROM erasure WHERE done_at IS NULL ORDER BY id LIMIT 1000;

-- name: erasure_deliveries
-- What was sent to them in campaigns that are closed loses its address and its words; what it counts for stays.
UPDATE delivery d SET address = 'erased:' || d.seq, contact_id = 0, detail = NULL
FROM campaign c WHERE d.contact_id = ANY ($1::bigint[]) AND c.id = d.campaign_id AND c.state = 'closed';

-- name: erasure_done
-- Nothing names them any more, and who was found by a planner before they left is written or left out by now.
UPDATE erasure e SET done_at = now() WHERE e.contact_id = ANY ($1::bigint[]) AND e.done_at IS NULL
  AND e.asked_at < now() - interval '10 minutes'
  AND NOT EXISTS (SELECT FROM delivery d WHERE d.contact_id = ANY ($1::bigint[]) AND d.contact_id = e.contact_id);
