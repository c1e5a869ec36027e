-- Counts, the end of campaigns, reports, the public feed.

-- name: counts
-- The live counts of campaigns: a sum over a few count rows, never a scan of deliveries.
SELECT campaign_id, channel, sum(planned)::bigint AS planned, (sum(queued) + sum(retry_wait))::bigint AS queued,
    sum(in_flight)::bigint AS in_flight, sum(submitted)::bigint AS submitted, sum(delivered)::bigint AS delivered,
    sum(failed)::bigint AS failed, sum(expired)::bigint AS expired, sum(cancelled)::bigint AS cancelled,
    sum(unknown)::bigint AS unknown, sum(awaiting)::bigint AS awaiting
FROM progress WHERE campaign_id = ANY ($1::int[]) GROUP BY campaign_id, channel ORDER BY campaign_id, channel;

-- name: milestones
-- When shares of the planned deliveries had left.
SELECT channel, percent, at FROM milestone WHERE campaign_id = $1 ORDER BY channel, percent;

-- name: insert_milestones
-- Note that a share has left, once.
INSERT INTO milestone (campaign_id, channel, percent, entity_id)
SELECT $1, * , $4 FROM unnest($2::smallint[], $3::smallint[]) ON CONFLICT DO NOTHING;

-- name: open_campaigns
-- Every campaign that is not closed, with what its end depends on.
SELECT c.id, c.public_id, c.entity_id, c.mode, c.state, c.closure, c.planned, c.message_class, c.expires_at <= now() AS past, c.last_submit_at,
    extract(epoch FROM now() - coalesce(c.last_submit_at, c.created_at))::float8 AS quiet_s,
    EXISTS (SELECT FROM retry r WHERE r.campaign_id = c.id)
        OR EXISTS (SELECT FROM chunk k WHERE k.campaign_id = c.id AND k.lo < 0 AND k.state IN (0, 1)) AS retries,
    EXISTS (SELECT FROM chunk k WHERE k.campaign_id = c.id AND k.state IN (8, 9)) AS withdrawn,
    c.escalate_after IS NOT NULL AND EXISTS (
        SELECT FROM chunk k WHERE k.campaign_id = c.id AND k.channel = 1 AND k.lo > 0 AND NOT k.escalated) AS escalating
FROM campaign c WHERE c.state <> 'closed' ORDER BY c.id;

-- name: queue_depths
-- What waits, by channel and class.
SELECT p.channel, c.message_class, (sum(p.queued) + sum(p.retry_wait))::bigint AS queued
FROM progress p JOIN campaign c ON c.id = p.campaign_id WHERE c.state <> 'closed' GROUP BY p.channel, c.message_class;

-- name: unknown_total
-- What is unknown, by channel, for an hour after the end.
SELECT p.channel, sum(p.unknown)::bigint AS unknown FROM progress p JOIN campaign c ON c.id = p.campaign_id
WHERE c.state <> 'closed' OR c.closed_at > now() - interval '1 hour' GROUP BY p.channel;

-- name: report_rows
-- The one scan of a campaign, at its end: by channel, transport, language, state and reason. Counted by text first, so that
-- not every delivery has to look its language up.
WITH counted AS (
    SELECT d.channel, d.transport, d.text_key, d.state, d.code, d.detail, count(*) AS deliveries,
        count(*) FILTER (WHERE d.flags & 1 = 1) AS resent, count(*) FILTER (WHERE d.attempt > 1) AS retried
    FROM delivery d WHERE d.campaign_id = $1 GROUP BY d.channel, d.transport, d.text_key, d.state, d.code, d.detail)
SELECT c.channel, c.transport, t.language, c.state, c.code, c.detail, sum(c.deliveries)::bigint AS deliveries,
    sum(c.resent)::bigint AS resent, sum(c.retried)::bigint AS retried, sum(c.deliveries * t.parts)::bigint AS parts
FROM counted c JOIN text t ON t.campaign_id = $1 AND t.key = c.text_key
GROUP BY c.channel, c.transport, t.language, c.state, c.code, c.detail
ORDER BY c.channel, c.transport, t.language, c.state, c.code;

-- name: report_times
-- Seconds from acceptance until half, 90 % and 99 % had left and had arrived (date_part: what extract gives is slow to sort).
SELECT d.channel,
    percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY date_part('epoch', d.submitted_at - c.created_at))
        FILTER (WHERE d.submitted_at IS NOT NULL) AS submit_s,
    percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY date_part('epoch', d.done_at - c.created_at))
        FILTER (WHERE d.state = 3) AS deliver_s
FROM delivery d JOIN campaign c ON c.id = d.campaign_id WHERE d.campaign_id = $1 GROUP BY d.channel ORDER BY d.channel;

-- name: insert_report
-- The final report, once and for ever.
INSERT INTO report (campaign_id, entity_id, body) VALUES ($1, $2, $3::jsonb) ON CONFLICT DO NOTHING;

-- name: report_body
-- The final report.
SELECT body, created_at FROM report WHERE campaign_id = $1;

-- name: campaign_facts
-- What the report says of the alert and its campaign.
SELECT c.id, c.public_id, c.mode, c.message_class, c.purpose, c.channels, c.state, c.closure, c.plan, c.created_at, c.expires_at, c.first_submit_at,
    c.last_submit_at, c.closed_at, a.public_id AS alert, a.identifier, a.sender, a.sent, a.msg_type, a.status, a.scope, a.findings,
    e.slug AS entity, e.name AS entity_name, c.entity_id
FROM campaign c JOIN alert a ON a.id = c.alert_id JOIN entity e ON e.id = c.entity_id WHERE c.id = $1;

-- name: provider_id
-- The number of a provider, made at its first use.
INSERT INTO provider (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id;

-- name: node_id
-- The number of a node, made at its first start.
INSERT INTO node (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET started_at = now(), seen_at = now() RETURNING id;

-- name: holder_of
-- The session that holds the lock ($1, the hash of $2) for itself.
SELECT l.pid FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
    AND l.classid::bigint = $1::bigint AND l.objid::bigint = hashtext($2)::bigint & 4294967295
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: nodes_by_duty
-- Of each duty $2, how many nodes are present that have it: each holds the lock ($1, the duty's hash), shared with the others.
SELECT d.duty, count(l.pid) AS nodes
FROM unnest($2::text[]) d (duty) LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
    AND l.classid::bigint = $1::bigint AND l.objid::bigint = hashtext(d.duty)::bigint & 4294967295
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY d.duty;
