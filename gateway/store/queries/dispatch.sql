-- The work queue: chunks leased, marked, recorded. Every statement here runs on sessions whose plans are pinned
-- (generic plans, no sequential scans or hash joins), because a plan made on an empty partition would scan a campaign.
-- For the same reason deliveries are found by arrays of seqs: a range or a list behind an OR would be a filter only.

-- name: lanes_open
-- Campaigns that may send now, most urgent first, with what each lane still has to give.
SELECT c.id, c.priority, k.channel, k.transport, c.entity_id
FROM campaign c
CROSS JOIN LATERAL (
    SELECT l.channel, l.transport FROM unnest('{1,1,2,2,3,3}'::smallint[], '{0,1,0,1,0,1}'::smallint[])
        AS l (channel, transport)
    WHERE EXISTS (SELECT FROM chunk k
        WHERE k.campaign_id = c.id AND k.channel = l.channel AND k.transport = l.transport AND k.state = 0)) k
WHERE c.state = 'sending' AND c.expires_at > now()
  AND NOT is_quiet(c.quiet_from, c.quiet_to, c.quiet_zone, k.channel, now())
ORDER BY c.priority, c.id;

-- name: still_sending
-- Of these campaigns, the ones whose deliveries may leave.
SELECT id FROM campaign WHERE id = ANY ($1::int[]) AND state = 'sending' AND expires_at > now();

-- name: lease_chunks
-- Take up to $5 ready chunks of one campaign and lane; the rows of each come back as arrays, in order. Of a range chunk
-- those above its mark, of a retry chunk the listed ones that wait (7) or are unknown (8).
WITH pick AS (
    SELECT campaign_id, lo FROM chunk
    WHERE campaign_id = $1 AND channel = $2 AND transport = $3 AND state = 0
    ORDER BY lo LIMIT $5 FOR UPDATE SKIP LOCKED),
l AS (
    UPDATE chunk k SET state = 1, node = $4, epoch = k.epoch + 1, lease_until = now() + $6::interval
    FROM pick WHERE k.campaign_id = pick.campaign_id AND k.lo = pick.lo
    RETURNING k.campaign_id, k.lo, k.epoch, k.marked_to, k.seqs, k.exercise_group,
        coalesce(k.seqs, ARRAY(SELECT generate_series(greatest(k.lo, k.marked_to + 1), k.hi))) AS held)
SELECT l.lo, l.epoch, l.marked_to, l.seqs IS NOT NULL AS listed, l.exercise_group, d.seqs, d.keys, d.addresses,
    d.attempts, d.flags
FROM l CROSS JOIN LATERAL (
    SELECT array_agg(d.seq) AS seqs, array_agg(d.text_key) AS keys, array_agg(d.address) AS addresses,
           array_agg(d.attempt) FILTER (WHERE l.lo < 0) AS attempts, array_agg(d.flags) FILTER (WHERE l.lo < 0) AS flags
    FROM (
        SELECT d.seq, d.text_key, d.address, d.attempt, d.flags FROM delivery d
        WHERE d.campaign_id = l.campaign_id AND d.seq = ANY (l.held)
          AND CASE WHEN l.seqs IS NULL THEN d.state = 0 ELSE d.state IN (7, 8) END
        ORDER BY d.seq) d) d
ORDER BY l.lo;

-- name: mark_range
-- Raise the high-water mark of a range chunk: from this commit on its rows up to $4 may have left. A repetition by the
-- same holder (its first COMMIT went unheard) finds the mark where it put it, and counts nothing twice.
WITH k AS (
    UPDATE chunk SET marked_to = $4, lease_until = now() + $8::interval
    WHERE campaign_id = $1 AND lo = $2 AND epoch = $3 AND state = 1 AND marked_to < $4
      AND EXISTS (SELECT FROM campaign c WHERE c.id = $1 AND c.state = 'sending' AND c.expires_at > now()
        AND NOT is_quiet(c.quiet_from, c.quiet_to, c.quiet_zone, $6::smallint, now()))
    RETURNING channel),
p AS (
    UPDATE progress SET queued = queued - $5, in_flight = in_flight + $5
    WHERE campaign_id = $1 AND channel = $6::smallint AND shard = $7 AND EXISTS (SELECT FROM k))
SELECT (SELECT count(*) FROM k) + (
    SELECT count(*) FROM chunk
    WHERE campaign_id = $1 AND lo = $2 AND epoch = $3 AND state = 1 AND marked_to = $4
      AND EXISTS (SELECT FROM campaign c WHERE c.id = $1 AND c.state = 'sending' AND c.expires_at > now()
        AND NOT is_quiet(c.quiet_from, c.quiet_to, c.quiet_zone, $6::smallint, now()))) AS marked;

-- name: mark_listed
-- Mark the rows of a retry chunk one by one (they are few); returns those that may leave. A repetition by the same
-- holder returns them again: what it marked (1) and did not record is still in the chunk's list.
WITH k AS (
    UPDATE chunk SET lease_until = now() + $6::interval
    WHERE campaign_id = $1 AND lo = $2 AND epoch = $3 AND state = 1
      AND EXISTS (SELECT FROM campaign c WHERE c.id = $1 AND c.state = 'sending' AND c.expires_at > now()
        AND NOT is_quiet(c.quiet_from, c.quiet_to, c.quiet_zone, chunk.channel, now()))
    RETURNING channel, seqs),
