-- Citizens who register themselves: what waits until somebody has proven that a number or address is theirs, the
-- self-service that such a proof opens, and how often anybody may ask. A citizen is a contact of the entity 'platform';
-- nothing here belongs to a tenant, and no tenant can read it.

-- Whose number or address it is; the proof that was made last decides.
CREATE INDEX contact_citizen_mobile ON contact (mobile) WHERE registered AND mobile IS NOT NULL;
CREATE INDEX contact_citizen_email ON contact (lower(email)) WHERE registered AND email IS NOT NULL;

-- Members of a partnership are entered by its coordinators, never by themselves.
ALTER TABLE contact ADD CONSTRAINT citizens_are_of_no_partnership CHECK (NOT registered OR partnership_id IS NULL);

CREATE TABLE citizen_wish (                         -- what somebody would like to register; gone when it runs out
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    data jsonb NOT NULL,                            -- name, language, opt_out, places
    contact_id bigint REFERENCES contact ON DELETE CASCADE,     -- once one of its endpoints is proven
    expires_at timestamptz NOT NULL
);
CREATE INDEX citizen_wish_contact ON citizen_wish (contact_id) WHERE contact_id IS NOT NULL;

CREATE TABLE citizen_proof (                        -- a code or link on its way to a number or address, and back
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handle text NOT NULL UNIQUE,                    -- how the asker names it
    channel smallint NOT NULL CHECK (channel IN (1, 3)),
    endpoint text NOT NULL,
    language text NOT NULL,
    -- what it does when it comes back: fulfil a wish, add the endpoint to a citizen, or (neither) open the self-service
    wish_id bigint REFERENCES citizen_wish ON DELETE CASCADE,
    contact_id bigint REFERENCES contact ON DELETE CASCADE,
    nonce bytea NOT NULL,                           -- the code is made of it and of a secret that is not in the database
    digest bytea NOT NULL CHECK (length(digest) = 32),
    tries smallint NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz DEFAULT now(),               -- NULL: sent, or not to be sent
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CHECK (wish_id IS NULL OR contact_id IS NULL)
) WITH (fillfactor = 50);
CREATE INDEX citizen_proof_due ON citizen_proof (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX citizen_proof_expires ON citizen_proof (expires_at);
CREATE INDEX citizen_proof_contact ON citizen_proof (contact_id) WHERE contact_id IS NOT NULL;
CREATE INDEX citizen_proof_wish ON citizen_proof (wish_id) WHERE wish_id IS NOT NULL;

CREATE TABLE citizen_session (                      -- the self-service, open for a while
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX citizen_session_contact ON citizen_session (contact_id);

CREATE TABLE citizen_rate (                         -- how often somebody asked; the name is a keyed hash
    name bytea PRIMARY KEY,
    next_at timestamptz NOT NULL                    -- when everything asked so far would be paid off (GCRA)
) WITH (fillfactor = 50);
CREATE INDEX citizen_rate_next ON citizen_rate (next_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON citizen_wish, citizen_proof, citizen_session, citizen_rate TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};
