-- Tenants: what the application does in the name of an entity, it does as the role ${tenant_role}, which sees that
-- entity's rows and no others (docs/decisions/0020-tenants.md). The role ${app_role} itself, of flows that serve all
-- entities alike (planning, dispatch, tracking, feeds), sees every row at no cost: its policy is the constant true.

-- The entity whose rows the transaction may see; NULL, and therefore none, when nobody said so.
CREATE FUNCTION tenant() RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('gateway.entity', true), '')::int $$;

-- Every table with entity_id is given here, at its birth: `SELECT protect_tenant_table('contact')`, after its GRANTs.
CREATE FUNCTION protect_tenant_table(called regclass, of text DEFAULT 'entity_id') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    privilege text;
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', called);
    EXECUTE format('CREATE POLICY everything ON %s TO ${app_role} USING (true) WITH CHECK (true)', called);
    -- a scalar sub-select is computed once for a statement, not once for a row
    EXECUTE format('CREATE POLICY own ON %s TO ${tenant_role} USING (%I = (SELECT tenant())) '
                   'WITH CHECK (%2$I = (SELECT tenant()))', called, of);
    FOR privilege IN
        SELECT x.privilege_type FROM pg_class c, aclexplode(c.relacl) x JOIN pg_roles r ON r.oid = x.grantee
        WHERE c.oid = called AND r.rolname = trim(both '"' from '${app_role}')
    LOOP
        EXECUTE format('GRANT %s ON %s TO ${tenant_role}', privilege, called);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION protect_tenant_table(regclass, text) FROM PUBLIC;

DO $$
DECLARE
    name text;
BEGIN
    -- partitions are reached through their table only: nobody has a right to one by itself
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'entity_id'
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    LOOP
        PERFORM protect_tenant_table(name::regclass);
    END LOOP;
    PERFORM protect_tenant_table('entity', 'id');
END $$;
REVOKE INSERT, UPDATE ON entity FROM ${tenant_role};

GRANT USAGE ON SCHEMA public TO ${tenant_role};
GRANT SELECT ON geocode TO ${tenant_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${tenant_role};
GRANT EXECUTE ON FUNCTION ensure_delivery_partition(int) TO ${tenant_role};

-- A group holds its own entity's contacts: no mistake of a statement can put another's people into it.
ALTER TABLE contact ADD UNIQUE (id, entity_id);
ALTER TABLE contact_group ADD UNIQUE (id, entity_id);
ALTER TABLE group_member
    ADD FOREIGN KEY (contact_id, entity_id) REFERENCES contact (id, entity_id) ON DELETE CASCADE,
    ADD FOREIGN KEY (group_id, entity_id) REFERENCES contact_group (id, entity_id) ON DELETE CASCADE,
    DROP CONSTRAINT group_member_contact_id_fkey,
    DROP CONSTRAINT group_member_group_id_fkey;
CREATE INDEX group_member_contact ON group_member (contact_id);