o AS (
    SELECT d.seq, d.state FROM delivery d
    WHERE d.campaign_id = $1 AND d.state IN (1, 7, 8)
      AND d.seq = ANY (ARRAY(SELECT unnest($4::int[]) INTERSECT SELECT unnest(seqs) FROM k))
    FOR NO KEY UPDATE),
x AS (
    UPDATE delivery d SET state = 1 FROM o WHERE d.campaign_id = $1 AND d.seq = o.seq AND o.state <> 1 RETURNING d.seq),
p AS (
    UPDATE progress SET in_flight = in_flight + (SELECT count(*) FROM x),
        retry_wait = retry_wait - (SELECT count(*) FROM o WHERE state = 7),
        unknown = unknown - (SELECT count(*) FROM o WHERE state = 8)
    WHERE campaign_id = $1 AND channel = (SELECT channel FROM k) AND shard = $5)
SELECT array_agg(seq) AS seqs FROM o;

-- name: keep_leases
-- Heartbeat: prolong the leases this node holds; the ones that come back are still its own.
UPDATE chunk k SET lease_until = now() + $4::interval
FROM unnest($1::int[], $2::int[], $3::int[]) AS v (campaign_id, lo, epoch)
WHERE k.campaign_id = v.campaign_id AND k.lo = v.lo AND k.epoch = v.epoch AND k.state IN (1, 8, 9) AND k.lo = ANY ($2::int[])
RETURNING k.campaign_id, k.lo, k.epoch, k.state;

-- name: give_back
-- Return a leased chunk whose marked rows are all recorded, so that another node may go on with the rest. While one is
-- not (its record is still on the way), the chunk stays leased: who takes over an ended lease finds what is unknown.
WITH k AS (
    SELECT seqs, coalesce(seqs, ARRAY(SELECT generate_series(lo, marked_to))) AS marked FROM chunk
    WHERE campaign_id = $1 AND lo = $2 AND epoch = $3 AND state = 1 FOR NO KEY UPDATE)
UPDATE chunk SET state = 0, node = NULL, lease_until = NULL
FROM k WHERE chunk.campaign_id = $1 AND chunk.lo = $2 AND NOT EXISTS (
    SELECT FROM delivery d WHERE d.campaign_id = $1 AND d.seq = ANY ((SELECT marked FROM k)::int[])
      AND d.state = CASE WHEN k.seqs IS NULL THEN 0 ELSE 1 END)
RETURNING chunk.lo;

-- name: record_outcomes
-- What the peers answered, for one campaign and channel: rows, message ids, retries, finished chunks, counts; fenced by
-- the chunk's epoch. $9 holds due times of those to be sent again (NULL: not again). A recorded row leaves the list of
-- its retry chunk: it waits, if at all, in one place only. Message ids are kept even of a fenced holder, because the
-- receipts that follow resolve what is unknown.
WITH v AS (SELECT * FROM unnest($4::int[], $5::int[], $6::bool[]) AS v (lo, epoch, done)),
h AS (
    SELECT k.lo, k.transport, k.entity_id, k.marked_to, k.seqs, v.done FROM v
    JOIN chunk k ON k.campaign_id = $1 AND k.lo = v.lo AND k.epoch = v.epoch AND k.state IN (1, 8, 9)
    WHERE k.lo = ANY ($4::int[]) FOR NO KEY UPDATE OF k),
c AS (
    UPDATE chunk k SET state = CASE WHEN h.done AND k.state = 1 THEN 2 ELSE k.state END,
        seqs = CASE WHEN h.seqs IS NOT NULL THEN ARRAY(
            SELECT unnest(h.seqs) EXCEPT SELECT t.seq FROM unnest($7::int[], $8::int[]) AS t (seq, lo) WHERE t.lo = h.lo) END
    FROM h WHERE k.campaign_id = $1 AND k.lo = h.lo AND k.lo = ANY ($4::int[])),
u AS (
    SELECT u.*, h.transport, h.entity_id
    FROM unnest($7::int[], $8::int[], $9::timestamptz[], $10::smallint[], $11::smallint[], $12::int[], $13::text[])
         AS u (seq, lo, due, state, flag, code, detail)
    JOIN h ON h.lo = u.lo
      AND CASE WHEN h.seqs IS NULL THEN u.seq BETWEEN h.lo AND h.marked_to ELSE u.seq = ANY (h.seqs) END),
x AS (
    UPDATE delivery d SET state = u.state, flags = d.flags & ~4 | (u.flag & 7), code = u.code, detail = u.detail,
        attempt = d.attempt + CASE WHEN u.flag & 8 = 8 THEN 0 ELSE 1 END,
        submitted_at = CASE WHEN u.state = 2 THEN now() ELSE d.submitted_at END,
        done_at = CASE WHEN u.state IN (4, 5, 6) OR u.flag & 4 = 4 THEN now() END
    FROM u WHERE d.campaign_id = $1 AND d.seq = u.seq AND d.state = CASE WHEN u.lo > 0 THEN 0 ELSE 1 END
    RETURNING d.seq, d.state, u.flag, u.due, u.transport, u.entity_id),
