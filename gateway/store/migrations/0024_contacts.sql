-- Contacts kept over HTTP: whose they are inside an entity, how they are found, when somebody last checked them.

ALTER TABLE contact ADD partnership_id int,         -- NULL: of the entity as a whole
    ADD search text COLLATE "C" GENERATED ALWAYS AS (lower(name)) STORED,
    ADD FOREIGN KEY (partnership_id, entity_id) REFERENCES partnership (id, entity_id);
CREATE INDEX contact_search ON contact (entity_id, search, id) WHERE NOT registered;
CREATE INDEX contact_mobile ON contact (entity_id, mobile) WHERE NOT registered;
CREATE INDEX contact_landline ON contact (entity_id, landline) WHERE NOT registered;
CREATE INDEX contact_email ON contact (entity_id, email) WHERE NOT registered;

CREATE TABLE export_request (                       -- a bulk export waits for a second person
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    reason text NOT NULL,
    asked_by text NOT NULL,
    agreed_by text,
    taken_at timestamptz,
    asked_at timestamptz NOT NULL DEFAULT now(),
    CHECK (agreed_by <> asked_by)
);
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON export_request FOR EACH ROW EXECUTE FUNCTION audit_row();
GRANT SELECT, INSERT, UPDATE ON export_request TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table('export_request');
