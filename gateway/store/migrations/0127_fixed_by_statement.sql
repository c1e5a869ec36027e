-- By which transport a delivery goes is still fixed when it is made (migration 0062), now by refusing every statement that
-- names the column. Watched row by row, each answer and each receipt had its old row read once more, only to find that
-- another column had changed.
CREATE FUNCTION never_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is fixed when it is made', TG_ARGV[0], TG_ARGV[1] USING ERRCODE = 'integrity_constraint_violation';
END $$;
REVOKE ALL ON FUNCTION never_changes() FROM PUBLIC;

-- A trigger of this kind speaks for the table that a statement names, so a partition has one of its own.
CREATE FUNCTION fix_transport(at text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER transport_is_fixed BEFORE UPDATE OF transport ON %I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION never_changes(''transport'', ''delivery'')', at);
END $$;
REVOKE ALL ON FUNCTION fix_transport(text) FROM PUBLIC;

DROP TRIGGER transport_is_fixed ON delivery;
SELECT fix_transport('delivery');
SELECT fix_transport(c.relname::text) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'delivery'::regclass;

CREATE OR REPLACE FUNCTION ensure_delivery_partition(campaign int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    low int := campaign / 50 * 50;
    name text := format('delivery_%s', low);
BEGIN
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(7230001);
    -- asked of the catalogue itself: the cache may remember from before the lock that there was none
    IF EXISTS (SELECT FROM pg_class c WHERE c.relname = name AND c.relnamespace = 'public'::regnamespace) THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE delivery INCLUDING DEFAULTS INCLUDING CONSTRAINTS) '
                   'WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.2)', name);
    PERFORM fix_transport(name);
    EXECUTE format('ALTER TABLE delivery ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, low, low + 50);
END $$;