r AS (
    INSERT INTO retry (campaign_id, seq, entity_id, channel, transport, not_before)
    SELECT $1, x.seq, x.entity_id, $2, x.transport, x.due FROM x WHERE x.due IS NOT NULL
    ON CONFLICT (campaign_id, seq) DO UPDATE SET not_before = EXCLUDED.not_before),
m AS (
    INSERT INTO msgref (provider, mask, campaign_id, seq, parts, msg_id)
    SELECT m.provider, m.mask, $1, m.seq, m.parts, m.msg_id
    FROM unnest($14::smallint[], $15::int[], $16::int[], $17::smallint[], $18::text[])
         AS m (provider, mask, seq, parts, msg_id)),
n AS (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 2) AS submitted,
        count(*) FILTER (WHERE state = 2 AND flag & 4 = 0) AS awaiting,
        count(*) FILTER (WHERE state = 4) AS failed, count(*) FILTER (WHERE state = 5) AS cancelled,
        count(*) FILTER (WHERE state = 6) AS expired, count(*) FILTER (WHERE state = 7) AS retry_wait,
        count(*) FILTER (WHERE state = 8) AS unknown
    FROM x),
p AS (
    UPDATE progress SET in_flight = in_flight - n.total, submitted = progress.submitted + n.submitted,
        awaiting = progress.awaiting + n.awaiting, failed = progress.failed + n.failed,
        cancelled = progress.cancelled + n.cancelled, expired = progress.expired + n.expired,
        retry_wait = progress.retry_wait + n.retry_wait, unknown = progress.unknown + n.unknown
    FROM n WHERE campaign_id = $1 AND channel = $2 AND shard = $3)
SELECT n.total, n.submitted, n.failed, n.cancelled, n.expired, n.unknown, n.retry_wait FROM n;

-- name: record_belated
-- What the peers answered after their rows were recorded as unknown: no lease guards these, their states do. Taken: the
-- row is submitted, and a second try that waits does not begin; one that began and waits again ($5, 7) is spared, too, and
-- one in flight (1) goes on. Refused: only while the try that was refused is the last one that was recorded ($10). A row
-- whose second try had not begun is no possible duplicate any more. Message ids are kept in any case, for the receipts.
WITH u AS (
    SELECT DISTINCT ON (u.seq) u.* FROM unnest(
        $4::int[], $5::timestamptz[], $6::smallint[], $7::smallint[], $8::int[], $9::text[], $10::int[])
        AS u (seq, due, state, flag, code, detail, tries) ORDER BY u.seq, u.state),
l AS MATERIALIZED (
    SELECT s.seq FROM chunk k CROSS JOIN LATERAL unnest(k.seqs) AS s (seq)
    WHERE k.campaign_id = $1 AND k.lo < 0 AND k.state IN (0, 1) AND k.seqs && $4::int[]),
o AS MATERIALIZED (
    SELECT d.campaign_id, d.seq, d.state AS was, u.due, u.flag, u.code, u.detail, d.transport, d.entity_id,
        d.seq IN (SELECT seq FROM l) AS listed,
        CASE WHEN u.state = 7 AND c.state IN ('closing', 'closed') THEN 4::smallint ELSE u.state END AS next
    FROM u JOIN campaign c ON c.id = $1 CROSS JOIN LATERAL (
        SELECT * FROM delivery d WHERE d.campaign_id = $1 AND d.seq = u.seq
          AND CASE WHEN u.state = 2 THEN d.state IN (7, 8) ELSE d.state = 8 AND d.attempt = u.tries END
        FOR NO KEY UPDATE OFFSET 0) d),
s AS MATERIALIZED (
    SELECT o.*, o.was = 8 AND (o.listed OR EXISTS (
        SELECT FROM retry r WHERE r.campaign_id = $1 AND r.seq = o.seq OFFSET 0)) AS spared FROM o),
x AS (
    UPDATE delivery d SET state = s.next, code = s.code, detail = s.detail,
        flags = (d.flags & ~4 | (s.flag & 4)) & CASE WHEN s.spared THEN ~1 ELSE ~0 END,
        submitted_at = CASE WHEN s.next = 2 THEN now() ELSE d.submitted_at END,
        done_at = CASE WHEN s.next IN (4, 6) OR s.flag & 4 = 4 THEN now() END
    FROM s WHERE d.campaign_id = s.campaign_id AND d.seq = s.seq
    RETURNING d.seq, s.was, s.next, s.flag, s.due, s.listed, d.transport, d.entity_id),
w AS (
    DELETE FROM retry r USING x WHERE r.campaign_id = $1 AND r.seq = x.seq AND x.next <> 7),
r AS (
    INSERT INTO retry (campaign_id, seq, entity_id, channel, transport, not_before)
    SELECT $1, x.seq, x.entity_id, $2, x.transport, x.due FROM x WHERE x.next = 7 AND NOT x.listed
    ON CONFLICT (campaign_id, seq) DO UPDATE SET not_before = EXCLUDED.not_before),
m AS (
    INSERT INTO msgref (provider, mask, campaign_id, seq, parts, msg_id)
    SELECT m.provider, m.mask, $1, m.seq, m.parts, m.msg_id
    FROM unnest($11::smallint[], $12::int[], $13::int[], $14::smallint[], $15::text[])
         AS m (provider, mask, seq, parts, msg_id)),
