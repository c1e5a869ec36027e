-- Persons sign in: sessions on the server, passkeys, ceremonies that are under way, and what an invitation opens.

-- One identity, many memberships: an entity opens its own membership for sign-in, by an invitation of its own.
ALTER TABLE membership ADD accepted_at timestamptz,     -- NULL: no session acts for this entity
    ADD live_at timestamptz;                            -- NULL: a session acts in the test world only
ALTER TABLE invitation ADD anew boolean NOT NULL DEFAULT false;     -- all ways to sign in begin anew: who lost them

CREATE TABLE person_session (                           -- what a cookie opens; only the cookie's digest is kept
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    person_id int NOT NULL REFERENCES person,
    digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    state text NOT NULL CHECK (state IN ('open', 'second', 'enrolling')),   -- second: waits for the second way
    way text NOT NULL,                                  -- invitation, passkey, oidc:NAME
    entity_id int,                                      -- for whom it acts, in which world; NULL: not chosen yet
    realm text CHECK (realm IN ('live', 'test')),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    idle interval NOT NULL,
    ends_at timestamptz NOT NULL,
    ended_at timestamptz,
    FOREIGN KEY (entity_id, person_id) REFERENCES membership (entity_id, person_id) ON DELETE CASCADE,
    CHECK ((entity_id IS NULL) = (realm IS NULL))
);
CREATE INDEX person_session_person ON person_session (person_id, id DESC);
CREATE INDEX person_session_entity ON person_session (entity_id, person_id) WHERE entity_id IS NOT NULL;
CREATE INDEX person_session_end ON person_session (ends_at);

CREATE TABLE passkey (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id int NOT NULL REFERENCES person,
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key bytea NOT NULL,                          -- COSE
    sign_count bigint NOT NULL,
    name text NOT NULL CHECK (length(name) <= 100),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz
);
CREATE INDEX passkey_person ON passkey (person_id);

CREATE TABLE ceremony (                                 -- begun, and used up by its end; the browser holds what hashes to digest
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    kind text NOT NULL,                                 -- register, sign-in, oidc:NAME
    person_id int REFERENCES person,                    -- who is signed in already
    challenge bytea NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    ends_at timestamptz NOT NULL
);
CREATE INDEX ceremony_end ON ceremony (ends_at);

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON person_session FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR DELETE ON passkey FOR EACH ROW EXECUTE FUNCTION audit_row();
GRANT SELECT, INSERT, UPDATE, DELETE ON person_session TO ${app_role};
GRANT SELECT, INSERT, UPDATE, DELETE ON passkey, ceremony TO ${app_role};
SELECT protect_tenant_table('person_session');          -- an entity sees the sessions that act for it
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};

-- What opens /v1: a token for its entity and world, a session for each membership and world that it may choose.
CREATE VIEW credential AS
SELECT t.id AS token_id, t.digest, t.realm, t.person_id, t.entity_id,
    t.revoked_at IS NOT NULL OR t.confirmed_by IS NULL AS revoked, coalesce(t.expires_at <= now(), false) AS expired
FROM token t
UNION ALL
SELECT NULL::int, s.digest, r.realm, s.person_id, m.entity_id, s.ended_at IS NOT NULL,
    s.ends_at <= now() OR s.last_used_at + s.idle <= now()
FROM person_session s JOIN membership m ON m.person_id = s.person_id AND m.accepted_at IS NOT NULL
JOIN (VALUES ('test'), ('live')) AS r (realm) ON r.realm = 'test' OR m.live_at IS NOT NULL
WHERE s.state = 'open';

CREATE OR REPLACE VIEW token_authority AS
SELECT t.token_id, t.digest, t.realm, t.person_id, e.id AS entity_id, e.slug, e.name, e.kind, e.live, e.languages,
    e.territory, e.policy, e.suspended_at IS NOT NULL OR p.suspended_at IS NOT NULL OR m.suspended_at IS NOT NULL AS suspended,
    t.revoked, t.expired,
    p.id IS NULL OR coalesce(p.trained_until >= current_date, false) AS trained,
    coalesce(m.roles, '{}') AS roles,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(r.partnership_id, r.role)), '[]') FROM partnership_role r
     WHERE r.person_id = t.person_id AND r.entity_id = t.entity_id) AS partner_roles,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(d.message_class, d.channel, d.partnership_id, d.purposes)), '[]')
     FROM mandate d
     WHERE (d.token_id = t.token_id OR d.person_id = t.person_id) AND d.entity_id = t.entity_id AND d.confirmed_by IS NOT NULL
       AND d.not_before <= now() AND (d.not_after IS NULL OR d.not_after > now())) AS mandates
FROM credential t JOIN entity e ON e.id = t.entity_id
LEFT JOIN person p ON p.id = t.person_id
LEFT JOIN membership m ON m.entity_id = t.entity_id AND m.person_id = t.person_id;
