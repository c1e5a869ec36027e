-- The foundation: who alerts, who is alerted, what was accepted, what is sent.
-- Every tenant table carries entity_id; the application is the role ${app_role}, never the owner.
-- Coded to the feature floor of PostgreSQL 15.

-- Who alerts -----------------------------------------------------------------------------------------------

CREATE TABLE entity (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('national', 'type1', 'type2')),
    parent_id int REFERENCES entity,
    live boolean NOT NULL DEFAULT false,            -- convention, contacts and accounts are there
    suspended_at timestamptz,
    languages text[] NOT NULL DEFAULT '{nl,fr,de,en}',
    territory jsonb NOT NULL DEFAULT '[]',          -- rings of [lon, lat] pairs; a target must lie in one of them
    policy jsonb NOT NULL DEFAULT '{}',             -- channels by class, approval, what a partly foreign area means
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE token (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    realm text NOT NULL CHECK (realm IN ('live', 'test')),
    digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),   -- sha256 of 256 random bits; the token itself is never stored
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
) WITH (fillfactor = 50);

CREATE TABLE mandate (
    entity_id int NOT NULL REFERENCES entity,
    token_id int NOT NULL REFERENCES token,
    message_class text NOT NULL CHECK (message_class IN ('urgent', 'prevention', 'news', 'other')),
    channel text NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
    not_before timestamptz NOT NULL DEFAULT now(),
    not_after timestamptz,
    PRIMARY KEY (token_id, message_class, channel)
);

-- Who is alerted -------------------------------------------------------------------------------------------
-- Registered citizens belong to the entity 'platform': an entity targets and counts them, and never lists them.