n AS (
    SELECT count(*) AS total, count(*) FILTER (WHERE next = 2) AS submitted,
        count(*) FILTER (WHERE next = 2 AND flag & 4 = 0) AS awaiting, count(*) FILTER (WHERE next = 4) AS failed,
        count(*) FILTER (WHERE next = 6) AS expired, count(*) FILTER (WHERE next = 7) AS retry_wait,
        count(*) FILTER (WHERE was = 8) AS from_unknown, count(*) FILTER (WHERE was = 7) AS from_retry
    FROM x),
p AS (
    UPDATE progress SET unknown = progress.unknown - n.from_unknown, submitted = progress.submitted + n.submitted,
        awaiting = progress.awaiting + n.awaiting, failed = progress.failed + n.failed,
        expired = progress.expired + n.expired, retry_wait = progress.retry_wait + n.retry_wait - n.from_retry
    FROM n WHERE campaign_id = $1 AND channel = $2 AND shard = $3 AND n.total > 0)
SELECT n.total, n.submitted, n.failed, 0::bigint AS cancelled, n.expired, 0::bigint AS unknown, n.retry_wait FROM n;

-- name: chunks_lost
-- Of the chunks $2 that were held under the epochs $3, those that somebody else has taken over.
SELECT v.lo, v.epoch FROM unnest($2::int[], $3::int[]) AS v (lo, epoch)
EXCEPT SELECT k.lo, k.epoch FROM chunk k WHERE k.campaign_id = $1 AND k.lo = ANY ($2::int[]);

-- name: end_replaced
-- SMS that gave way to a later text of campaign $1 at their provider before they arrived ($2, $3: its messages, whose ids
-- are the same): cancelled. Their receipts are the later ones' from now on.
WITH m AS MATERIALIZED (
    SELECT m.campaign_id, m.seq FROM unnest($2::smallint[], $3::text[]) AS u (provider, msg_id)
    CROSS JOIN LATERAL (
        SELECT campaign_id, seq FROM msgref
        WHERE msg_id = u.msg_id AND provider = u.provider AND campaign_id <> $1 AND mask = 1 OFFSET 0) m),
o AS MATERIALIZED (
    SELECT d.campaign_id, d.seq, d.flags FROM m CROSS JOIN LATERAL (
        SELECT * FROM delivery d WHERE d.campaign_id = m.campaign_id AND d.seq = m.seq AND d.state = 2
        FOR NO KEY UPDATE OFFSET 0) d),
x AS (
    UPDATE delivery d SET state = 5, detail = 'replaced', done_at = now()
    FROM o WHERE d.campaign_id = o.campaign_id AND d.seq = o.seq RETURNING d.campaign_id, o.flags),
n AS (
    SELECT campaign_id, count(*) AS total, count(*) FILTER (WHERE flags & 4 = 0) AS awaited FROM x GROUP BY campaign_id),
p AS (
    UPDATE progress SET submitted = progress.submitted - n.total, awaiting = progress.awaiting - n.awaited,
        cancelled = progress.cancelled + n.total
    FROM n WHERE progress.campaign_id = n.campaign_id AND progress.channel = 1 AND progress.shard = $4
      AND progress.campaign_id = ANY (ARRAY(SELECT n.campaign_id FROM n)))
SELECT coalesce(sum(total), 0)::bigint AS ended FROM n;

-- name: record_accepted
-- The usual case of record_outcomes at half its cost: first tries out of range chunks that one peer took with the same
-- words ($8 flags, $9 code, $10 detail), each with one message id ($12, empty: none). All or nothing: when one of the
-- chunks is not this holder's any more nothing is written, `ours` is false, and record_outcomes is to decide by row. Rows and ids come as
-- one text each: the driver looks at every element of an array three times.
WITH h AS (
    SELECT k.lo, v.done FROM unnest($4::int[], $5::int[], $6::bool[]) AS v (lo, epoch, done)
    JOIN chunk k ON k.campaign_id = $1 AND k.lo = v.lo AND k.epoch = v.epoch AND k.state IN (1, 8, 9)
    WHERE k.lo = ANY ($4::int[]) FOR NO KEY UPDATE OF k),
o AS MATERIALIZED (SELECT count(*) = cardinality($4::int[]) AS ours FROM h),
c AS (
    UPDATE chunk k SET state = 2 FROM h
    WHERE k.campaign_id = $1 AND k.lo = h.lo AND k.lo = ANY ($4::int[]) AND h.done AND k.state = 1 AND (SELECT ours FROM o)),
x AS (
    UPDATE delivery d SET state = 2, flags = d.flags & ~4 | $8::smallint, code = $9::int, detail = $10::text,
        attempt = d.attempt + 1, submitted_at = now(), done_at = CASE WHEN $8 & 4 = 4 THEN now() END
    WHERE d.campaign_id = $1 AND d.seq = ANY ($7::text::int[]) AND d.state = 0 AND (SELECT ours FROM o)
    RETURNING 1),
m AS (
    INSERT INTO msgref (provider, mask, campaign_id, seq, parts, msg_id)
    SELECT $11::smallint, 1, $1, m.seq, 1, m.msg_id FROM unnest($7::text::int[], string_to_array($12::text, chr(31))) AS m (seq, msg_id)
    WHERE m.msg_id IS NOT NULL AND (SELECT ours FROM o)),
