-- The record of who did what when: append-only, ids and words and counts, never a personal datum, so that erasing people
-- never breaks it. One hash chain for each entity; what belongs to none is in the chain of the entity 'platform'.

CREATE TABLE audit_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT coalesce(nullif(current_setting('gateway.actor', true), ''), 'gateway'),
    act text NOT NULL,                              -- what.how: campaign.approved, token.insert
    subject text NOT NULL,                          -- what:id
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_event_page ON audit_event (entity_id, id DESC);

CREATE TABLE audit_link (                           -- hash = sha256(hash of the link before || the event in words)
    entity_id int NOT NULL REFERENCES entity,
    seq bigint NOT NULL,
    event_id bigint NOT NULL UNIQUE REFERENCES audit_event,
    hash bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (entity_id, seq)
);

CREATE TABLE audit_head (                           -- the end of each chain; its row is the lock of the chain
    entity_id int PRIMARY KEY REFERENCES entity,
    seq bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT sha256('')
) WITH (fillfactor = 50);

-- An event in words, as it is hashed; gateway.policy.chain says the same in Python.
CREATE FUNCTION audit_words(e audit_event, seq bigint) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT convert_to(concat_ws(E'\n', e.entity_id, seq, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        e.actor, e.act, e.subject, e.detail::text), 'UTF8')
$$;

-- Linked when the transaction commits: the chain is locked last, and for the time of a commit only.
CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    head audit_head;
BEGIN
    INSERT INTO audit_head (entity_id) VALUES (NEW.entity_id) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_head WHERE entity_id = NEW.entity_id FOR UPDATE;
    head.seq := head.seq + 1;
    head.hash := sha256(head.hash || audit_words(NEW, head.seq));
    INSERT INTO audit_link VALUES (NEW.entity_id, head.seq, NEW.id, head.hash);
    UPDATE audit_head SET seq = head.seq, hash = head.hash WHERE entity_id = NEW.entity_id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_chain AFTER INSERT ON audit_event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_chain();

-- Every change of a campaign's state is an event of the record, whoever made it.
CREATE FUNCTION audit_campaign() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    INSERT INTO audit_event (entity_id, at, actor, act, subject, detail)
    SELECT NEW.entity_id, NEW.at, NEW.actor, 'campaign.' || NEW.event, 'campaign:' || c.public_id,
        jsonb_build_object('state', NEW.state)
    FROM campaign c WHERE c.id = NEW.campaign_id;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_campaign AFTER INSERT ON campaign_event FOR EACH ROW EXECUTE FUNCTION audit_campaign();

-- Every change of who may do what is one as well: the columns that changed by name, values never.
CREATE FUNCTION audit_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    whole jsonb := old_row || new_row;
    changed text[];
BEGIN
    SELECT array_agg(k ORDER BY k) INTO changed FROM jsonb_object_keys(whole) k
    WHERE k <> 'last_used_at' AND old_row -> k IS DISTINCT FROM new_row -> k;
    IF changed IS NULL THEN RETURN NULL; END IF;
    INSERT INTO audit_event (entity_id, act, subject, detail)
    VALUES (coalesce((whole ->> 'entity_id')::int, CASE WHEN TG_TABLE_NAME = 'entity' THEN (whole ->> 'id')::int END,
            (SELECT e.id FROM entity e WHERE e.slug = 'platform')),
        TG_TABLE_NAME || '.' || lower(TG_OP), TG_TABLE_NAME || ':' || coalesce(whole ->> 'id', whole ->> TG_ARGV[0], '-'),
        CASE TG_OP WHEN 'UPDATE' THEN jsonb_build_object('changed', changed) ELSE '{}' END);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON entity FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON token FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON mandate FOR EACH ROW EXECUTE FUNCTION audit_row('token_id');
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE OR DELETE ON contact_group FOR EACH ROW EXECUTE FUNCTION audit_row();

REVOKE ALL ON FUNCTION audit_chain(), audit_campaign(), audit_row() FROM PUBLIC;
GRANT SELECT, INSERT ON audit_event TO ${app_role};
GRANT SELECT ON audit_link, audit_head TO ${app_role};
SELECT protect_tenant_table('audit_event'), protect_tenant_table('audit_link'), protect_tenant_table('audit_head');
