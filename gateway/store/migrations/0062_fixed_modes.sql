-- What a campaign is (live, exercise, test) and by which transports its deliveries go is decided when its alert is accepted
-- and never again: no statement changes it, whoever makes it.

CREATE FUNCTION stays_as_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) -> TG_ARGV[0] IS DISTINCT FROM to_jsonb(OLD) -> TG_ARGV[0] THEN
        RAISE EXCEPTION '% of % is fixed when it is made', TG_ARGV[0], TG_ARGV[1] USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION stays_as_made() FROM PUBLIC;

-- "OF column": statements that do not name the column, all of the hot path, are not slowed down.
CREATE TRIGGER mode_is_fixed BEFORE UPDATE OF mode ON campaign
    FOR EACH ROW EXECUTE FUNCTION stays_as_made('mode', 'campaign');
CREATE TRIGGER transport_is_fixed BEFORE UPDATE OF transport ON chunk
    FOR EACH ROW EXECUTE FUNCTION stays_as_made('transport', 'chunk');
CREATE TRIGGER transport_is_fixed BEFORE UPDATE OF transport ON delivery
    FOR EACH ROW EXECUTE FUNCTION stays_as_made('transport', 'delivery');
CREATE TRIGGER exercise_group_is_fixed BEFORE UPDATE OF exercise_group ON chunk
    FOR EACH ROW EXECUTE FUNCTION stays_as_made('exercise_group', 'chunk');
