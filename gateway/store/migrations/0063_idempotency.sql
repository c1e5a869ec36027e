-- Requests that a client may send again: what was asked under a key, and the answer it got, for a day.

CREATE TABLE idempotency (
    entity_id int NOT NULL REFERENCES entity,
    credential bytea NOT NULL CHECK (length(credential) = 32),  -- SHA-256 of the token or session that asked
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    asked bytea NOT NULL CHECK (length(asked) = 32),    -- SHA-256 over method, address, type and body
    at timestamptz NOT NULL DEFAULT now(),
    status smallint,                                    -- NULL: it is being done
    sealed bytea,                                       -- headers and body under a key that only the token's holder has
    PRIMARY KEY (credential, entity_id, name)
);
CREATE INDEX idempotency_at ON idempotency (at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO ${app_role};
SELECT protect_tenant_table('idempotency');
