-- What the gateway is not for: every campaign carries its sender's declaration, in a numbered wording; a breach is written
-- down with what was done about it.

CREATE TABLE wording (
    version int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL CHECK (text <> '' AND length(text) <= 2000),
    published_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO wording (text) VALUES ('This message serves the safety of people or informs them in the public interest. It has no commercial, promotional or political aim.');

CREATE TABLE declaration (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    campaign_id int NOT NULL UNIQUE REFERENCES campaign,
    version int NOT NULL REFERENCES wording,
    declared_by text NOT NULL,                      -- person:7, token:5
    in_words boolean NOT NULL,                      -- the alert names the wording; else it was sent while that was in force
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX declaration_entity ON declaration (entity_id, id DESC);
CREATE INDEX declaration_by ON declaration (declared_by, id DESC);

CREATE TABLE breach (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    campaign_id int NOT NULL UNIQUE REFERENCES campaign,
    reason text NOT NULL CHECK (length(reason) BETWEEN 10 AND 2000),
    suspended text NOT NULL,                        -- entity, person:7, token:5; none
    found_by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER audit_row AFTER INSERT ON breach FOR EACH ROW EXECUTE FUNCTION audit_row();

GRANT SELECT, INSERT ON wording TO ${app_role};
GRANT SELECT, INSERT ON declaration, breach TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table('declaration'), protect_tenant_table('breach');
GRANT SELECT ON wording TO ${tenant_role};
REVOKE INSERT ON breach FROM ${tenant_role};
