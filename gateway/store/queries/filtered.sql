-- Members of groups that a filter fills. Each part of a filter has an index by which its contacts come in the order of their
-- numbers: the first $4 after number $3; the view filtered_people decides who of them is in the group.

-- name: filter_asked
-- What a group is filled by.
SELECT f.languages, f.postcodes, f.municipalities, f.tags, f.rings, g.partnership_id
FROM group_filter f JOIN contact_group g ON g.id = f.group_id WHERE f.entity_id = $1 AND f.group_id = $2;

-- name: filter_by_languages
-- Own contacts of one of the languages $2.
SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') FROM (
    SELECT c.id FROM unnest($2::text[]) v CROSS JOIN LATERAL (
        SELECT c.id FROM contact c WHERE c.entity_id = $1 AND NOT c.registered AND c.language = v AND c.id > 0 AND c.id > $3::bigint
        ORDER BY c.id LIMIT $4::int) c
    ORDER BY c.id LIMIT $4::int) x;

-- name: filter_by_postcodes
-- Own contacts of one of the postcodes $2.
SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') FROM (
    SELECT c.id FROM unnest($2::text[]) v CROSS JOIN LATERAL (
        SELECT c.id FROM contact c WHERE c.entity_id = $1 AND NOT c.registered AND c.postcode = v AND c.id > 0 AND c.id > $3::bigint
        ORDER BY c.id LIMIT $4::int) c
    ORDER BY c.id LIMIT $4::int) x;

-- name: filter_by_municipalities
-- Own contacts of one of the municipalities $2.
SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') FROM (
    SELECT c.id FROM unnest($2::text[]) v CROSS JOIN LATERAL (
        SELECT c.id FROM contact c WHERE c.entity_id = $1 AND NOT c.registered AND c.town = v AND c.id > 0 AND c.id > $3::bigint
        ORDER BY c.id LIMIT $4::int) c
    ORDER BY c.id LIMIT $4::int) x;

-- name: filter_by_tag
-- Own contacts with the tag $2.
SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') FROM (
    SELECT w.contact_id AS id FROM contact_word w WHERE w.entity_id = $1 AND w.word = '#' || $2::text AND w.contact_id > $3::bigint
    ORDER BY w.contact_id LIMIT $4::int) x;

-- name: filter_by_partnership
-- Own contacts of the partnership $2.
SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') FROM (
    SELECT c.id FROM contact c WHERE c.entity_id = $1 AND c.partnership_id = $2 AND c.id > $3::bigint ORDER BY c.id LIMIT $4::int) x;

-- name: filter_by_nothing
-- Own contacts, whoever they are.
SELECT coalesce(array_agg(x.id ORDER BY x.id), '{}') FROM (
    SELECT c.id FROM contact c WHERE c.entity_id = $1 AND NOT c.registered AND c.id > 0 AND c.id > $2::bigint ORDER BY c.id LIMIT $3::int) x;

-- name: filter_by_places
-- Contacts after number $4 with an address in the cells $2 to $3, in no order; of more than $5 not all.
SELECT coalesce(array_agg(x.contact_id), '{}') FROM (
    SELECT a.contact_id FROM unnest($2::bigint[], $3::bigint[]) r (lo, hi) JOIN address a ON a.z BETWEEN r.lo AND r.hi
    WHERE a.entity_id = $1 AND a.z >= 0 AND a.contact_id > $4::bigint LIMIT $5::int) x;

-- name: filter_members
-- Who of the contacts $4 is in group $3, by number.
SELECT c.id, c.key, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.postcode, c.municipality, c.tags,
    c.verified_at, c.search, s.slug AS partnership
FROM filtered_people m JOIN contact c ON c.id = m.contact_id LEFT JOIN partnership s ON s.id = c.partnership_id
WHERE m.group_id = $3 AND m.contact_id = ANY ($4::bigint[]) AND c.entity_id = $1 AND ($2::int[] IS NULL OR c.partnership_id = ANY ($2))
ORDER BY c.id LIMIT $5;

-- name: filter_numbers
-- The numbers of the first $4 of the contacts $3 who are in group $2.
SELECT contact_id FROM filtered_people WHERE group_id = $2 AND contact_id = ANY ($3::bigint[]) AND entity_id = $1
ORDER BY contact_id LIMIT $4;

-- name: filter_count
-- How many of the contacts $3 are in group $2, and how many of them each channel reaches.
SELECT count(*) AS members, count(p.mobile) AS sms, count(coalesce(p.landline, p.mobile)) AS voice, count(p.email) AS email
FROM filtered_people p WHERE p.group_id = $2 AND p.contact_id = ANY ($3::bigint[]) AND p.entity_id = $1;

-- name: filter_count_all
-- The same of all contacts, read once each.
SELECT count(*) AS members, count(p.mobile) AS sms, count(coalesce(p.landline, p.mobile)) AS voice, count(p.email) AS email
FROM filtered_people p WHERE p.group_id = $2 AND p.entity_id = $1;
