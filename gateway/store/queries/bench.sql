-- What a capacity run reads after its campaign: when deliveries were recorded, to the row.

-- name: bench_spans
-- By channel: the first and last recorded submission, the last recorded end, and how many reached a peer.
SELECT d.channel, min(d.submitted_at) AS first_at, max(d.submitted_at) AS last_at, max(d.done_at) AS done_at,
    count(d.submitted_at) AS submitted
FROM delivery d JOIN campaign c ON c.id = d.campaign_id WHERE c.public_id = $1 GROUP BY d.channel ORDER BY d.channel;

-- name: bench_seconds
-- By channel and second since the channel's first recorded submission: submissions recorded in it.
WITH s AS (
    SELECT d.channel, d.submitted_at AS at, min(d.submitted_at) OVER (PARTITION BY d.channel) AS first_at
    FROM delivery d JOIN campaign c ON c.id = d.campaign_id WHERE c.public_id = $1 AND d.submitted_at IS NOT NULL)
SELECT channel, floor(extract(epoch FROM at - first_at))::int AS second, count(*) AS submitted
FROM s GROUP BY channel, second ORDER BY channel, second;

-- name: bench_server
-- The server's version, and its first process.
SELECT current_setting('server_version') AS version, pg_backend_pid() AS session, current_setting('shared_buffers') AS shared_buffers;
