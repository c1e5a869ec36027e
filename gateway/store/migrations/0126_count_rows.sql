-- Marks and receipts have count rows of their own (2 and 3): on one row each waited for the commit of the other. A node of
-- the version before makes rows 0 and 1 only.
CREATE FUNCTION add_count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO progress (campaign_id, channel, shard, entity_id)
    SELECT NEW.campaign_id, NEW.channel, s, NEW.entity_id FROM generate_series(2, 3) s ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER has_count_rows AFTER INSERT ON progress FOR EACH ROW WHEN (NEW.shard = 1) EXECUTE FUNCTION add_count_rows();
INSERT INTO progress (campaign_id, channel, shard, entity_id)
SELECT p.campaign_id, p.channel, s, p.entity_id FROM progress p, generate_series(2, 3) s WHERE p.shard = 1 ON CONFLICT DO NOTHING;
