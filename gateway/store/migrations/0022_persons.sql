-- Persons with their memberships and mandates; partnerships (PLP/BIN); who must agree before a campaign goes.

CREATE TABLE person (                               -- one human, one identity, in however many entities
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 200),
    email text NOT NULL CHECK (length(email) <= 254 AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    language text NOT NULL DEFAULT 'nl',
    trained_on date,
    trained_until date,
    suspended_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX person_email ON person (lower(email));

CREATE TABLE membership (
    entity_id int NOT NULL REFERENCES entity,
    person_id int NOT NULL REFERENCES person,
    roles text[] NOT NULL DEFAULT '{}'
        CHECK (roles <@ '{admin,approver,observer,viewer,exporter,editor,break-glass}'::text[]),
    wanted text[],                                  -- roles that wait for a second administrator, and who gave them
    wanted_by text,
    suspended_at timestamptz,
    search text COLLATE "C" NOT NULL,               -- the name in lower case: found by how it begins
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entity_id, person_id)
);
CREATE INDEX membership_person ON membership (person_id);
CREATE INDEX membership_search ON membership (entity_id, search, person_id);

CREATE TABLE partnership (                          -- a neighbourhood partnership (PLP/BIN) under an entity
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    slug text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    agreement text NOT NULL DEFAULT 'none' CHECK (agreement IN ('none', 'coordinator', 'police', 'both')),
    UNIQUE (entity_id, slug), UNIQUE (id, entity_id)
);

CREATE TABLE partnership_role (
    partnership_id int NOT NULL,
    entity_id int NOT NULL,
    person_id int NOT NULL,
    role text NOT NULL CHECK (role IN ('coordinator', 'co-coordinator', 'police')),
    PRIMARY KEY (partnership_id, person_id, role),
    FOREIGN KEY (partnership_id, entity_id) REFERENCES partnership (id, entity_id),
    FOREIGN KEY (entity_id, person_id) REFERENCES membership (entity_id, person_id) ON DELETE CASCADE
);

ALTER TABLE contact_group ADD partnership_id int,
    ADD FOREIGN KEY (partnership_id, entity_id) REFERENCES partnership (id, entity_id);

-- A token may be a person's; it is then worth what the person's mandates and roles in its one entity are worth.
ALTER TABLE token ADD person_id int,
    ADD granted_by text NOT NULL DEFAULT 'command',
    ADD confirmed_by text DEFAULT 'operator',       -- NULL: a live token that waits for a second administrator
    ADD FOREIGN KEY (entity_id, person_id) REFERENCES membership (entity_id, person_id) ON DELETE CASCADE,
    ADD CHECK (confirmed_by <> granted_by);

ALTER TABLE mandate DROP CONSTRAINT mandate_pkey,
    ADD id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ALTER token_id DROP NOT NULL,
    ADD person_id int,
    ADD partnership_id int,                         -- NULL: all of the entity; else the groups of this partnership only
    ADD purposes text[] NOT NULL DEFAULT '{emergency,risk,public-interest}'   -- for citizens by place
        CHECK (purposes <@ '{emergency,risk,public-interest}'::text[]),
    ADD granted_by text NOT NULL DEFAULT 'command',
    ADD confirmed_by text DEFAULT 'operator',       -- NULL: has no force until a second administrator confirms it
    ADD CHECK (confirmed_by <> granted_by),
    ADD CHECK ((token_id IS NULL) <> (person_id IS NULL)),
    ADD FOREIGN KEY (partnership_id, entity_id) REFERENCES partnership (id, entity_id),
    ADD FOREIGN KEY (entity_id, person_id) REFERENCES membership (entity_id, person_id) ON DELETE CASCADE,
    ADD UNIQUE NULLS NOT DISTINCT (token_id, person_id, entity_id, partnership_id, message_class, channel);

-- Agreement ---------------------------------------------------------------------------------------------------

ALTER TABLE campaign ADD author text NOT NULL DEFAULT 'gateway',    -- person:7, token:5
    ADD needs text[] NOT NULL DEFAULT '{}',         -- second, coordinator:3, police:3: who must agree
    ADD seal bytea,                                 -- SHA-256 over areas, groups, count, texts and channels at acceptance
    ADD sealed_messages int,
    ADD UNIQUE (id, author);

CREATE TABLE approval (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id int NOT NULL,
    entity_id int NOT NULL REFERENCES entity,
    author text NOT NULL,
    approver text NOT NULL,
    need text NOT NULL,
    seal bytea,                                     -- what the approver saw
    at timestamptz NOT NULL DEFAULT now(),
    void boolean NOT NULL DEFAULT false,            -- what was seen has changed since
    reason text NOT NULL DEFAULT '',                -- for broken glass
    FOREIGN KEY (campaign_id, author) REFERENCES campaign (id, author),
    CHECK (need <> 'second' OR approver <> author)  -- nobody is the second person of an own alert
);
CREATE UNIQUE INDEX approval_once ON approval (campaign_id, need) WHERE NOT void;