n AS (SELECT count(*) AS total FROM x),
p AS (
    UPDATE progress SET in_flight = in_flight - n.total, submitted = progress.submitted + n.total,
        awaiting = progress.awaiting + CASE WHEN $8 & 4 = 0 THEN n.total ELSE 0 END
    FROM n WHERE campaign_id = $1 AND channel = $2 AND shard = $3 AND n.total > 0)
SELECT o.ours, n.total FROM o, n;

-- name: record_arrived
-- The usual case of record_receipts: the one and only receipt of messages of one part that are submitted (2), whose rows
-- are known without asking msgref, and which all say the same ($3 state, $4 code). Rows that are in another state are left
-- to record_receipts and come back in `left_over`.
WITH x AS (
    UPDATE delivery d SET parts_got = CASE WHEN $3 = 3 THEN 1 ELSE d.parts_got END, state = $3::smallint, code = $4::int,
        done_at = now()
    WHERE d.campaign_id = $1 AND d.seq = ANY ($2::text::int[]) AND d.state = 2
    RETURNING d.seq, d.flags, d.submitted_at),
n AS (
    SELECT count(*) AS total, count(*) FILTER (WHERE flags & 4 = 0) AS answered FROM x),
p AS (
    UPDATE progress SET submitted = progress.submitted - n.total, awaiting = progress.awaiting - n.answered,
        delivered = progress.delivered + CASE WHEN $3 = 3 THEN n.total ELSE 0 END,
        failed = progress.failed + CASE WHEN $3 = 4 THEN n.total ELSE 0 END,
        expired = progress.expired + CASE WHEN $3 = 6 THEN n.total ELSE 0 END
    FROM n WHERE campaign_id = $1 AND channel = 1 AND shard = $5 AND n.total > 0)
SELECT n.total, ARRAY(SELECT extract(epoch FROM now() - submitted_at)::float8 FROM x LIMIT 16) AS ages_s,
    CASE WHEN n.total < cardinality($2::text::int[]) THEN ARRAY(SELECT unnest($2::text::int[]) EXCEPT SELECT seq FROM x) END AS left_over
FROM n;

-- name: note_submit
-- First and last submission of a campaign, once per batch; the seconds from acceptance when it is the first.
UPDATE campaign SET first_submit_at = coalesce(first_submit_at, now()), last_submit_at = now() WHERE id = $1
RETURNING CASE WHEN first_submit_at = now() THEN extract(epoch FROM now() - created_at)::float8 END AS first_after_s;

-- name: record_receipts
-- Receipts of one provider: found by message id (the lateral join with OFFSET 0 pins the order: index first), parts
-- joined, one change per delivery; that every part arrived outweighs all other news. Also resolves unknown rows and rows
-- waiting for a second try; bad news of a row in flight again (1) are of an earlier try. A receipt that asks for another
-- try (7: busy, no answer) does so once (a msgref of mask 0 remembers it, for providers repeat themselves), and is the
-- end after $8 attempts, in a closed campaign, or when the next try would come after the alert's end. Who may have heard
-- some of a call ($10) is marked (8), for whoever corrects or ends the alert.
WITH u AS (
    SELECT * FROM unnest($2::text[], $3::smallint[], $4::int[], $5::timestamptz[], $9::text[], $10::bool[])
        AS u (msg_id, kind, code, due, detail, heard)),
f AS MATERIALIZED (
    SELECT m.campaign_id, m.seq, m.mask, m.parts, u.msg_id, u.kind, u.code, u.due, u.detail, u.heard,
        m.mask <> 0 AND NOT (u.kind = 7 AND m.ended) AS news FROM u
    LEFT JOIN LATERAL (
        SELECT campaign_id, seq, mask, parts, bool_or(mask = 0) OVER () AS ended FROM msgref
        WHERE msg_id = u.msg_id AND provider = $1 OFFSET 0) m ON true),
e AS (
    INSERT INTO msgref (provider, mask, campaign_id, seq, parts, msg_id)
    SELECT DISTINCT $1, 0, campaign_id, seq, 0::smallint, msg_id FROM f WHERE news AND kind = 7),
g AS MATERIALIZED (
    SELECT campaign_id, seq, max(parts) AS parts, coalesce(bit_or(mask) FILTER (WHERE kind = 3), 0) AS got,
        min(kind) FILTER (WHERE kind <> 3) AS bad, max(code) AS code, max(due) AS due,
        max(detail) AS detail, bool_or(heard) AS heard
    FROM f WHERE news GROUP BY campaign_id, seq),
o AS MATERIALIZED (
    SELECT d.campaign_id, d.seq, d.state, d.flags, d.channel, d.transport, d.entity_id, d.parts_got | g.got AS got, g.code, g.due, g.detail, g.heard,
        CASE WHEN (d.parts_got | g.got) & ((1 << g.parts) - 1) = (1 << g.parts) - 1 THEN 3::smallint
             WHEN d.state = 1 OR (d.state = 7 AND g.bad = 7) THEN NULL
             WHEN g.bad = 7 AND d.attempt >= $8 THEN 4::smallint
             WHEN g.bad = 7 THEN (
                 SELECT CASE WHEN c.state = 'closed' THEN 4 WHEN g.due >= c.expires_at THEN 6 ELSE 7 END
                 FROM campaign c WHERE c.id = g.campaign_id)::smallint
             ELSE g.bad END AS next
    FROM g CROSS JOIN LATERAL (
        SELECT * FROM delivery d WHERE d.campaign_id = g.campaign_id AND d.seq = g.seq
          AND d.state IN (0, 1, 2, 7, 8) FOR NO KEY UPDATE OFFSET 0) d),