CREATE TABLE contact (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    registered boolean NOT NULL DEFAULT false,
    name text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT 'nl',
    mobile text CHECK (mobile ~ '^\+[1-9][0-9]{3,14}$'),
    landline text CHECK (landline ~ '^\+[1-9][0-9]{3,14}$'),
    email text CHECK (length(email) <= 254 AND email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    opt_out smallint NOT NULL DEFAULT 0 CHECK (opt_out & 1 = 0),  -- bits: 2 prevention, 4 news, 8 other; never urgent (1)
    consent_at timestamptz,
    consent_source text,
    verified_at timestamptz,
    key text,                                       -- the owner's own key, for imports that update
    UNIQUE (entity_id, key),
    CHECK (NOT registered OR consent_at IS NOT NULL)
);

CREATE TABLE address (
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    slot smallint NOT NULL DEFAULT 1 CHECK (slot BETWEEN 1 AND 5),
    entity_id int NOT NULL REFERENCES entity,
    label text NOT NULL DEFAULT '',
    lon double precision NOT NULL CHECK (lon >= -180 AND lon < 180),
    lat double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    z bigint NOT NULL,                              -- Morton code of (lon, lat), 26 bits an axis: gateway.cap.area.morton
    PRIMARY KEY (contact_id, slot)
);
CREATE INDEX address_z ON address (z);

CREATE TABLE contact_group (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    slug text NOT NULL CHECK (slug <> '' AND length(slug) <= 100),
    name text NOT NULL,
    exercises boolean NOT NULL DEFAULT false,       -- members may get an Exercise on live transports
    UNIQUE (entity_id, slug)
);

CREATE TABLE group_member (
    group_id int NOT NULL REFERENCES contact_group ON DELETE CASCADE,
    contact_id bigint NOT NULL REFERENCES contact ON DELETE CASCADE,
    entity_id int NOT NULL REFERENCES entity,
    PRIMARY KEY (group_id, contact_id)
);

CREATE TABLE geocode (                              -- scheme and value -> rings; shared reference data, no tenant
    scheme text NOT NULL,
    value text NOT NULL,
    rings jsonb NOT NULL,
    PRIMARY KEY (scheme, value)
);

-- What was received ----------------------------------------------------------------------------------------

CREATE TABLE alert (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    entity_id int NOT NULL REFERENCES entity,
    realm text NOT NULL CHECK (realm IN ('live', 'test')),
    source text NOT NULL,                           -- token:<id>, mailbox, feed, console
    token_id int REFERENCES token,
    accepted boolean NOT NULL,
    sender text, identifier text, sent text,        -- as written; NULL when not readable
    sent_at timestamptz,
    status text, msg_type text, scope text, version text,
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    raw bytea NOT NULL,                             -- the bytes as received, never edited
    findings jsonb NOT NULL DEFAULT '[]',
    http_status smallint NOT NULL,
    answer jsonb NOT NULL,                          -- what the first post was told
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX alert_identity ON alert (realm, entity_id, sender, identifier) WHERE accepted;
CREATE INDEX alert_identifier ON alert (identifier) WHERE accepted;
CREATE INDEX alert_received ON alert (entity_id, received_at DESC);

CREATE TABLE alert_reference (
    alert_id bigint NOT NULL REFERENCES alert,
    entity_id int NOT NULL REFERENCES entity,
    sender text NOT NULL, identifier text NOT NULL, sent text NOT NULL,
    PRIMARY KEY (alert_id, sender, identifier, sent)
);
CREATE INDEX alert_reference_target ON alert_reference (identifier, sender);

-- What is sent ---------------------------------------------------------------------------------------------

CREATE TABLE campaign (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    entity_id int NOT NULL REFERENCES entity,
    alert_id bigint NOT NULL UNIQUE REFERENCES alert,
    mode text NOT NULL CHECK (mode IN ('live', 'exercise', 'test')),
    message_class text NOT NULL CHECK (message_class IN ('urgent', 'prevention', 'news', 'other')),
    purpose text CHECK (purpose IN ('emergency', 'risk', 'public-interest')),
    channels text[] NOT NULL,
    priority smallint NOT NULL,                     -- 0 leaves first
    state text NOT NULL CHECK (state IN ('held', 'planned', 'sending', 'paused', 'closing', 'closed')),
    closure text CHECK (closure IN ('complete', 'stopped', 'expired')),
    plan jsonb NOT NULL,                            -- the grant: groups, areas, earlier campaigns to tell
    plan_cursor int NOT NULL DEFAULT 0,             -- steps already fanned out
    next_seq int NOT NULL DEFAULT 1,
    planned boolean NOT NULL DEFAULT false,         -- the fan-out is complete
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    approved_by int REFERENCES token,
    released_at timestamptz,                        -- since when the public feed may show it
    first_submit_at timestamptz,
    last_submit_at timestamptz,
    closed_at timestamptz,
    CHECK (closure IS NULL OR state IN ('closing', 'closed'))
) WITH (fillfactor = 50);
CREATE INDEX campaign_open ON campaign (id) WHERE state <> 'closed';

CREATE TABLE campaign_event (                       -- every change of a campaign's state: ids and words, no personal datum
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id int NOT NULL REFERENCES campaign,
    entity_id int NOT NULL REFERENCES entity,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event text NOT NULL,
    state text NOT NULL,
    actor text NOT NULL DEFAULT 'gateway'
);
CREATE INDEX campaign_event_campaign ON campaign_event (campaign_id, id);

CREATE TABLE text (
    campaign_id int NOT NULL REFERENCES campaign,
    key smallint NOT NULL,
    entity_id int NOT NULL REFERENCES entity,
    channel smallint NOT NULL,
    language text NOT NULL,
    body text NOT NULL,
    subject text NOT NULL DEFAULT '',
    html text NOT NULL DEFAULT '',
    parts smallint NOT NULL DEFAULT 1,
    PRIMARY KEY (campaign_id, key)
);

CREATE TABLE delivery (
    campaign_id int NOT NULL,
    seq int NOT NULL,                               -- 1..n in a campaign, contiguous inside a chunk
    entity_id int NOT NULL,
    contact_id bigint NOT NULL,
    channel smallint NOT NULL,                      -- 1 sms, 2 voice, 3 email
    transport smallint NOT NULL,                    -- 0 simulated, 1 live
    state smallint NOT NULL DEFAULT 0,              -- gateway.model.DeliveryState
    attempt smallint NOT NULL DEFAULT 0,
    flags smallint NOT NULL DEFAULT 0,              -- 1 possible duplicate, 2 confirmed by the person, 4 settled without receipt
    text_key smallint NOT NULL,
    parts_got int NOT NULL DEFAULT 0,               -- bit per SMS part whose receipt said delivered
    code int,
    submitted_at timestamptz,
    done_at timestamptz,
    detail text,
    address text NOT NULL,
    PRIMARY KEY (campaign_id, seq)
) PARTITION BY RANGE (campaign_id);
CREATE UNIQUE INDEX delivery_endpoint ON delivery (campaign_id, channel, address);  -- one message per channel and endpoint

CREATE TABLE chunk (
    campaign_id int NOT NULL,
    lo int NOT NULL,                                -- first seq; negative: a retry chunk, its rows are in seqs
    hi int NOT NULL,
    entity_id int NOT NULL,
    channel smallint NOT NULL,
    transport smallint NOT NULL,
    exercise_group boolean NOT NULL DEFAULT false,
    state smallint NOT NULL DEFAULT 0,              -- 0 ready, 1 leased, 2 done, 8 to expire, 9 to cancel
    node int,
    epoch int NOT NULL DEFAULT 0,
    lease_until timestamptz,
    marked_to int NOT NULL DEFAULT 0,               -- high-water mark: rows at or below may have left (range chunks)
    seqs int[],
    PRIMARY KEY (campaign_id, lo)
) WITH (fillfactor = 50);
CREATE SEQUENCE retry_chunk;

CREATE TABLE retry (
    campaign_id int NOT NULL,
    seq int NOT NULL,
    entity_id int NOT NULL,
    channel smallint NOT NULL,
    transport smallint NOT NULL,
    not_before timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, seq)
);

CREATE TABLE progress (                             -- live counts: signed changes per shard, their sum is the truth
    campaign_id int NOT NULL,
    channel smallint NOT NULL,
    shard smallint NOT NULL,
    entity_id int NOT NULL,
    planned bigint NOT NULL DEFAULT 0,
    queued bigint NOT NULL DEFAULT 0,
    in_flight bigint NOT NULL DEFAULT 0,
    retry_wait bigint NOT NULL DEFAULT 0,
    submitted bigint NOT NULL DEFAULT 0,
    delivered bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    unknown bigint NOT NULL DEFAULT 0,
    awaiting bigint NOT NULL DEFAULT 0,             -- of submitted: a receipt is still expected
    PRIMARY KEY (campaign_id, channel, shard)
) WITH (fillfactor = 10);

CREATE TABLE milestone (                            -- when a share of the planned deliveries had left
    campaign_id int NOT NULL,
    channel smallint NOT NULL,
    percent smallint NOT NULL,
    entity_id int NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, channel, percent)
);

