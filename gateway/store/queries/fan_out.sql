-- How an accepted campaign becomes delivery rows, slice by slice.

-- name: fan_out_find
-- Whom one slice of a fan-out reaches, in the order of their rows: registered citizens in cells ($9 to $18, the columns of
-- gateway.cap.cover), own contacts ($8: members of a group), or whom the earlier campaign $7 told (rows $19 to $20: reached, in
-- flight, unknown now or once (1), on the line when a call ended (8)); whoever has not opted out of the class, and (unless it
-- is urgent) whose address is not suppressed; one per channel and address. People are found by a list of numbers: an index is
-- walked along a list once. The columns go back as texts, which nobody reads on their way. A slot is a channel of $5 in a
-- language of $6; languages that are not in $6 get the first.
-- $1 entity, $2 transport, $3 opt-out bit, $4 channels by which a person is told, $5 channels that have texts (those told
-- before are told the way they were).
WITH told AS (
    SELECT DISTINCT d.contact_id AS id, d.channel, d.address, t.language
    FROM delivery d JOIN text t ON t.campaign_id = d.campaign_id AND t.key = d.text_key
    WHERE d.campaign_id = $7 AND d.seq BETWEEN $19 AND $20 AND d.transport = $2 AND d.channel = ANY ($5::smallint[])
      AND d.contact_id <> 0  -- 0: erased
      AND (d.state IN (1, 2, 3, 8) OR d.flags & 9 <> 0 OR (d.state = 0 AND d.seq <= (
        SELECT k.marked_to FROM chunk k WHERE k.campaign_id = d.campaign_id AND k.lo BETWEEN 1 AND d.seq
        ORDER BY k.lo DESC LIMIT 1)))),
person AS (
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM contact c
    WHERE c.id = ANY ($8::bigint[]) AND c.entity_id = $1 AND c.opt_out & $3 = 0
    UNION ALL
    SELECT c.id, c.language, c.mobile, c.landline, c.email FROM contact c
    WHERE c.registered AND c.opt_out & $3 = 0 AND c.id = ANY (ARRAY(
        SELECT a.contact_id
        FROM unnest($9::bigint[], $10::bigint[], $11::text[]::polygon[], $12::text[]::polygon[], $13::float8[],
            $14::float8[], $15::float8[], $16::float8[], $17::float8[], $18::float8[]) AS r (lo, hi, ring_a, ring_b, lon_a, lat_a, limit_a, lon_b, lat_b, limit_b)
        JOIN address a ON a.z BETWEEN r.lo AND r.hi
        WHERE (r.ring_a IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_a)
          AND (r.ring_b IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_b)
          AND (r.limit_a IS NULL OR sin(radians(a.lat - r.lat_a) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_a)) * sin(radians(a.lon - r.lon_a) / 2) ^ 2 <= r.limit_a)
          AND (r.limit_b IS NULL OR sin(radians(a.lat - r.lat_b) / 2) ^ 2
              + cos(radians(a.lat)) * cos(radians(r.lat_b)) * sin(radians(a.lon - r.lon_b) / 2) ^ 2 <= r.limit_b)))),
reach AS (
    SELECT id, 1::smallint AS channel, mobile AS address, language FROM person WHERE mobile IS NOT NULL AND 1 = ANY ($4::smallint[])
    UNION ALL
    SELECT id, 3, email, language FROM person WHERE email IS NOT NULL AND 3 = ANY ($4::smallint[])
      AND ($3 = 1 OR NOT EXISTS (SELECT FROM suppression s WHERE s.address = lower(person.email) AND s.suppressed_at IS NOT NULL))
    UNION ALL
    SELECT id, 2, coalesce(landline, mobile), language FROM person
    WHERE 2 = ANY ($4::smallint[]) AND coalesce(landline, mobile) IS NOT NULL
      AND NOT (1 = ANY ($4::smallint[]) AND mobile IS NOT NULL) AND NOT (3 = ANY ($4::smallint[]) AND email IS NOT NULL)
    UNION ALL
    SELECT id, channel, address, language FROM told),
once AS (SELECT DISTINCT ON (channel, address) id, channel, address, language FROM reach ORDER BY channel, address, id)
SELECT count(*) FILTER (WHERE channel = 1) AS sms, count(*) FILTER (WHERE channel = 2) AS voice,
    count(*) FILTER (WHERE channel = 3) AS email, coalesce(array_agg(id), '{}')::text AS people, coalesce(array_agg(
        cardinality($6::text[]) * (array_position($5::smallint[], channel) - 1) + coalesce(array_position($6::text[], language), 1)), '{}')::text AS slots,
    coalesce(array_agg(address), '{}')::text AS addresses
FROM once;

