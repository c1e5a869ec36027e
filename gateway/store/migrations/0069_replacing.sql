-- Message ids by row, for an Update that takes the place of what a provider has not delivered. Ids are inserted nearly in the
-- order of their rows, so a summary of each few pages finds them at hardly any cost.

CREATE INDEX msgref_row ON msgref USING brin (campaign_id, seq) WITH (pages_per_range = 16);
DROP INDEX msgref_campaign;

-- What was inserted lately is not in the summary until a vacuum; an Update often comes before that.
CREATE FUNCTION summarise_message_ids() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$ SELECT brin_summarize_new_values('msgref_row') $$;
REVOKE ALL ON FUNCTION summarise_message_ids() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION summarise_message_ids() TO ${app_role};
