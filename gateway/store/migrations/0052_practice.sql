-- Who may send practises every month: found by who made which campaign when.
CREATE INDEX campaign_author ON campaign (entity_id, author, created_at);