x AS (
    UPDATE delivery d SET parts_got = o.got, state = coalesce(o.next, d.state),
        flags = d.flags | CASE WHEN d.channel = 2 AND o.heard THEN 8 ELSE 0 END,
        code = CASE WHEN o.next IS NULL THEN d.code ELSE o.code END,
        detail = CASE WHEN o.next IS NULL OR d.channel <> 2 THEN d.detail ELSE o.detail END,
        done_at = CASE WHEN o.next IN (3, 4, 6) THEN now() ELSE d.done_at END
    FROM o WHERE d.campaign_id = o.campaign_id AND d.seq = o.seq
    RETURNING d.campaign_id, d.seq, d.channel, d.transport, d.entity_id, o.state AS was, o.flags, o.next, o.due,
        extract(epoch FROM now() - coalesce(d.submitted_at, now()))::float8 AS age_s),
w AS (
    DELETE FROM retry r USING x
    WHERE r.campaign_id = x.campaign_id AND r.seq = x.seq AND x.was IN (7, 8) AND x.next IN (3, 4, 6)),
y AS (
    INSERT INTO retry (campaign_id, seq, entity_id, channel, transport, not_before)
    SELECT campaign_id, seq, entity_id, channel, transport, due FROM x
    WHERE next = 7 AND (was <> 8 OR NOT EXISTS (
        SELECT FROM chunk k WHERE k.campaign_id = x.campaign_id AND k.lo < 0 AND k.state <> 2 AND x.seq = ANY (k.seqs)))
    ON CONFLICT (campaign_id, seq) DO UPDATE SET not_before = EXCLUDED.not_before),
n AS (
    SELECT campaign_id, channel,
        count(*) FILTER (WHERE next = 3) AS delivered, count(*) FILTER (WHERE next = 4) AS failed,
        count(*) FILTER (WHERE next = 6) AS expired, count(*) FILTER (WHERE next = 7) AS retried,
        count(*) FILTER (WHERE was = 2) AS from_submitted, count(*) FILTER (WHERE was = 2 AND flags & 4 = 0) AS answered,
        count(*) FILTER (WHERE was = 8) AS from_unknown, count(*) FILTER (WHERE was = 7) AS from_retry,
        count(*) FILTER (WHERE was IN (0, 1)) AS from_flight
    FROM x WHERE next IS NOT NULL GROUP BY campaign_id, channel),
p AS (
    UPDATE progress SET delivered = progress.delivered + n.delivered, failed = progress.failed + n.failed,
        expired = progress.expired + n.expired, submitted = progress.submitted - n.from_submitted,
        awaiting = progress.awaiting - n.answered, unknown = progress.unknown - n.from_unknown,
        retry_wait = progress.retry_wait + n.retried - n.from_retry, in_flight = progress.in_flight - n.from_flight
    FROM n WHERE progress.campaign_id = n.campaign_id AND progress.channel = n.channel AND progress.shard = $6
      AND progress.campaign_id = ANY (ARRAY(SELECT n.campaign_id FROM n))),
q AS (
    INSERT INTO receipt_orphan (provider, msg_id, kind, code)
    SELECT $1, msg_id, kind, code FROM f WHERE $7 AND campaign_id IS NULL)
SELECT channel, count(*) FILTER (WHERE next = 3) AS delivered, count(*) FILTER (WHERE next = 4) AS failed,
    count(*) FILTER (WHERE next = 6) AS expired, count(*) FILTER (WHERE next = 7) AS retried,
    (array_agg(age_s) FILTER (WHERE next = 3))[1:16] AS ages_s
FROM x WHERE next IS NOT NULL GROUP BY channel;

-- name: put_lengths
-- How long calls of provider $1 were answered, begun seconds counted whole; what is known already stays.
INSERT INTO call_length (provider, call_id, seconds) SELECT $1, u.call_id, u.seconds
FROM unnest($2::text[], $3::int[]) AS u (call_id, seconds) ON CONFLICT DO NOTHING;

-- name: forget_lengths
-- Lengths of calls that are older than what was sent is kept.
DELETE FROM call_length WHERE at < now() - $1::interval;

-- name: take_orphans
-- Receipts that found no submission, whose submission has been recorded since: taken out to be matched again.
DELETE FROM receipt_orphan o
USING (SELECT o.ctid FROM receipt_orphan o
       WHERE EXISTS (SELECT FROM msgref m WHERE m.msg_id = o.msg_id AND m.provider = o.provider OFFSET 0)
       LIMIT 500 FOR UPDATE SKIP LOCKED) f
WHERE o.ctid = f.ctid
RETURNING o.provider, o.msg_id, o.kind, o.code;

-- name: forget_orphans
-- Receipts that found no submission for so long that none will come.
DELETE FROM receipt_orphan WHERE at < now() - $1::interval;

