-- Proof: whose word an alert is. What an entity's signatures are worth, which CAP senders it uses, what was found at
-- receipt, and which alert a second one of the same name contradicts.

ALTER TABLE entity
    ADD COLUMN signatures text NOT NULL DEFAULT 'verify' CHECK (signatures IN ('require', 'verify', 'ignore')),
    ADD COLUMN allow_sha1 boolean NOT NULL DEFAULT false,   -- the named exception
    ADD COLUMN cap_answers boolean NOT NULL DEFAULT false,  -- posts are answered with a CAP Ack or Error
    -- words that stand in the addresses of feeds; what is there already stays
    ADD CONSTRAINT entity_slug_is_no_route
        CHECK (slug NOT IN ('alerts', 'exercise', 'feed', 'heartbeat', 'hub', 'incoming', 'validate')) NOT VALID;

CREATE TABLE entity_certificate (                   -- whose signatures count for an entity
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    certifies boolean NOT NULL,                     -- it stands for those that it certified as well
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    der bytea NOT NULL CHECK (length(der) <= 16384),
    subject text NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz
);
CREATE UNIQUE INDEX entity_certificate_once ON entity_certificate (entity_id, fingerprint) WHERE removed_at IS NULL;

CREATE TABLE entity_sender (                        -- none: an entity may use any CAP sender
    id int GENERATED ALWAYS AS IDENTITY,
    entity_id int NOT NULL REFERENCES entity,
    sender text NOT NULL CHECK (sender <> '' AND length(sender) <= 500),
    PRIMARY KEY (entity_id, sender)
);

ALTER TABLE alert
    ADD COLUMN signature text CHECK (signature IN ('none', 'ignored', 'trusted', 'untrusted')),  -- NULL: not readable
    ADD COLUMN signatures jsonb NOT NULL DEFAULT '[]',      -- one verdict for each, with the certificate's fingerprint
    ADD COLUMN conflict_with bigint REFERENCES alert;       -- the accepted alert whose name this one has, with other content
CREATE INDEX alert_conflict ON alert (conflict_with) WHERE conflict_with IS NOT NULL;

GRANT SELECT, INSERT, UPDATE ON entity_certificate TO ${app_role};
GRANT SELECT, INSERT, DELETE ON entity_sender TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};

-- A database that came by another way has its tenants already (0020); in all others they come with these tables.
DO $$
BEGIN
    IF to_regprocedure('protect_tenant_table(regclass, text)') IS NOT NULL THEN
        PERFORM protect_tenant_table('entity_certificate'), protect_tenant_table('entity_sender');
    END IF;
END $$;
