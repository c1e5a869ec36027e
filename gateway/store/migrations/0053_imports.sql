-- Imports as records: what each file made and changed, so that it can be taken back; and what groups are filtered by.

ALTER TABLE contact ADD postcode text NOT NULL DEFAULT '',
    ADD municipality text NOT NULL DEFAULT '',
    ADD tags text[] NOT NULL DEFAULT '{}',          -- words, or name=value
    ADD import_id int;                              -- the import that wrote this contact last; NULL: somebody's hand

CREATE TABLE import_run (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    partnership_id int,                             -- a coordinator's import: these people and no others
    group_id int,                                   -- where its contacts went; the group may have ended since
    kind text NOT NULL DEFAULT '' CHECK (kind IN ('', 'csv', 'xlsx', 'vcard')),
    dry_run boolean NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'undone')),
    reason text NOT NULL DEFAULT '',                -- why it failed: nothing was changed then
    made_by text NOT NULL,
    rows_read int NOT NULL DEFAULT 0,
    rows_done int NOT NULL DEFAULT 0,
    added int NOT NULL DEFAULT 0,
    changed int NOT NULL DEFAULT 0,
    same int NOT NULL DEFAULT 0,
    joined int NOT NULL DEFAULT 0,
    refused int NOT NULL DEFAULT 0,
    duplicates int NOT NULL DEFAULT 0,
    problems jsonb NOT NULL DEFAULT '[]',           -- [row, column, reason]: never what stands in the file
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),     -- the node that reads it was alive
    ended_at timestamptz,
    undone_at timestamptz,
    undone_by text,
    UNIQUE (id, entity_id),
    FOREIGN KEY (partnership_id, entity_id) REFERENCES partnership (id, entity_id)
);
CREATE INDEX import_run_page ON import_run (entity_id, id DESC);

CREATE TABLE import_change (                        -- kept for as long as an import can be undone
    import_id int NOT NULL,
    entity_id int NOT NULL,
    contact_id bigint NOT NULL,
    added boolean NOT NULL DEFAULT false,
    before jsonb,                                   -- the contact as it was; NULL: it was not changed
    joined boolean NOT NULL DEFAULT false,          -- it came into the group
    PRIMARY KEY (import_id, contact_id),
    FOREIGN KEY (import_id, entity_id) REFERENCES import_run (id, entity_id),
    FOREIGN KEY (contact_id, entity_id) REFERENCES contact (id, entity_id) ON DELETE CASCADE
);
CREATE INDEX import_change_contact ON import_change (contact_id);

CREATE TRIGGER audit_row AFTER INSERT ON import_run FOR EACH ROW EXECUTE FUNCTION audit_row();
GRANT SELECT, INSERT, UPDATE ON import_run, import_change TO ${app_role};
GRANT DELETE ON import_change TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table('import_run'), protect_tenant_table('import_change');