-- name: forget_deliveries
-- Drop the oldest deliveries that may be forgotten: one partition a call; NULL: there is none.
SELECT forget_deliveries($1::interval);

-- name: expired_leases
-- Chunks whose holder is gone: leases past their end (or that end later than any may, 300 s: they were made by a clock
-- that was ahead), or all of node $1 when it has just started.
SELECT k.campaign_id, k.lo, c.message_class = 'urgent' AS urgent
FROM campaign c JOIN chunk k ON k.campaign_id = c.id
WHERE c.state <> 'closed' AND k.state = 1
  AND (k.lease_until < now() OR k.lease_until > now() + interval '6 minutes' OR ($2 AND k.node = $1))
LIMIT 200;

-- name: recover_chunk
-- Take a chunk from a dead holder. Rows that were marked and not recorded are unknown: $5 (urgent) has them sent once
-- more after $6, flagged as possible duplicate; the rest is ready again under a new epoch. What became unknown leaves the
-- list of a retry chunk, or its next holder would send it at once, and again.
WITH k AS (
    SELECT campaign_id, lo, channel, transport, entity_id, seqs,
        coalesce(seqs, ARRAY(SELECT generate_series(lo, marked_to))) AS marked FROM chunk
    WHERE campaign_id = $1 AND lo = $2 AND state = 1
      AND (lease_until < now() OR lease_until > now() + interval '6 minutes' OR ($4 AND node = $3)) FOR UPDATE),
o AS (
    SELECT d.seq, d.flags & 1 = 0 AS first FROM k JOIN delivery d ON d.campaign_id = $1
      AND d.seq = ANY ((SELECT marked FROM k)::int[]) AND d.state = CASE WHEN k.seqs IS NULL THEN 0 ELSE 1 END
    FOR NO KEY UPDATE OF d),
x AS (
    UPDATE delivery d SET state = 8, flags = d.flags | CASE WHEN $5 THEN 1 ELSE 0 END, attempt = d.attempt + 1
    FROM o WHERE d.campaign_id = $1 AND d.seq = o.seq
    RETURNING d.seq, o.first),
r AS (
    INSERT INTO retry (campaign_id, seq, entity_id, channel, transport, not_before)
    SELECT k.campaign_id, x.seq, k.entity_id, k.channel, k.transport, now() + $6::interval
    FROM x, k WHERE $5 AND x.first ON CONFLICT DO NOTHING),
c AS (
    UPDATE chunk SET state = 0, node = NULL, lease_until = NULL, epoch = chunk.epoch + 1,
        seqs = CASE WHEN k.seqs IS NOT NULL THEN ARRAY(SELECT unnest(k.seqs) EXCEPT SELECT seq FROM o) END
    FROM k WHERE chunk.campaign_id = k.campaign_id AND chunk.lo = k.lo),
p AS (
    UPDATE progress SET in_flight = in_flight - (SELECT count(*) FROM x), unknown = unknown + (SELECT count(*) FROM x)
    WHERE campaign_id = $1 AND channel = (SELECT channel FROM k) AND shard = $7)
SELECT k.channel, (SELECT count(*) FROM x) AS unknown FROM k;

-- name: due_retries
-- Deliveries whose time has come, made into new chunks that list their rows; one chunk per campaign and lane.
WITH due AS (
    DELETE FROM retry r USING (
        SELECT r.campaign_id, r.seq FROM retry r JOIN campaign c ON c.id = r.campaign_id
        WHERE r.not_before <= now() AND c.state = 'sending' AND c.expires_at > now()
        ORDER BY r.not_before LIMIT $1 FOR UPDATE OF r SKIP LOCKED) d
    WHERE r.campaign_id = d.campaign_id AND r.seq = d.seq
    RETURNING r.campaign_id, r.seq, r.entity_id, r.channel, r.transport)
INSERT INTO chunk (campaign_id, lo, hi, entity_id, channel, transport, exercise_group, seqs)
SELECT d.campaign_id, -nextval('retry_chunk')::int, 0, min(d.entity_id), d.channel, d.transport,
    bool_and(d.transport = 1 AND c.mode = 'exercise'), array_agg(d.seq ORDER BY d.seq)
FROM due d JOIN campaign c ON c.id = d.campaign_id
GROUP BY d.campaign_id, d.channel, d.transport, d.seq / 100000
RETURNING campaign_id;

-- name: hasten_retries
-- After the clock was set back: what waits longer than any rule says ($1) was put down by a clock that was ahead.
UPDATE retry SET not_before = now() WHERE not_before > now() + $1::interval;

-- name: withdraw_chunks
-- Stop ($2 = 9) or expire ($2 = 8) what is not marked: no row of these chunks can be marked from this commit on.
UPDATE chunk SET state = $2 WHERE campaign_id = $1 AND state IN (0, 1) RETURNING lo;

-- name: sweep_chunk
-- Give the rows of one withdrawn chunk their end; those marked before are recorded or become unknown by the next sweep.
WITH k AS (
    SELECT campaign_id, lo, channel, seqs, state,
        coalesce(seqs, ARRAY(SELECT generate_series(lo, marked_to))) AS marked,
        coalesce(seqs, ARRAY(SELECT generate_series(greatest(lo, marked_to + 1), hi))) AS held FROM chunk
    WHERE campaign_id = $1 AND state IN (8, 9) ORDER BY lo LIMIT $3 FOR UPDATE SKIP LOCKED),
