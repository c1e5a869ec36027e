-- Groups that a filter fills, and contacts found by any word of their name, their number or their address.

CREATE TABLE group_filter (                         -- whom a group holds when nobody puts people in by hand
    group_id int PRIMARY KEY,
    entity_id int NOT NULL,
    languages text[] NOT NULL DEFAULT '{}',         -- an empty list asks for nothing
    postcodes text[] NOT NULL DEFAULT '{}',
    municipalities text[] NOT NULL DEFAULT '{}',    -- in lower case
    tags text[] NOT NULL DEFAULT '{}',              -- all of them
    channels text[] NOT NULL DEFAULT '{}' CHECK (channels <@ '{sms,voice,email}'),     -- reached by one of them
    rings jsonb NOT NULL DEFAULT '[]',              -- an address in one of these outlines of [lon, lat] pairs
    outlines polygon[] NOT NULL DEFAULT '{}',       -- the same, in units of 1e-7 degree
    FOREIGN KEY (group_id, entity_id) REFERENCES contact_group (id, entity_id) ON DELETE CASCADE
);
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON group_filter FOR EACH ROW EXECUTE FUNCTION audit_row('group_id');
GRANT SELECT, INSERT, UPDATE, DELETE ON group_filter TO ${app_role};
SELECT protect_tenant_table('group_filter');

-- Who is in a group at this moment, whichever kind it is; a partnership's group holds that partnership's people only.
CREATE VIEW group_people WITH (security_invoker = true) AS
SELECT m.group_id, m.contact_id, m.entity_id FROM group_member m
UNION ALL
SELECT f.group_id, c.id, c.entity_id
FROM group_filter f JOIN contact_group g ON g.id = f.group_id
JOIN contact c ON c.entity_id = f.entity_id AND NOT c.registered
WHERE (g.partnership_id IS NULL OR c.partnership_id = g.partnership_id)
  AND (f.languages = '{}' OR c.language = ANY (f.languages))
  AND (f.postcodes = '{}' OR c.postcode = ANY (f.postcodes))
  AND (f.municipalities = '{}' OR lower(c.municipality) = ANY (f.municipalities))
  AND c.tags @> f.tags
  AND (f.channels = '{}' OR 'sms' = ANY (f.channels) AND c.mobile IS NOT NULL
      OR 'voice' = ANY (f.channels) AND coalesce(c.landline, c.mobile) IS NOT NULL
      OR 'email' = ANY (f.channels) AND c.email IS NOT NULL)
  AND (cardinality(f.outlines) = 0 OR EXISTS (SELECT FROM address a CROSS JOIN unnest(f.outlines) AS o (outline)
      WHERE a.contact_id = c.id AND point(a.lon * 1e7, a.lat * 1e7) <@ o.outline));
GRANT SELECT ON group_people TO ${app_role}, ${tenant_role};

-- Words ---------------------------------------------------------------------------------------------------------

-- By what a contact is found: words of the name without accents, the numbers, the address, its domain.
CREATE FUNCTION contact_words(name text, mobile text, landline text, email text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT left(w, 64) COLLATE "C"), '{}')
    FROM unnest(regexp_split_to_array(translate(lower(name), 'áàâäãåéèêëíìîïóòôöõúùûüçñ', 'aaaaaaeeeeiiiiooooouuuucn'),
        '[][\s,;()/"''.-]+') || ARRAY[mobile, landline, lower(email), '@' || split_part(lower(email), '@', 2)]) w
    WHERE w <> ''
$$;

CREATE TABLE contact_word (                         -- own contacts only; kept by the triggers below
    entity_id int NOT NULL,
    word text COLLATE "C" NOT NULL,
    contact_id bigint NOT NULL,
    PRIMARY KEY (entity_id, word, contact_id)
);
GRANT SELECT, INSERT, DELETE ON contact_word TO ${app_role};
SELECT protect_tenant_table('contact_word');

CREATE FUNCTION contact_words_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_word (entity_id, word, contact_id)
    SELECT n.entity_id, w, n.id FROM fresh n, unnest(contact_words(n.name, n.mobile, n.landline, n.email)) w
    WHERE NOT n.registered ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION contact_words_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM contact_word k
    USING (SELECT o.entity_id, w AS word, o.id FROM gone o, unnest(contact_words(o.name, o.mobile, o.landline, o.email)) w
           WHERE NOT o.registered) x
    WHERE k.entity_id = x.entity_id AND k.word = x.word AND k.contact_id = x.id;
    RETURN NULL;
END $$;

CREATE FUNCTION contact_words_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM contact_word k
    USING (SELECT o.entity_id, w AS word, o.id
           FROM gone o JOIN fresh n USING (id), unnest(contact_words(o.name, o.mobile, o.landline, o.email)) w
           WHERE NOT o.registered AND (o.name, o.mobile, o.landline, o.email) IS DISTINCT FROM (n.name, n.mobile, n.landline, n.email)) x
    WHERE k.entity_id = x.entity_id AND k.word = x.word AND k.contact_id = x.id;
    INSERT INTO contact_word (entity_id, word, contact_id)
    SELECT n.entity_id, w, n.id
    FROM gone o JOIN fresh n USING (id), unnest(contact_words(n.name, n.mobile, n.landline, n.email)) w
    WHERE NOT n.registered AND (o.name, o.mobile, o.landline, o.email) IS DISTINCT FROM (n.name, n.mobile, n.landline, n.email)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER contact_words_added AFTER INSERT ON contact
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION contact_words_added();
CREATE TRIGGER contact_words_gone AFTER DELETE ON contact
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION contact_words_gone();
CREATE TRIGGER contact_words_changed AFTER UPDATE ON contact
    REFERENCING OLD TABLE AS gone NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION contact_words_changed();

INSERT INTO contact_word (entity_id, word, contact_id)
SELECT c.entity_id, w, c.id FROM contact c, unnest(contact_words(c.name, c.mobile, c.landline, c.email)) w WHERE NOT c.registered;

CREATE INDEX contact_partnership ON contact (partnership_id, search, id) WHERE partnership_id IS NOT NULL;
