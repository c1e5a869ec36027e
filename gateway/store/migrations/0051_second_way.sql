-- Signing in with a provider of OpenID Connect and a second way; what was guessed wrongly.

CREATE TABLE identity_link (                            -- by whom a provider knows a person
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id int NOT NULL REFERENCES person,
    provider text NOT NULL,                             -- its name in the configuration
    issuer text NOT NULL,
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    UNIQUE (issuer, subject), UNIQUE (person_id, provider)
);

CREATE TABLE second_way (                               -- time-based codes; the key is sealed with the configuration's secret
    person_id int PRIMARY KEY REFERENCES person,
    sealed bytea NOT NULL,
    last_step bigint NOT NULL,                          -- no code of this step or before works any more
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE recovery_code (                            -- each works once, instead of a time-based code
    person_id int NOT NULL REFERENCES person,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (person_id, digest)
);

CREATE TABLE sign_in_failure (                          -- key: a digest of an account or a network address
    key bytea PRIMARY KEY CHECK (length(key) = 32),
    failures int NOT NULL DEFAULT 0,
    last_at timestamptz NOT NULL DEFAULT now(),
    free_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_failure_last ON sign_in_failure (last_at);

CREATE TRIGGER audit_row AFTER INSERT OR DELETE ON identity_link FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR DELETE ON second_way FOR EACH ROW EXECUTE FUNCTION audit_row('person_id');
CREATE TRIGGER audit_row AFTER INSERT OR DELETE ON recovery_code FOR EACH ROW EXECUTE FUNCTION audit_row('person_id');
GRANT SELECT, INSERT, UPDATE, DELETE ON identity_link, second_way, recovery_code, sign_in_failure TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