o AS (
    SELECT d.seq, d.state AS was, k.state AS why, k.channel FROM k JOIN delivery d ON d.campaign_id = k.campaign_id
      AND d.seq = ANY (k.held) AND d.state = CASE WHEN k.seqs IS NULL THEN 0 ELSE 7 END
    FOR NO KEY UPDATE OF d),
x AS (
    UPDATE delivery d SET state = CASE WHEN o.why = 9 THEN 5 ELSE 6 END, done_at = now()
    FROM o WHERE d.campaign_id = $1 AND d.seq = o.seq RETURNING d.seq),
c AS (
    UPDATE chunk SET state = 2 FROM k
    WHERE chunk.campaign_id = k.campaign_id AND chunk.lo = k.lo AND NOT EXISTS (
        SELECT FROM delivery d WHERE d.campaign_id = k.campaign_id AND d.seq = ANY (k.marked)
          AND d.state = CASE WHEN k.seqs IS NULL THEN 0 ELSE 1 END)),
n AS (
    SELECT channel, count(*) FILTER (WHERE was = 0) AS queued, count(*) FILTER (WHERE was = 7) AS retried,
        count(*) FILTER (WHERE why = 9) AS cancelled, count(*) FILTER (WHERE why = 8) AS expired
    FROM o GROUP BY channel),
p AS (
    UPDATE progress SET queued = progress.queued - n.queued, retry_wait = progress.retry_wait - n.retried,
        cancelled = progress.cancelled + n.cancelled, expired = progress.expired + n.expired
    FROM n WHERE progress.campaign_id = $1 AND progress.channel = n.channel AND progress.shard = $2)
SELECT (SELECT count(*) FROM k) AS chunks, (SELECT count(*) FROM x) AS rows;

-- name: sweep_lost
-- Marked rows of withdrawn chunks whose holder is gone and whose answer will not come: unknown.
WITH k AS (
    SELECT campaign_id, channel, seqs, coalesce(seqs, ARRAY(SELECT generate_series(lo, marked_to))) AS marked FROM chunk
    WHERE campaign_id = $1 AND state IN (8, 9) AND (lease_until IS NULL OR lease_until NOT BETWEEN now() AND now() + interval '6 minutes')
      AND (seqs IS NOT NULL OR marked_to >= lo)
    FOR UPDATE SKIP LOCKED),
x AS (
    UPDATE delivery d SET state = 8, attempt = d.attempt + 1
    FROM k WHERE d.campaign_id = k.campaign_id AND d.seq = ANY (k.marked)
      AND d.state = CASE WHEN k.seqs IS NULL THEN 0 ELSE 1 END
    RETURNING k.channel),
n AS (SELECT channel, count(*) AS lost FROM x GROUP BY channel),
p AS (
    UPDATE progress SET in_flight = progress.in_flight - n.lost, unknown = progress.unknown + n.lost
    FROM n WHERE progress.campaign_id = $1 AND progress.channel = n.channel AND progress.shard = $2)
SELECT coalesce(sum(lost), 0)::bigint AS lost FROM n;

-- name: sweep_retries
-- Deliveries that waited for another try when their campaign was stopped or expired; the unknown ones stay unknown.
WITH r AS (DELETE FROM retry WHERE campaign_id = $1 RETURNING seq),
x AS (
    UPDATE delivery d SET state = $2, done_at = now()
    WHERE d.campaign_id = $1 AND d.seq = ANY (ARRAY(SELECT seq FROM r)) AND d.state = 7 RETURNING d.channel),
n AS (SELECT channel, count(*) AS rows FROM x GROUP BY channel),
p AS (
    UPDATE progress SET retry_wait = progress.retry_wait - n.rows,
        cancelled = progress.cancelled + CASE WHEN $2 = 5 THEN n.rows ELSE 0 END,
        expired = progress.expired + CASE WHEN $2 = 6 THEN n.rows ELSE 0 END
    FROM n WHERE progress.campaign_id = $1 AND progress.channel = n.channel AND progress.shard = $3)
SELECT coalesce(sum(rows), 0)::bigint AS rows FROM n;

-- name: reserve_starts
-- The next slots of one grid for all nodes, one period apart; those that nobody took are lost when they are older than $3.
-- When the clock was set back since somebody last asked, what was given out ahead then stays ahead now.
UPDATE rate_gate g SET next_at = s.first + $2::int * g.period, asked_at = clock_timestamp()
FROM (
    SELECT CASE WHEN asked_at > clock_timestamp() THEN clock_timestamp() + greatest(next_at - asked_at, '0')
                ELSE greatest(next_at, clock_timestamp() - $3::interval) END AS first
    FROM rate_gate WHERE name = $1 FOR UPDATE) s
WHERE g.name = $1
RETURNING s.first, extract(epoch FROM s.first - clock_timestamp())::float8 AS wait_s, extract(epoch FROM g.period)::float8 AS period_s;

-- name: open_gate
-- Make the gate row of a rate, or give it the configured period.
INSERT INTO rate_gate (name, period) VALUES ($1, $2::interval)
ON CONFLICT (name) DO UPDATE SET period = EXCLUDED.period;
