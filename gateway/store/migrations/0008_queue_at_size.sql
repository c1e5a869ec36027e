-- The queue at any size: room on each page for what becomes of its rows, indexes that hold only the chunks that are open,
-- and an end for deliveries that are older than they may be kept.

-- A row changes twice: taken by the peer, then settled by its receipt. With less room than one more version of every row
-- of a page, the versions move to other pages and every index is written again. Said only now that rows are there: the
-- planner takes a page's room for a measure of how many rows an empty partition will have.
CREATE OR REPLACE FUNCTION analyze_campaign(campaign int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
    name text := format('delivery_%s', campaign / 50 * 50);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = name::regclass AND 'fillfactor=45' = ANY (reloptions)) THEN
        EXECUTE format('ALTER TABLE %I SET (fillfactor = 45)', name);
    END IF;
    EXECUTE format('ANALYZE %I', name);
    ANALYZE chunk;
END $$;

-- Of ten million deliveries twenty thousand chunks remain; without these every lease would walk over all that are done.
CREATE INDEX chunk_ready ON chunk (campaign_id, channel, transport, lo) WHERE state = 0;
CREATE INDEX chunk_held ON chunk (campaign_id, lo) WHERE state IN (1, 8, 9);

CREATE INDEX msgref_campaign ON msgref USING brin (campaign_id);
CREATE INDEX receipt_orphan_at ON receipt_orphan (at);

-- Drop the oldest partition of deliveries whose campaigns have all been closed for longer than `keep`, with its chunks and
-- message ids; reports, counts and what was said stay. One a call, so that no lock is held for long; its first campaign,
-- or NULL when there is nothing to drop.
CREATE FUNCTION forget_deliveries(keep interval) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '1s' AS $$
DECLARE
    low int;
BEGIN
    SELECT p.low INTO low FROM (
        SELECT substring(c.relname FROM '^delivery_([0-9]+)$')::int AS low
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'delivery'::regclass) p
    WHERE p.low + 50 <= (SELECT max(id) FROM campaign)      -- no campaign will get one of its numbers any more
      AND NOT EXISTS (SELECT FROM campaign c WHERE c.id BETWEEN p.low AND p.low + 49
        AND (c.state <> 'closed' OR c.closed_at IS NULL OR c.closed_at > now() - keep))
    ORDER BY p.low LIMIT 1;
    IF low IS NULL THEN RETURN NULL; END IF;
    DELETE FROM retry WHERE campaign_id BETWEEN low AND low + 49;
    DELETE FROM chunk WHERE campaign_id BETWEEN low AND low + 49;
    DELETE FROM msgref WHERE campaign_id BETWEEN low AND low + 49;
    EXECUTE format('DROP TABLE %I', format('delivery_%s', low));
    RETURN low;
EXCEPTION WHEN lock_not_available THEN  -- somebody reads: the next time will do
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION forget_deliveries(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_deliveries(interval) TO ${app_role};
