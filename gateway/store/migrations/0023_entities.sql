-- What an entity needs before it goes live, and the terms that it accepted or refused.

ALTER TABLE entity ADD convention_signed_on date,
    ADD order_form_on date,
    ADD contact_persons jsonb NOT NULL DEFAULT '[]',    -- name, phone, e-mail: whom the platform calls
    ADD region text NOT NULL DEFAULT 'BE' CHECK (region ~ '^[A-Z]{2}$');   -- how its numbers without + are read

CREATE TABLE terms (
    version int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE terms_answer (
    entity_id int NOT NULL REFERENCES entity,
    version int NOT NULL REFERENCES terms,
    accepted boolean NOT NULL,
    answered_by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (entity_id, version)
);
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON terms_answer FOR EACH ROW EXECUTE FUNCTION audit_row('version');

GRANT SELECT, INSERT ON terms TO ${app_role};
GRANT SELECT, INSERT, UPDATE ON terms_answer TO ${app_role};
SELECT protect_tenant_table('terms_answer');
GRANT SELECT ON terms TO ${tenant_role};
-- An entity changes its own languages, policy and contact persons; what it signed is the platform's to note.
GRANT UPDATE (languages, policy, contact_persons, region) ON entity TO ${tenant_role};
