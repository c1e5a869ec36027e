-- People who left for good: the contact goes at once, what was sent to them loses its address when its campaign is closed.

CREATE TABLE erasure (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_id int NOT NULL REFERENCES entity,
    contact_id bigint NOT NULL,                     -- of nobody any more
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz                             -- nothing that was sent names them any more
);
CREATE INDEX erasure_open ON erasure (id) WHERE done_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON erasure TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role}, ${tenant_role};
SELECT protect_tenant_table('erasure');

ALTER TABLE export_request ADD contact_id bigint;   -- one person's data, taken at once; NULL: everybody's, by two persons
