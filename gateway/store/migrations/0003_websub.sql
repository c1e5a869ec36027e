-- The hub: who is told when a public feed changes, and what the public feeds need to be read quickly.
-- Subscribers belong to no entity: they are readers of what is public.

CREATE TABLE websub_feed (                          -- what was last announced of each feed; no row: nothing yet, an empty feed
    name text PRIMARY KEY,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    edition bigint NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE websub_subscription (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL CHECK (length(topic) <= 500),
    feed text NOT NULL,                             -- the name of the feed that the topic shows
    callback text NOT NULL CHECK (length(callback) <= 1000),
    host text NOT NULL,
    secret text NOT NULL DEFAULT '',                -- needed as it is: each delivery is signed with it
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    failures smallint NOT NULL DEFAULT 0,           -- in a row
    wanted bigint NOT NULL DEFAULT 0,               -- the edition of its feed that it is to have
    due_at timestamptz,                             -- NULL: it has what it wants
    leased_until timestamptz,
    epoch int NOT NULL DEFAULT 0,
    UNIQUE (topic, callback)
) WITH (fillfactor = 50);
CREATE INDEX websub_subscription_due ON websub_subscription (failures, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX websub_subscription_feed ON websub_subscription (feed);
CREATE INDEX websub_subscription_host ON websub_subscription (host);

CREATE TABLE websub_request (                       -- a wish whose sender is still to be asked; kept for a while after its end
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mode text NOT NULL CHECK (mode IN ('subscribe', 'unsubscribe')),
    topic text NOT NULL,
    feed text NOT NULL,
    callback text NOT NULL,
    host text NOT NULL,
    secret text NOT NULL DEFAULT '',
    lease_s int NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz DEFAULT now(),               -- NULL: settled, or replaced by a later wish
    leased_until timestamptz,
    epoch int NOT NULL DEFAULT 0,
    settled text CHECK (settled IN ('done', 'refused', 'replaced', 'full'))
) WITH (fillfactor = 50);
CREATE INDEX websub_request_due ON websub_request (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX websub_request_host ON websub_request (host);

CREATE INDEX campaign_public ON campaign (expires_at) WHERE released_at IS NOT NULL;   -- the feeds look twice a second

GRANT SELECT, INSERT, UPDATE, DELETE ON websub_feed, websub_subscription, websub_request TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};
