-- name: take_part
-- Node $1 would hold binds of the providers $2, for one lease from now on; $3: it leads.
INSERT INTO bind_taker (provider, node, leads, lease_until)
SELECT provider, $1, $3, now() + $4::interval FROM unnest($2::text[]) provider ORDER BY provider
ON CONFLICT (provider, node) DO UPDATE SET leads = EXCLUDED.leads, lease_until = EXCLUDED.lease_until;

-- name: places
-- Of each provider $2: how many nodes take part, how many of them come before node $1 ($3: it leads), and when the first
-- of the others would be gone. A lease that ends later than any may be (300 s) was made by a clock that was ahead.
SELECT provider, count(*) AS nodes, count(*) FILTER (WHERE (NOT leads, node) < (NOT $3::boolean, $1::int)) AS place,
    extract(epoch FROM min(lease_until) FILTER (WHERE node <> $1) - now())::float8 AS change_s
FROM bind_taker WHERE provider = ANY ($2::text[]) AND lease_until > now() AND lease_until < now() + interval '6 minutes'
GROUP BY provider;

-- name: keep_binds
-- Prolong the leases of node $1; the ones that come back are still its own.
UPDATE bind_lease b SET lease_until = now() + $5::interval
FROM unnest($2::text[], $3::smallint[], $4::int[]) AS v (provider, ordinal, epoch)
WHERE b.provider = v.provider AND b.ordinal = v.ordinal AND b.epoch = v.epoch AND b.node = $1
RETURNING b.provider, b.ordinal;

-- name: claim_binds
-- Up to $5 binds of provider $2, of which there are $3, for node $1: those that nobody holds any more, and what a process
-- before it held under this name. $4 are the ones that it has.
WITH free AS (
    SELECT o.ordinal FROM generate_series(1, $3::int) o (ordinal)
    LEFT JOIN bind_lease b ON b.provider = $2 AND b.ordinal = o.ordinal
    WHERE o.ordinal <> ALL ($4::int[]) AND (b.node IS NULL OR b.node = $1 OR b.lease_until < now()
        OR b.lease_until > now() + interval '6 minutes')
    ORDER BY o.ordinal LIMIT $5)
INSERT INTO bind_lease AS b (provider, ordinal, node, lease_until)
SELECT $2, ordinal, $1, now() + $6::interval FROM free
ON CONFLICT (provider, ordinal) DO UPDATE SET node = EXCLUDED.node, epoch = b.epoch + 1, lease_until = EXCLUDED.lease_until
WHERE b.node IS NULL OR b.node = $1 OR b.lease_until < now() OR b.lease_until > now() + interval '6 minutes'
RETURNING ordinal, epoch;

-- name: give_back_binds
-- Node $1 has closed these: whoever wants them may open them now.
UPDATE bind_lease b SET node = NULL, lease_until = NULL
FROM unnest($2::text[], $3::smallint[], $4::int[]) AS v (provider, ordinal, epoch)
WHERE b.provider = v.provider AND b.ordinal = v.ordinal AND b.epoch = v.epoch AND b.node = $1;

-- name: step_out
-- Node $1 holds no binds any more: the others divide all of them.
DELETE FROM bind_taker WHERE node = $1;
