-- Prices, what campaigns used, units paid ahead.

-- name: tariffs
-- Every price, newest first.
SELECT id, channel, prefix, eur, valid_from, valid_until FROM tariff ORDER BY channel, prefix, valid_from DESC;

-- name: tariff_page
-- Prices before number $1, those that were written last first.
SELECT id, channel, prefix, eur, valid_from, valid_until FROM tariff WHERE id < $1 ORDER BY id DESC LIMIT $2;

-- name: put_tariff
-- A price from a day on; nothing comes back when there is one from that day on.
INSERT INTO tariff (channel, prefix, eur, valid_from, valid_until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, prefix, valid_from) DO NOTHING RETURNING id;

-- name: campaign_to_settle
-- What a campaign's ledger depends on; days are those of the zone $2.
SELECT c.entity_id, c.mode, (coalesce(c.first_submit_at, c.created_at) AT TIME ZONE $2)::date AS priced_on,
    (now() AT TIME ZONE $2)::date AS settled_on
FROM campaign c WHERE c.id = $1;

-- name: campaign_usage
-- What a campaign used on live transports, by text and prefix of the number ($2): messages that a peer took or may have
-- taken ($3: words of those that failed afterwards), and of them those sent twice. Of calls, those whose length is known
-- with their started minutes: every attempt that was answered. This runs where hash joins are off (dispatch.sql): what lasted
-- is looked up call by call, and left out of the rest by a list that is hashed. Prefixes are looked for once for all numbers
-- that begin alike (no prefix has more than 8 characters; of those that fit, the longest is the greatest).
WITH lasted AS MATERIALIZED (
    SELECT m.seq, sum(ceil(l.seconds / 60.0))::int AS minutes
    FROM call_length l CROSS JOIN LATERAL (
        SELECT r.campaign_id, r.seq FROM msgref r WHERE r.msg_id = l.call_id AND r.provider = l.provider AND r.mask <> 0 OFFSET 0) m
    WHERE l.at >= (SELECT c.created_at FROM campaign c WHERE c.id = $1) AND m.campaign_id = $1 GROUP BY m.seq),
used AS (
    SELECT d.channel, d.text_key, d.address, d.flags & 1 = 1 AND d.attempt > 1 AS twice, NULL::int AS minutes FROM delivery d
    WHERE d.campaign_id = $1 AND d.transport = 1 AND (d.state IN (2, 3, 8) OR (d.state IN (4, 6) AND d.detail = ANY ($3::text[])))
      AND NOT (d.channel = 2 AND d.seq IN (SELECT l.seq FROM lasted l))
    UNION ALL
    SELECT d.channel, d.text_key, d.address, false, l.minutes FROM lasted l CROSS JOIN LATERAL (
        SELECT * FROM delivery d WHERE d.campaign_id = $1 AND d.seq = l.seq AND d.channel = 2 AND d.transport = 1 OFFSET 0) d),
begun AS (
    SELECT u.channel, u.text_key, CASE WHEN starts_with(u.address, '+') THEN left(u.address, 8) ELSE '' END AS head, count(*) AS messages,
        count(*) FILTER (WHERE u.twice) AS twice, count(u.minutes) AS timed, sum(u.minutes) AS minutes
    FROM used u GROUP BY 1, 2, 3)
SELECT b.channel, b.text_key, coalesce((SELECT max(p) FROM unnest($2::text[]) AS p WHERE starts_with(b.head, p)), '') AS prefix,
    sum(b.messages)::int AS messages, sum(b.twice)::int AS twice, sum(b.timed)::int AS timed,
    coalesce(sum(b.minutes), 0)::int AS minutes
FROM begun b GROUP BY 1, 2, 3 ORDER BY 1, 3, 2;

-- name: packs_to_draw
-- The packs of an entity that can be used on a day, locked until this transaction ends.
SELECT id, units - used AS "left", bought_on, valid_until FROM pack
WHERE entity_id = $1 AND valid_until >= $2 AND used < units ORDER BY id FOR UPDATE;

-- name: put_usage
-- Lines of the ledger; one that is there stays as it is.
INSERT INTO usage_line (campaign_id, entity_id, channel, prefix, messages, units, prepaid, eur, lapsed, priced_on, settled_on)
SELECT $1, $2, u.*, $10, $11
FROM unnest($3::smallint[], $4::text[], $5::int[], $6::int[], $7::int[], $8::numeric[], $9::bool[]) u
ON CONFLICT DO NOTHING;

-- name: put_draws
-- What lines of the ledger took from packs.
WITH d AS (
    INSERT INTO pack_draw (campaign_id, entity_id, channel, prefix, pack_id, units)
    SELECT $1, $2, u.* FROM unnest($3::smallint[], $4::text[], $5::int[], $6::int[]) u RETURNING pack_id, units)
