-- Templates: alerts prepared by an entity, every version kept; what each launch showed before it went.

CREATE TABLE template (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    slug text NOT NULL CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    version int NOT NULL CHECK (version > 0),
    body jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (entity_id, slug, version), UNIQUE (id, entity_id)
);

CREATE TABLE template_launch (                      -- written before the alert is handed to the intake
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    template_id int NOT NULL,
    preview jsonb NOT NULL,                         -- texts and warnings, as the launcher could see them
    document bytea NOT NULL,                        -- the alert that was made
    waived text[] NOT NULL DEFAULT '{}',
    reason text NOT NULL DEFAULT '',                -- of the waiver
    launched_by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    alert text,                                     -- what the intake called it; NULL: it was refused
    FOREIGN KEY (template_id, entity_id) REFERENCES template (id, entity_id),
    CHECK (waived = '{}' OR length(reason) >= 10)
);
CREATE INDEX template_launch_template ON template_launch (template_id, id DESC);

CREATE TRIGGER audit_row AFTER INSERT ON template FOR EACH ROW EXECUTE FUNCTION audit_row();
CREATE TRIGGER audit_row AFTER INSERT OR UPDATE ON template_launch FOR EACH ROW EXECUTE FUNCTION audit_row();
GRANT SELECT, INSERT ON template, template_launch TO ${app_role};
GRANT UPDATE (alert) ON template_launch TO ${app_role}, ${tenant_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table(t::regclass) FROM unnest('{template,template_launch}'::text[]) t;
