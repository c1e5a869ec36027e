-- The first slice of a campaign waits for nobody. Statistics need a lock that a vacuum holds as well, for as long as it
-- works on a large partition: whoever asks for it waits a second (deadlock_timeout) until the vacuum gives way, and so do two
-- first slices for each other. Whoever has the lock takes the statistics, or has just taken them.
CREATE OR REPLACE FUNCTION analyze_campaign(campaign int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    name text := format('delivery_%s', campaign / 50 * 50);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = name::regclass AND 'fillfactor=45' = ANY (reloptions)) THEN
        BEGIN
            EXECUTE format('LOCK TABLE %I IN SHARE UPDATE EXCLUSIVE MODE NOWAIT', name);
            EXECUTE format('ALTER TABLE %I SET (fillfactor = 45)', name);
        EXCEPTION WHEN lock_not_available THEN NULL;  -- the next campaign's first slice says it
        END;
    END IF;
    EXECUTE format('ANALYZE (SKIP_LOCKED) %I', name);
    ANALYZE (SKIP_LOCKED) chunk;
END $$;