-- name: fan_out_write
-- The rows of one slice: those who were found ($5 to $7: person, slot, address, channel by channel) and whom the campaign does
-- not have, which is asked by a list of addresses: an index is walked along a list once. Whoever left for good meanwhile is left
-- out (an erasure stays open for longer than anybody is kept as found), unless they were told before ($10). $8 and $9: the
-- channel and the text of each slot. Row numbers go on from $2, channel by channel, less one for each that is left out before
-- it; how many were left out is returned. Every way to number or to count the rows themselves (row_number, RETURNING, a
-- function in FROM) would put each of them down once more.
-- $1 campaign, $3 entity, $4 transport.
WITH f AS NOT MATERIALIZED (
    SELECT generate_series(1, cardinality($6::text::smallint[])) AS n, unnest($5::text::bigint[]) AS id,
        unnest($6::text::smallint[]) AS slot, unnest($7::text::text[]) AS address),
known AS MATERIALIZED (
    SELECT d.channel, d.address FROM delivery d
    WHERE d.campaign_id = $1 AND d.channel = ANY ($8::smallint[]) AND d.address = ANY (ARRAY(SELECT unnest($7::text::text[])))),
erased AS MATERIALIZED (
    SELECT e.contact_id FROM erasure e
    WHERE e.done_at IS NULL AND NOT $10 AND e.contact_id = ANY (ARRAY(SELECT unnest($5::text::bigint[])))),
left_out AS MATERIALIZED (
    SELECT f.n, ($8::smallint[])[f.slot] AS channel FROM f
    WHERE (SELECT EXISTS (SELECT FROM known) OR EXISTS (SELECT FROM erased))
      AND ((($8::smallint[])[f.slot], f.address) IN (SELECT channel, address FROM known)
        OR f.id IN (SELECT contact_id FROM erased))),
l AS MATERIALIZED (SELECT coalesce(array_agg(n ORDER BY n), '{}') AS places FROM left_out),
put AS (
    INSERT INTO delivery (campaign_id, seq, entity_id, contact_id, channel, transport, text_key, address)
    SELECT $1, $2 - 1 + f.n - width_bucket(f.n, (SELECT places FROM l)), $3, f.id, ($8::smallint[])[f.slot], $4,
        ($9::smallint[])[f.slot], f.address
    FROM f WHERE width_bucket(f.n, (SELECT places FROM l)) = width_bucket(f.n - 1, (SELECT places FROM l)))
SELECT count(*) FILTER (WHERE channel = 1) AS sms, count(*) FILTER (WHERE channel = 2) AS voice,
    count(*) FILTER (WHERE channel = 3) AS email
FROM left_out;

-- name: insert_chunks
-- Cut the new rows lo..hi of one channel into chunks of $8, and count them as planned and queued.
WITH k AS (
    INSERT INTO chunk (campaign_id, lo, hi, entity_id, channel, transport, exercise_group)
    SELECT $1, g, least(g + $8 - 1, $3), $4, $5, $6, $7 FROM generate_series($2::int, $3::int, $8::int) g RETURNING 1)
UPDATE progress SET planned = planned + ($3 - $2 + 1), queued = queued + ($3 - $2 + 1)
WHERE campaign_id = $1 AND channel = $5 AND shard = 0;

-- name: analyze_campaign
-- Statistics for a fresh partition, inside the first slice's transaction.
SELECT analyze_campaign($1);

-- name: campaign_to_plan
-- One campaign whose fan-out is not complete. A lock of its own keeps other planners off until the slice is committed; the
-- campaign's row stays free, so that nobody who stops it or counts for it has to wait for a slice. Of equally urgent ones
-- the one that has the fewest rows, so that nobody waits for the end of a large one. $1: none of these; $2: none less urgent.
WITH waiting AS MATERIALIZED (
    SELECT c.id, c.entity_id, c.alert_id, c.mode, c.message_class, c.channels, c.plan, c.plan_cursor, c.next_seq, c.state
    FROM campaign c
    WHERE NOT c.planned AND c.state IN ('planned', 'sending', 'paused') AND c.expires_at > now() AND c.id <> ALL ($1::int[])
      AND c.priority <= $2
    ORDER BY c.priority, c.next_seq, c.id LIMIT 20)
SELECT * FROM waiting WHERE pg_try_advisory_xact_lock(7230004, id) LIMIT 1;

-- name: plan_reached
-- How far a campaign is planned; asked with its lock, as another planner may have written since it was found.
SELECT plan_cursor, next_seq, plan_group, plan_after FROM campaign WHERE id = $1;

-- name: slice_done
-- Move the planner's cursor with the slice, and how far the group at the cursor is planned; no row when the campaign was
-- stopped, or planned on by another, meanwhile.
UPDATE campaign SET plan_cursor = $3, next_seq = $4, planned = $5, plan_group = $6, plan_after = $7,
    state = CASE WHEN state = 'planned' THEN 'sending' ELSE state END
WHERE id = $1 AND plan_cursor = $2 AND NOT planned AND state IN ('planned', 'sending', 'paused')
RETURNING id;
