-- Who is in a filtered group is found by an index for whatever the filter asks. Row security lets an index answer only what
-- it calls leakproof: equality is, lower() and @> are not; so the municipality stands in lower case, and a tag is a word.

ALTER TABLE contact ADD town text GENERATED ALWAYS AS (lower(municipality)) STORED;

-- `id > 0` and `z >= 0` are always so, and said by the statements that are meant and by no others: of an entity that is new
-- the planner expects so little that every index which begins with the entity looks as good to it as the right one.
CREATE INDEX contact_own ON contact (entity_id, id) WHERE NOT registered AND id > 0;
CREATE INDEX contact_language ON contact (entity_id, language, id) WHERE NOT registered AND id > 0;
CREATE INDEX contact_postcode ON contact (entity_id, postcode, id) WHERE NOT registered AND id > 0;
CREATE INDEX contact_town ON contact (entity_id, town, id) WHERE NOT registered AND id > 0;
CREATE INDEX address_own ON address (entity_id, z) WHERE z >= 0;

-- Whether a contact is as a filter asks, but for its addresses.
CREATE FUNCTION contact_fits(c contact, f group_filter) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (f.languages = '{}' OR c.language = ANY (f.languages))
      AND (f.postcodes = '{}' OR c.postcode = ANY (f.postcodes))
      AND (f.municipalities = '{}' OR c.town = ANY (f.municipalities))
      AND c.tags @> f.tags
      AND (f.channels = '{}' OR 'sms' = ANY (f.channels) AND c.mobile IS NOT NULL
          OR 'voice' = ANY (f.channels) AND coalesce(c.landline, c.mobile) IS NOT NULL
          OR 'email' = ANY (f.channels) AND c.email IS NOT NULL)
$$;

CREATE OR REPLACE VIEW group_people WITH (security_invoker = true) AS
SELECT m.group_id, m.contact_id, m.entity_id FROM group_member m
UNION ALL
SELECT f.group_id, c.id, c.entity_id
FROM group_filter f JOIN contact_group g ON g.id = f.group_id
JOIN contact c ON c.entity_id = f.entity_id AND NOT c.registered
WHERE (g.partnership_id IS NULL OR c.partnership_id = g.partnership_id) AND contact_fits(c, f)
  AND (cardinality(f.outlines) = 0 OR EXISTS (SELECT FROM address a CROSS JOIN unnest(f.outlines) AS o (outline)
      WHERE a.contact_id = c.id AND point(a.lon * 1e7, a.lat * 1e7) <@ o.outline));

-- Words ---------------------------------------------------------------------------------------------------------

-- By what a contact is found: words of the name without accents, the numbers, the address, its domain, #tag for each tag.
-- One word may come twice. Where it stands in FROM it becomes part of the statement, which costs half of a call for each row.
DROP FUNCTION contact_words(text, text, text, text);
CREATE FUNCTION contact_words(name text, mobile text, landline text, email text, tags text[]) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(w, 64) COLLATE "C"
    FROM unnest(regexp_split_to_array(translate(lower(name), 'áàâäãåéèêëíìîïóòôöõúùûüçñ', 'aaaaaaeeeeiiiiooooouuuucn'),
        '[][\s,;()/"''.-]+') || ARRAY[mobile, landline, lower(email), '@' || split_part(lower(email), '@', 2)]
        || CASE WHEN tags = '{}' THEN '{}' ELSE ARRAY(SELECT '#' || t FROM unnest(tags) t) END) w
    WHERE w <> ''
$$;

-- EXECUTE: a plan for as many rows as there are, not for those of the first statement of the session. LATERAL: each word is
-- looked up by itself, as nobody has counted yet what an import brought.
CREATE OR REPLACE FUNCTION contact_words_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_word (entity_id, word, contact_id)
    SELECT n.entity_id, w, n.id FROM fresh n, contact_words(n.name, n.mobile, n.landline, n.email, n.tags) w
    WHERE NOT n.registered ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION contact_words_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $do$
    DELETE FROM contact_word WHERE ctid = ANY (ARRAY(
        SELECT k.at FROM gone o, contact_words(o.name, o.mobile, o.landline, o.email, o.tags) w, LATERAL (
            SELECT k.ctid AS at FROM contact_word k WHERE k.entity_id = o.entity_id AND k.word = w AND k.contact_id = o.id LIMIT 1) k
        WHERE NOT o.registered)) $do$;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION contact_words_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $do$
    WITH x AS MATERIALIZED (
        SELECT n.entity_id, n.id, ARRAY(SELECT contact_words(o.name, o.mobile, o.landline, o.email, o.tags)) AS before,
            ARRAY(SELECT contact_words(n.name, n.mobile, n.landline, n.email, n.tags)) AS after
        FROM gone o JOIN fresh n USING (id)
        WHERE NOT n.registered
          AND (o.name, o.mobile, o.landline, o.email, o.tags) IS DISTINCT FROM (n.name, n.mobile, n.landline, n.email, n.tags)),
    took AS (
        DELETE FROM contact_word WHERE ctid = ANY (ARRAY(
            SELECT k.at FROM x, unnest(x.before) w, LATERAL (
                SELECT k.ctid AS at FROM contact_word k WHERE k.entity_id = x.entity_id AND k.word = w AND k.contact_id = x.id LIMIT 1) k
            WHERE w <> ALL (x.after))))
    INSERT INTO contact_word (entity_id, word, contact_id)
    SELECT x.entity_id, w, x.id FROM x, unnest(x.after) w WHERE w <> ALL (x.before) ON CONFLICT DO NOTHING $do$;
    RETURN NULL;
END $$;

INSERT INTO contact_word (entity_id, word, contact_id)
SELECT c.entity_id, '#' || t, c.id FROM contact c, unnest(c.tags) t WHERE NOT c.registered ON CONFLICT DO NOTHING;
