-- When a campaign may speak and when it speaks again: quiet hours, and a call to those whose SMS did not arrive.

ALTER TABLE campaign
    ADD COLUMN escalate_after interval,             -- a chunk of SMS this old: who has none delivered is called
    ADD COLUMN quiet_from time,                     -- between these hours, in this zone, no SMS and no call leaves
    ADD COLUMN quiet_to time,
    ADD COLUMN quiet_zone text,
    ADD CHECK ((quiet_from IS NULL) = (quiet_to IS NULL) AND (quiet_from IS NULL) = (quiet_zone IS NULL));
ALTER TABLE chunk ADD COLUMN escalated boolean NOT NULL DEFAULT false;     -- its undelivered SMS have been looked at

-- Mail waits for its reader; SMS (1) and calls (2) wake people. Hours may go over midnight; gateway.policy.timing says
-- the same.
CREATE FUNCTION is_quiet(quiet_from time, quiet_to time, zone text, channel smallint, at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT quiet_from IS NOT NULL AND channel <> 3 AND CASE
        WHEN quiet_from <= quiet_to THEN (at AT TIME ZONE zone)::time >= quiet_from AND (at AT TIME ZONE zone)::time < quiet_to
        ELSE (at AT TIME ZONE zone)::time >= quiet_from OR (at AT TIME ZONE zone)::time < quiet_to END
$$;
REVOKE ALL ON FUNCTION is_quiet(time, time, text, smallint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_quiet(time, time, text, smallint, timestamptz) TO ${app_role};
