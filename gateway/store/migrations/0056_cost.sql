-- What it costs: prices with their dates, what each campaign used, units bought ahead and what was drawn from them.

CREATE TABLE tariff (                               -- shared reference data, no tenant; the newest that has begun counts
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('sms', 'voice', 'email')),
    prefix text NOT NULL DEFAULT '' CHECK (prefix ~ '^(\+[1-9][0-9]{0,6})?$'),    -- numbers that begin so; '': all others
    eur numeric(10, 5) NOT NULL CHECK (eur >= 0),   -- ex VAT: an SMS part, a started minute, an e-mail
    valid_from date NOT NULL,
    valid_until date,                               -- the last day for which it was agreed; after it the price goes on, and is said to
    CHECK (valid_until >= valid_from),
    UNIQUE (channel, prefix, valid_from)
);
INSERT INTO tariff (channel, eur, valid_from, valid_until) VALUES
    ('sms', 0.055, '2016-01-01', '2028-07-20'),
    ('voice', 0.055, '2016-01-01', '2028-07-20'),
    ('email', 0, '2016-01-01', NULL);

CREATE TABLE pack (                                 -- units paid ahead; each has its own last day, whenever it was bought
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    units int NOT NULL CHECK (units > 0),
    used int NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND units),
    bought_on date NOT NULL,
    valid_until date NOT NULL,
    reference text NOT NULL DEFAULT '',             -- of the order form
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (valid_until >= bought_on),
    UNIQUE (id, entity_id)
);
CREATE INDEX pack_entity ON pack (entity_id, valid_until);

CREATE TABLE usage_line (                           -- the ledger: written once, when its campaign closes
    campaign_id int NOT NULL REFERENCES campaign,
    channel smallint NOT NULL,
    prefix text NOT NULL,
    entity_id int NOT NULL REFERENCES entity,
    messages int NOT NULL CHECK (messages >= 0),
    units int NOT NULL CHECK (units >= 0),
    prepaid int NOT NULL CHECK (prepaid BETWEEN 0 AND units),   -- of the units: drawn from packs
    eur numeric(10, 5) NOT NULL,                    -- the price of one unit on the day of the first message
    amount numeric(14, 5) GENERATED ALWAYS AS ((units - prepaid) * eur) STORED,
    lapsed boolean NOT NULL,                        -- that price was agreed until an earlier day
    priced_on date NOT NULL,
    settled_on date NOT NULL,
    PRIMARY KEY (campaign_id, channel, prefix)
);
CREATE INDEX usage_line_entity ON usage_line (entity_id, settled_on);

CREATE TABLE pack_draw (
    pack_id int NOT NULL,
    campaign_id int NOT NULL,
    channel smallint NOT NULL,
    prefix text NOT NULL,
    entity_id int NOT NULL,
    units int NOT NULL CHECK (units > 0),
    PRIMARY KEY (campaign_id, channel, prefix, pack_id),
    FOREIGN KEY (pack_id, entity_id) REFERENCES pack (id, entity_id),
    FOREIGN KEY (campaign_id, channel, prefix) REFERENCES usage_line
);

CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON tariff FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT ON pack FOR EACH ROW EXECUTE FUNCTION audit_row();

GRANT SELECT, INSERT ON tariff, pack, usage_line, pack_draw TO ${app_role};
GRANT UPDATE (used) ON pack TO ${app_role};
GRANT SELECT ON tariff TO ${tenant_role};
SELECT protect_tenant_table(t::regclass) FROM unnest('{pack,usage_line,pack_draw}'::text[]) t;
-- an entity reads what it bought and used; the platform writes it
REVOKE INSERT ON pack, usage_line, pack_draw FROM ${tenant_role};