CREATE TABLE report (
    campaign_id int PRIMARY KEY REFERENCES campaign,
    entity_id int NOT NULL REFERENCES entity,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Providers, receipts, rates, nodes ------------------------------------------------------------------------

CREATE TABLE provider (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE msgref (                               -- provider message id -> delivery; insert-only
    provider smallint NOT NULL,
    mask int NOT NULL,                              -- bit of this SMS part
    campaign_id int NOT NULL,
    seq int NOT NULL,
    parts smallint NOT NULL,
    msg_id text NOT NULL
);
CREATE INDEX msgref_id ON msgref (msg_id, provider);

CREATE TABLE receipt_orphan (                       -- a receipt whose submission is not recorded (yet)
    provider smallint NOT NULL,
    kind smallint NOT NULL,
    code int NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    msg_id text NOT NULL
);

CREATE TABLE rate_gate (                            -- start slots reserved across nodes; starts holds the sliding log
    name text PRIMARY KEY,
    period interval NOT NULL,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    starts timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 10);

CREATE TABLE node (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Partitions of delivery: 50 campaigns each, made by the owner's function so that the application needs no DDL right

CREATE FUNCTION ensure_delivery_partition(campaign int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    low int := campaign / 50 * 50;
    name text := format('delivery_%s', low);
BEGIN
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(7230001);
    -- asked of the catalogue itself: the cache may remember from before the lock that there was none
    IF EXISTS (SELECT FROM pg_class c WHERE c.relname = name AND c.relnamespace = 'public'::regnamespace) THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE delivery INCLUDING DEFAULTS INCLUDING CONSTRAINTS) '
                   'WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.2)', name);
    EXECUTE format('ALTER TABLE delivery ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, low, low + 50);
END $$;

-- Plans made on an empty partition scan the whole campaign; statistics taken inside the first slice's transaction cure that.
CREATE FUNCTION analyze_campaign(campaign int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    EXECUTE format('ANALYZE delivery_%s', campaign / 50 * 50);
    ANALYZE chunk;
END $$;

INSERT INTO entity (slug, name, kind, live) VALUES ('platform', 'Platform', 'national', true);

GRANT USAGE ON SCHEMA public TO ${app_role};
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ${app_role};
REVOKE UPDATE ON alert, alert_reference, campaign_event, report, msgref FROM ${app_role};   -- what was said stays said
GRANT DELETE ON contact, address, contact_group, group_member, mandate, retry, receipt_orphan, geocode TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};
REVOKE ALL ON FUNCTION ensure_delivery_partition(int), analyze_campaign(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_delivery_partition(int), analyze_campaign(int) TO ${app_role};