UPDATE pack SET used = used + s.units FROM (SELECT pack_id, sum(units)::int AS units FROM d GROUP BY pack_id) s
WHERE pack.id = s.pack_id;

-- name: usage_of_campaign
-- The ledger of one campaign.
SELECT channel, prefix, messages, units, prepaid, eur, amount, lapsed, priced_on, settled_on FROM usage_line
WHERE campaign_id = $1 ORDER BY channel, prefix;

-- name: usage_between
-- The ledger of an entity from one day to another ($3 is not in it), oldest first, after ($4, $5, $6).
SELECT u.campaign_id, c.public_id AS campaign, a.public_id AS alert, c.mode, c.message_class, u.channel, u.prefix, u.messages, u.units,
    u.prepaid, u.eur, u.amount, u.lapsed, u.priced_on, u.settled_on
FROM usage_line u JOIN campaign c ON c.id = u.campaign_id JOIN alert a ON a.id = c.alert_id
WHERE u.entity_id = $1 AND u.settled_on >= $2 AND u.settled_on < $3 AND (u.campaign_id, u.channel, u.prefix) > ($4::int, $5::smallint, $6::text)
ORDER BY u.campaign_id, u.channel, u.prefix LIMIT $7;

-- name: put_pack
-- Units that an entity paid ahead.
INSERT INTO pack (entity_id, units, bought_on, valid_until, reference) VALUES ($1, $2, $3, $4, $5) RETURNING id;

-- name: packs
-- The packs of an entity with what was drawn from each from one day to another ($3 is not in it), in the order of use.
SELECT p.id, p.units, p.used, p.bought_on, p.valid_until, p.reference, coalesce((
        SELECT sum(d.units) FROM pack_draw d JOIN usage_line u USING (campaign_id, channel, prefix)
        WHERE d.pack_id = p.id AND u.settled_on >= $2 AND u.settled_on < $3), 0)::int AS drawn
FROM pack p WHERE p.entity_id = $1 ORDER BY p.valid_until, p.bought_on, p.id;

-- name: used_since
-- Units that an entity used of what packs pay for, since a day.
SELECT coalesce(sum(units), 0)::int FROM usage_line WHERE entity_id = $1 AND settled_on >= $2 AND channel <> 3;

-- name: running_usage
-- What open campaigns of an entity have used at most until now, from their live counts alone, by channel.
SELECT p.channel, sum(p.planned - p.queued - p.retry_wait - p.cancelled - p.expired)::bigint AS messages, c.id AS campaign_id
FROM campaign c JOIN progress p ON p.campaign_id = c.id
WHERE c.entity_id = $1 AND c.state <> 'closed' AND c.mode = 'live' GROUP BY c.id, p.channel ORDER BY c.id, p.channel;

-- name: low_balance_candidates
-- Entities with packs that were not told about their balance since they last bought some.
SELECT DISTINCT p.entity_id FROM pack p WHERE NOT EXISTS (
    SELECT FROM notice n WHERE n.entity_id = p.entity_id AND n.word = 'low-balance'
      AND n.at > (SELECT max(q.created_at) FROM pack q WHERE q.entity_id = p.entity_id))
ORDER BY p.entity_id;

-- name: waiting_before
-- What waits on the live ($2) or the simulated transports and is as urgent as $1 or more, by channel: units, SMS in parts.
SELECT p.channel, sum((p.queued + p.in_flight + p.retry_wait) * CASE WHEN p.channel = 1 THEN coalesce(t.parts, 1) ELSE 1 END)::bigint AS units
FROM campaign c JOIN progress p ON p.campaign_id = c.id
LEFT JOIN LATERAL (SELECT max(parts) AS parts FROM text WHERE campaign_id = c.id AND channel = p.channel) t ON true
WHERE c.state IN ('planned', 'sending') AND c.priority <= $1 AND (c.mode = 'live') = $2 GROUP BY p.channel;

-- name: alerts_in_force
-- Alerts of one mode that have not ended and were not stopped: an entity's own, and the public ones of others; newest first.
SELECT c.entity_id, c.public_id AS campaign, a.public_id AS alert, a.sender, a.identifier, c.message_class, c.state, c.expires_at, c.plan
FROM campaign c JOIN alert a ON a.id = c.alert_id
WHERE c.mode = $2 AND c.expires_at > $3 AND c.closure IS DISTINCT FROM 'stopped' AND a.msg_type IN ('Alert', 'Update')
  AND (c.entity_id = $1 OR (c.mode = 'live' AND c.released_at IS NOT NULL AND a.scope = 'Public'))
ORDER BY c.id DESC LIMIT 20;
