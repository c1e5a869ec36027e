-- name: lock_hub
-- One node at a time counts subscribers, or says what is new; held until the end of the transaction.
SELECT pg_advisory_xact_lock(7230004);

-- name: hub_room
-- How many subscriptions and open requests there are, in all and for one host; requests of a host within 10 minutes.
SELECT
    (SELECT count(*) FROM websub_subscription WHERE expires_at > now()) AS subscribers,
    (SELECT count(*) FROM websub_subscription WHERE expires_at > now() AND host = $1) AS subscribers_of_host,
    (SELECT count(*) FROM websub_request WHERE due_at IS NOT NULL) AS requests,
    (SELECT count(*) FROM websub_request WHERE host = $1 AND asked_at > now() - interval '10 minutes') AS requests_of_host;

-- name: is_subscribed
-- Whether this callback has this topic now.
SELECT EXISTS (SELECT 1 FROM websub_subscription WHERE topic = $1 AND callback = $2 AND expires_at > now());

-- name: replace_requests
-- A later wish of the same callback for the same topic wins over those that are still open.
UPDATE websub_request SET due_at = NULL, settled = 'replaced' WHERE topic = $1 AND callback = $2 AND due_at IS NOT NULL;

-- name: insert_request
-- Keep a wish until its sender was asked.
INSERT INTO websub_request (mode, topic, feed, callback, host, secret, lease_s) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: lease_requests
-- Take wishes that are due, oldest first, for $2 seconds; other nodes pass over them. Who holds one for longer than twice that held
-- it when the clock was ahead.
WITH due AS (
    SELECT id FROM websub_request
    WHERE due_at <= now() AND (leased_until IS NULL OR leased_until NOT BETWEEN now() AND now() + make_interval(secs => 2 * $2))
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE websub_request r SET leased_until = now() + make_interval(secs => $2), epoch = r.epoch + 1, attempts = r.attempts + 1
FROM due WHERE r.id = due.id
RETURNING r.id, r.epoch, r.mode, r.topic, r.callback, r.host, r.secret, r.lease_s, r.attempts;

-- name: settle_requests
-- Write down what became of wishes that this node still holds: a next time, or the end. Returns those that are done.
UPDATE websub_request r SET due_at = s.due, leased_until = NULL, settled = CASE WHEN s.due IS NULL THEN s.settled END
FROM unnest($1::bigint[], $2::int[], $3::timestamptz[], $4::text[]) AS s (id, epoch, due, settled)
WHERE r.id = s.id AND r.epoch = s.epoch AND r.due_at IS NOT NULL
RETURNING r.id, r.settled;

-- name: activate
-- Subscriptions begin or are renewed by confirmed wishes, as far as there is room ($2 in all, $3 a host); returns the wishes.
WITH wish AS (
    SELECT DISTINCT ON (topic, callback) id, topic, feed, callback, host, secret, lease_s FROM websub_request WHERE id = ANY ($1::bigint[]) AND mode = 'subscribe'
    ORDER BY topic, callback, id DESC
), told_apart AS (
    SELECT w.*, EXISTS (SELECT 1 FROM websub_subscription s WHERE s.topic = w.topic AND s.callback = w.callback) AS known
    FROM wish w
), placed AS (
    SELECT t.*, row_number() OVER (PARTITION BY known ORDER BY id) AS nth,
        row_number() OVER (PARTITION BY known, host ORDER BY id) AS nth_of_host
    FROM told_apart t
), fitting AS (
    SELECT p.* FROM placed p
    WHERE p.known
       OR (SELECT count(*) FROM websub_subscription WHERE expires_at > now()) + p.nth <= $2
      AND (SELECT count(*) FROM websub_subscription WHERE expires_at > now() AND host = p.host) + p.nth_of_host <= $3
), begun AS (
    INSERT INTO websub_subscription (topic, feed, callback, host, secret, expires_at)
    SELECT topic, feed, callback, host, secret, now() + make_interval(secs => lease_s) FROM fitting
    ON CONFLICT (topic, callback) DO UPDATE
    SET secret = EXCLUDED.secret, expires_at = EXCLUDED.expires_at, renewed_at = now(), failures = 0,
        due_at = CASE WHEN websub_subscription.due_at IS NULL THEN NULL ELSE now() END
    RETURNING topic, callback
)
SELECT f.id FROM fitting f JOIN begun b ON b.topic = f.topic AND b.callback = f.callback;

-- name: end_by_request
-- Subscriptions end by confirmed wishes; returns the wishes, also those that found nothing to end.
WITH wish AS (
    SELECT id, topic, callback FROM websub_request WHERE id = ANY ($1::bigint[]) AND mode = 'unsubscribe'
), ended AS (
    DELETE FROM websub_subscription s USING wish w WHERE s.topic = w.topic AND s.callback = w.callback
)
SELECT id FROM wish;

-- name: mark_full
-- Wishes that were confirmed when no place was left.
UPDATE websub_request SET settled = 'full' WHERE id = ANY ($1::bigint[]);

-- name: announced
-- What was last said of each feed.
SELECT name, digest FROM websub_feed;

-- name: announce
-- Feeds that changed have a new edition, and every subscriber of theirs wants it. Who failed before keeps its pause.
WITH changed AS (
    INSERT INTO websub_feed (name, digest) SELECT * FROM unnest($1::text[], $2::bytea[])
    ON CONFLICT (name) DO UPDATE SET digest = EXCLUDED.digest, edition = websub_feed.edition + 1, changed_at = now()
    WHERE websub_feed.digest <> EXCLUDED.digest
    RETURNING name, edition
)
UPDATE websub_subscription s
SET wanted = c.edition, due_at = CASE WHEN s.failures > 0 AND s.due_at > now() THEN s.due_at ELSE now() END
FROM changed c WHERE s.feed = c.name AND s.expires_at > now()
RETURNING s.id;

-- name: lease_deliveries
-- Take subscribers that wait for content, for $2 seconds, those that answered last time first; other nodes pass over them.
WITH due AS (
    SELECT id FROM websub_subscription
    WHERE due_at <= now() AND expires_at > now() AND (leased_until IS NULL OR leased_until NOT BETWEEN now() AND now() + make_interval(secs => 2 * $2))
    ORDER BY failures, due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE websub_subscription s SET leased_until = now() + make_interval(secs => $2), epoch = s.epoch + 1
FROM due WHERE s.id = due.id
RETURNING s.id, s.epoch, s.topic, s.feed, s.callback, s.secret, s.failures, s.wanted,
    (SELECT f.digest FROM websub_feed f WHERE f.name = s.feed) AS digest;

-- name: record_deliveries
-- What became of deliveries that this node still holds. A due time means failed for now; without one it has edition
-- `wanted`, and is due again only if a later one was announced meanwhile.
UPDATE websub_subscription s
SET leased_until = NULL,
    failures = CASE WHEN d.due IS NULL THEN 0 ELSE s.failures + 1 END,
    delivered_at = CASE WHEN d.due IS NULL THEN now() ELSE s.delivered_at END,
    due_at = CASE WHEN d.due IS NOT NULL THEN d.due WHEN s.wanted > d.wanted THEN now() END
FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::timestamptz[]) AS d (id, epoch, wanted, due)
WHERE s.id = d.id AND s.epoch = d.epoch;

-- name: drop_subscriptions
-- End subscriptions that this node holds: gone, or silent for too long.
DELETE FROM websub_subscription s USING unnest($1::bigint[], $2::int[]) AS d (id, epoch)
WHERE s.id = d.id AND s.epoch = d.epoch;

-- name: sweep_subscriptions
-- Leases that ran out end their subscriptions.
DELETE FROM websub_subscription WHERE expires_at <= now();

-- name: sweep_requests
-- Wishes are forgotten 10 minutes after they were settled.
DELETE FROM websub_request WHERE due_at IS NULL AND asked_at < now() - interval '10 minutes';

-- name: hub_counts
-- Subscriptions, those that wait for content, those that failed last time, open wishes.
SELECT (SELECT count(*) FROM websub_subscription WHERE expires_at > now()) AS subscribers,
    (SELECT count(*) FROM websub_subscription WHERE due_at IS NOT NULL AND expires_at > now()) AS waiting,
    (SELECT count(*) FROM websub_subscription WHERE failures > 0) AS failing,
    (SELECT count(*) FROM websub_request WHERE due_at IS NOT NULL) AS requests;
