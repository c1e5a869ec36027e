-- Webhooks: systems of an entity that are told when something happens to its campaigns, and what waits to be told.

CREATE TABLE webhook (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    entity_id int NOT NULL REFERENCES entity,
    realm text NOT NULL CHECK (realm IN ('live', 'test')),      -- rehearsals are told to those who rehearse
    url text NOT NULL CHECK (length(url) <= 1000),
    events text[] NOT NULL DEFAULT '{}',                        -- none: all of them
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 200),
    secret text NOT NULL,                                       -- needed as it is: each delivery is signed with it
    old_secret text,                                            -- signed with this one as well, until
    old_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    failures int NOT NULL DEFAULT 0,                            -- in a row
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_why text,
    UNIQUE (id, entity_id)
) WITH (fillfactor = 50);
CREATE INDEX webhook_entity ON webhook (entity_id, id);

CREATE TABLE webhook_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id int NOT NULL,
    entity_id int NOT NULL,
    public_id text NOT NULL DEFAULT 'msg_' || replace(gen_random_uuid()::text, '-', ''),
    type text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    attempts smallint NOT NULL DEFAULT 0,
    due_at timestamptz DEFAULT now(),                           -- NULL: settled
    leased_until timestamptz,
    epoch int NOT NULL DEFAULT 0,
    status smallint,                                            -- what was answered last; 0: nothing
    settled text CHECK (settled IN ('delivered', 'given-up')),
    done_at timestamptz,
    FOREIGN KEY (webhook_id, entity_id) REFERENCES webhook (id, entity_id) ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX webhook_delivery_due ON webhook_delivery (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX webhook_delivery_page ON webhook_delivery (webhook_id, id DESC);
CREATE INDEX webhook_delivery_done ON webhook_delivery (done_at) WHERE done_at IS NOT NULL;

-- What a change of a campaign is called outside; in the transaction of the change, so that none is lost and none invented.
CREATE FUNCTION webhook_tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    types text[] := CASE
        WHEN NEW.event = 'accepted' AND NEW.state = 'held' THEN '{campaign.accepted,campaign.held}'
        WHEN NEW.event = 'accepted' AND NEW.state = 'planned' THEN '{campaign.accepted,campaign.released}'
        WHEN NEW.event = 'accepted' AND NEW.state = 'closed' THEN '{campaign.accepted,campaign.closed}'
        WHEN NEW.event = 'approved' THEN '{campaign.released}'
        WHEN NEW.event = 'broken glass' THEN '{campaign.glass-broken}'
        WHEN NEW.event IN ('accepted', 'agreed', 'paused', 'resumed', 'stopped', 'expired', 'closed', 'contradicted')
        THEN ARRAY['campaign.' || NEW.event]
        ELSE '{}' END::text[];
BEGIN
    INSERT INTO webhook_delivery (webhook_id, entity_id, type, body)
    SELECT w.id, w.entity_id, t.type, jsonb_build_object('type', t.type,
        'timestamp', to_char(NEW.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'data', jsonb_build_object('campaign', c.public_id, 'alert', a.public_id, 'state', NEW.state, 'mode', c.mode,
            'class', c.message_class, 'closure', c.closure))::text
    FROM webhook w JOIN campaign c ON c.id = NEW.campaign_id JOIN alert a ON a.id = c.alert_id, unnest(types) t (type)
    WHERE w.entity_id = NEW.entity_id AND w.realm = a.realm AND w.disabled_at IS NULL
      AND (w.events = '{}' OR t.type = ANY (w.events));
    IF FOUND THEN PERFORM pg_notify('gateway', 'webhook'); END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION webhook_tell() FROM PUBLIC;
CREATE TRIGGER webhook_tell AFTER INSERT ON campaign_event FOR EACH ROW EXECUTE FUNCTION webhook_tell();

CREATE TRIGGER audit_row AFTER DELETE OR INSERT OR UPDATE OF url, events, secret, disabled_at ON webhook
    FOR EACH ROW EXECUTE FUNCTION audit_row('public_id');

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook, webhook_delivery TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table('webhook'), protect_tenant_table('webhook_delivery');
