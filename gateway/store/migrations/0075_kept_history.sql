-- The history that an entity brought along from elsewhere in its archive: read, taken along again, never acted upon.

CREATE TABLE kept_history (
    entity_id int NOT NULL REFERENCES entity,
    file text NOT NULL CHECK (file ~ '^[a-z_]{1,40}$'),  -- of the archive
    number int NOT NULL CHECK (number > 0),         -- its line in that file
    body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    PRIMARY KEY (entity_id, file, number)
);
GRANT SELECT, INSERT ON kept_history TO ${app_role};
SELECT protect_tenant_table('kept_history');
REVOKE INSERT ON kept_history FROM ${tenant_role};  -- an entity reads what it brought; the platform puts it there
