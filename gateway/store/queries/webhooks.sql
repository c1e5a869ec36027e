-- Webhooks of entities, and what waits to be told to them.

-- name: webhook_add
-- A system that is to be told.
INSERT INTO webhook (public_id, entity_id, realm, url, events, note, secret) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id;

-- name: webhook_page
-- Webhooks of an entity after the one of the name $2.
SELECT w.id, w.public_id, w.realm, w.url, w.events, w.note, w.created_at, w.delivered_at, w.failures, w.disabled_at, w.disabled_why,
    (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.due_at IS NOT NULL) AS waiting
FROM webhook w WHERE w.entity_id = $1 AND w.id > coalesce((SELECT x.id FROM webhook x WHERE x.public_id = $2 AND x.entity_id = $1), 0)
ORDER BY w.id LIMIT $3;

-- name: webhook_find
-- One webhook of an entity, which nobody else changes until this transaction ends.
SELECT w.id, w.public_id, w.realm, w.url, w.events, w.note, w.created_at, w.delivered_at, w.failures, w.disabled_at, w.disabled_why,
    (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.due_at IS NOT NULL) AS waiting
FROM webhook w WHERE w.entity_id = $1 AND w.public_id = $2 FOR UPDATE OF w;

-- name: webhook_change
-- What is told where; NULL stays. Switched on again ($5) it starts anew, and what waited meanwhile is told.
UPDATE webhook SET url = coalesce($2, url), events = coalesce($3, events), note = coalesce($4, note),
    disabled_at = CASE WHEN $5 THEN NULL WHEN NOT $5 THEN coalesce(disabled_at, now()) ELSE disabled_at END,
    disabled_why = CASE WHEN $5 THEN NULL WHEN NOT $5 THEN coalesce(disabled_why, 'switched off') ELSE disabled_why END,
    failures = CASE WHEN $5 THEN 0 ELSE failures END, failing_since = CASE WHEN $5 THEN NULL ELSE failing_since END
WHERE id = $1;

-- name: webhook_rotate
-- A new secret; deliveries are signed with the old one as well for $3 seconds.
UPDATE webhook SET old_secret = secret, old_until = now() + make_interval(secs => $3), secret = $2 WHERE id = $1
RETURNING old_until;

-- name: webhook_remove
-- Nothing more is told, and what waits is dropped.
DELETE FROM webhook WHERE entity_id = $1 AND public_id = $2 RETURNING id;

-- name: webhook_enqueue
-- Something for one webhook alone.
INSERT INTO webhook_delivery (webhook_id, entity_id, type, body) VALUES ($1, $2, $3, $4) RETURNING public_id;

-- name: webhook_deliveries
-- What was told to one webhook before $2, newest first.
SELECT id, public_id, type, created_at, attempts, due_at, status, settled, done_at FROM webhook_delivery
WHERE webhook_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3;

-- name: webhook_lease
-- Take what is due for $2 seconds, for those first who answered last time; other nodes pass over it. Who holds it for longer than
-- twice that held it when the clock was ahead.
WITH due AS (
    SELECT d.id FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id
    WHERE d.due_at <= now() AND w.disabled_at IS NULL AND (d.leased_until IS NULL OR d.leased_until NOT BETWEEN now() AND now() + make_interval(secs => 2 * $2))
    ORDER BY w.failures, d.due_at, d.id LIMIT $1 FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_delivery d SET leased_until = now() + make_interval(secs => $2), epoch = d.epoch + 1, attempts = d.attempts + 1
FROM due, webhook w WHERE d.id = due.id AND w.id = d.webhook_id
RETURNING d.id, d.epoch, d.public_id, d.body, d.attempts, w.id AS webhook, w.url, w.secret,
    CASE WHEN w.old_until > now() THEN w.old_secret END AS old_secret;

-- name: webhook_record
-- What became of deliveries that this node still holds: due again, or settled with a word.
UPDATE webhook_delivery d SET leased_until = NULL, status = s.status, due_at = s.due, settled = s.settled,
    done_at = CASE WHEN s.due IS NULL THEN now() END
FROM unnest($1::bigint[], $2::int[], $3::smallint[], $4::timestamptz[], $5::text[]) AS s (id, epoch, status, due, settled)
WHERE d.id = s.id AND d.epoch = s.epoch AND d.due_at IS NOT NULL;

-- name: webhook_judge
-- How webhooks are doing: $2 says whether each was reached, $3 that it wants no more. One that was not reached for $4
-- seconds is switched off, and its entity's administrators are told.
WITH said AS (
    SELECT id, bool_or(reached) AS reached, bool_or(gone) AS gone, count(*) FILTER (WHERE NOT reached) AS missed
    FROM unnest($1::int[], $2::bool[], $3::bool[]) AS u (id, reached, gone) GROUP BY id
), judged AS (
    UPDATE webhook w SET
        delivered_at = CASE WHEN s.reached THEN now() ELSE w.delivered_at END,
        failures = CASE WHEN s.reached THEN 0 ELSE w.failures + s.missed END,
        failing_since = CASE WHEN NOT s.reached THEN coalesce(w.failing_since, now()) END,
        disabled_at = CASE WHEN s.gone OR (NOT s.reached AND w.failing_since < now() - make_interval(secs => $4)) THEN now() END,
        disabled_why = CASE WHEN s.gone THEN 'it answered 410' WHEN NOT s.reached AND w.failing_since < now() - make_interval(secs => $4)
            THEN 'it was not reached for too long' END
    FROM said s WHERE w.id = s.id AND w.disabled_at IS NULL
    RETURNING w.id, w.entity_id, w.public_id, w.disabled_at, w.disabled_why
), told AS (
    INSERT INTO notice (entity_id, person_id, word, subject, body)
    SELECT j.entity_id, m.person_id, 'webhook-disabled', 'webhook:' || j.public_id, j.disabled_why
    FROM judged j JOIN membership m ON m.entity_id = j.entity_id AND 'admin' = ANY (m.roles) WHERE j.disabled_at IS NOT NULL
)
SELECT count(*) FROM judged WHERE disabled_at IS NOT NULL;

-- name: webhook_forget
-- Deliveries that were settled more than $1 seconds ago.
WITH gone AS (DELETE FROM webhook_delivery WHERE done_at < now() - make_interval(secs => $1) RETURNING 1) SELECT count(*) FROM gone;