CREATE TABLE notice (                               -- what a person has to take note of, and when that was done
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    person_id int NOT NULL REFERENCES person,
    word text NOT NULL,                             -- glass-broken, platform, suspended
    subject text NOT NULL,
    body text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz
);
CREATE INDEX notice_person ON notice (entity_id, person_id, id DESC);

CREATE TABLE invitation (                           -- a link that works once: the person fetches a token of their own
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL,
    person_id int NOT NULL,
    realm text NOT NULL CHECK (realm IN ('live', 'test')),
    digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    granted_by text NOT NULL,
    confirmed_by text,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    FOREIGN KEY (entity_id, person_id) REFERENCES membership (entity_id, person_id) ON DELETE CASCADE
);

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON invitation FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON person FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON membership FOR EACH ROW EXECUTE FUNCTION audit_row('person_id');
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON partnership FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON partnership_role FOR EACH ROW EXECUTE FUNCTION audit_row('person_id');
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON approval FOR EACH ROW EXECUTE FUNCTION audit_row();

GRANT SELECT, INSERT, UPDATE ON person, membership, partnership, approval, notice, invitation TO ${app_role};
GRANT SELECT, INSERT ON partnership_role TO ${app_role};
GRANT DELETE ON membership, partnership_role TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table(t::regclass)
FROM unnest('{membership,partnership,partnership_role,approval,notice,invitation}'::text[]) t;

-- An entity sees the persons who are its members; a membership of another entity is not there.
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON person TO ${app_role} USING (true) WITH CHECK (true);
CREATE POLICY own ON person TO ${tenant_role} USING (EXISTS (SELECT FROM membership m WHERE m.person_id = id));
GRANT SELECT ON person TO ${tenant_role};

-- Who stands behind a credential, with what it may do at this moment: read for every request, mail and relayed alert.
-- A person's token is worth the person's mandates; a machine's token has its own.
CREATE VIEW token_authority AS
SELECT t.id AS token_id, t.digest, t.realm, t.person_id, e.id AS entity_id, e.slug, e.name, e.kind, e.live, e.languages,
    e.territory, e.policy, e.suspended_at IS NOT NULL OR p.suspended_at IS NOT NULL OR m.suspended_at IS NOT NULL AS suspended,
    t.revoked_at IS NOT NULL OR t.confirmed_by IS NULL AS revoked,
    coalesce(t.expires_at <= now(), false) AS expired,
    p.id IS NULL OR coalesce(p.trained_until >= current_date, false) AS trained,
    coalesce(m.roles, '{}') AS roles,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(r.partnership_id, r.role)), '[]') FROM partnership_role r
     WHERE r.person_id = t.person_id AND r.entity_id = t.entity_id) AS partner_roles,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(d.message_class, d.channel, d.partnership_id, d.purposes)), '[]')
     FROM mandate d
     WHERE (d.token_id = t.id OR d.person_id = t.person_id) AND d.entity_id = t.entity_id AND d.confirmed_by IS NOT NULL
       AND d.not_before <= now() AND (d.not_after IS NULL OR d.not_after > now())) AS mandates
FROM token t JOIN entity e ON e.id = t.entity_id
LEFT JOIN person p ON p.id = t.person_id
LEFT JOIN membership m ON m.entity_id = t.entity_id AND m.person_id = t.person_id;
GRANT SELECT ON token_authority TO ${app_role};
CREATE INDEX mandate_person ON mandate (person_id) WHERE person_id IS NOT NULL;

-- Many events of one transaction are linked in one go, by the first of them: the head of the chain is written once.
CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    head audit_head;
    event audit_event;
BEGIN
    IF EXISTS (SELECT FROM audit_link WHERE event_id = NEW.id) THEN RETURN NULL; END IF;
    INSERT INTO audit_head (entity_id) VALUES (NEW.entity_id) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_head WHERE entity_id = NEW.entity_id FOR UPDATE;
    -- what is visible and in no link is of this transaction: everybody else links before committing
    FOR event IN
        SELECT e.* FROM audit_event e WHERE e.entity_id = NEW.entity_id AND e.id >= NEW.id
          AND NOT EXISTS (SELECT FROM audit_link l WHERE l.event_id = e.id) ORDER BY e.id
    LOOP
        head.seq := head.seq + 1;
        head.hash := sha256(head.hash || audit_words(event, head.seq));
        INSERT INTO audit_link VALUES (event.entity_id, head.seq, event.id, head.hash);
    END LOOP;
    UPDATE audit_head SET seq = head.seq, hash = head.hash WHERE entity_id = NEW.entity_id;
    RETURN NULL;
END $$;
