-- Sources: feeds of others that an entity reads, the alerts that came in them, and what was made of these.

CREATE TABLE source (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    entity_id int NOT NULL REFERENCES entity,
    url text NOT NULL CHECK (length(url) <= 2000),
    title text NOT NULL DEFAULT '',                 -- as the feed calls itself
    trusted_at timestamptz,                         -- NULL: its alerts are in quarantine
    paused_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- what the last answers said
    etag text NOT NULL DEFAULT '',
    last_modified text NOT NULL DEFAULT '',
    digest bytea CHECK (length(digest) = 32),       -- of the feed as last read
    interval_s double precision NOT NULL DEFAULT 0, -- 0: not polled yet
    failures int NOT NULL DEFAULT 0,                -- in a row
    problem text NOT NULL DEFAULT '',
    polled_at timestamptz,
    changed_at timestamptz,                         -- something new came
    due_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    -- the subscription with the feed's hub
    hub text NOT NULL DEFAULT '',
    topic text NOT NULL DEFAULT '',
    hub_key text UNIQUE,                            -- the secret part of our callback's address
    hub_secret text NOT NULL DEFAULT '',            -- needed as it is: each delivery is signed with it
    hub_state text NOT NULL DEFAULT 'none' CHECK (hub_state IN ('none', 'asked', 'active', 'denied')),
    hub_asked_at timestamptz,
    hub_until timestamptz,
    UNIQUE (entity_id, url)
) WITH (fillfactor = 50);
CREATE INDEX source_due ON source (due_at) WHERE paused_at IS NULL;

CREATE TABLE source_alert (                         -- every alert that came, with its verdict; never edited
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    source_id int NOT NULL REFERENCES source,
    entity_id int NOT NULL REFERENCES entity,
    received_at timestamptz NOT NULL,
    valid boolean NOT NULL,
    conflict boolean NOT NULL,                      -- another alert of this identity came before, with other content
    sender text, identifier text, sent text,        -- as written; NULL when not readable
    sent_at timestamptz,
    expires_at timestamptz,                         -- of the info that ends last; NULL: one of them says none
    status text, msg_type text, scope text, version text,
    envelope text NOT NULL DEFAULT '',              -- what an EDXL-DE envelope said of it
    headline text NOT NULL DEFAULT '',
    content bytea NOT NULL CHECK (length(content) = 32),  -- digest of what it says, whatever its spelling
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),    -- of the bytes
    raw bytea NOT NULL,
    findings jsonb NOT NULL DEFAULT '[]',
    UNIQUE (source_id, content)
);
CREATE INDEX source_alert_bytes ON source_alert (source_id, sha256);
CREATE INDEX source_alert_identity ON source_alert (source_id, identifier, sender);
CREATE INDEX source_alert_received ON source_alert (source_id, received_at);

CREATE TABLE source_entry (                         -- the entries of a feed that only link to their alert: each is fetched once
    source_id int NOT NULL REFERENCES source,
    key bytea NOT NULL CHECK (length(key) = 32),
    entity_id int NOT NULL REFERENCES entity,
    url text NOT NULL CHECK (length(url) <= 2000),
    state text NOT NULL CHECK (state IN ('waiting', 'fetched', 'known', 'expired', 'gone', 'refused')),
    attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,                   -- when the feed last named it
    PRIMARY KEY (source_id, key)
) WITH (fillfactor = 50);
CREATE INDEX source_entry_due ON source_entry (source_id, due_at) WHERE state = 'waiting';

CREATE TABLE source_receipt (                       -- what each answer brought: one row for an answer that is not "unchanged"
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id int NOT NULL REFERENCES source,
    entity_id int NOT NULL REFERENCES entity,
    at timestamptz NOT NULL,
    via text NOT NULL CHECK (via IN ('feed', 'link', 'push')),
    url text NOT NULL,
    http_status smallint NOT NULL,                  -- 0: no answer
    size_bytes int NOT NULL,
    alerts int NOT NULL DEFAULT 0,                  -- in the answer
    fresh int NOT NULL DEFAULT 0,                   -- of these, not seen before
    problem text NOT NULL DEFAULT ''
);
CREATE INDEX source_receipt_at ON source_receipt (source_id, at);

CREATE TABLE source_draft (                         -- which alerts of the entity's own were made from which of a source
    entity_id int NOT NULL REFERENCES entity,
    source_alert_id bigint NOT NULL REFERENCES source_alert,
    sender text NOT NULL,
    identifier text NOT NULL,
    sent_at timestamptz NOT NULL,
    token_id int REFERENCES token,
    PRIMARY KEY (entity_id, sender, identifier)
);
CREATE INDEX source_draft_alert ON source_draft (source_alert_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON source, source_entry TO ${app_role};
GRANT SELECT, INSERT ON source_alert, source_draft TO ${app_role};
GRANT SELECT, INSERT, DELETE ON source_receipt TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};
