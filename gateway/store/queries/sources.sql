-- Sources: feeds that entities read, their alerts, their entries, what each answer brought, drafts made from them.

-- name: source_add
-- A new source of an entity; no row comes back when it reads this address already.
INSERT INTO source (public_id, entity_id, url, title, trusted_at, due_at)
VALUES ($1, $2, $3, $4, CASE WHEN $5::bool THEN $6::timestamptz END, $6)
ON CONFLICT (entity_id, url) DO NOTHING RETURNING id;

-- name: source_list
-- The sources of one entity (by slug or by number), or of all, with what came in them; after the source $3, $4 of them.
SELECT s.public_id, e.slug AS entity, s.url, s.title, s.trusted_at IS NOT NULL AS trusted, s.paused_at IS NOT NULL AS paused,
    s.problem, s.polled_at, s.changed_at, s.due_at, s.interval_s, s.failures, s.hub_state,
    (SELECT count(*) FROM source_alert a WHERE a.source_id = s.id) AS alerts
FROM source s JOIN entity e ON e.id = s.entity_id
WHERE ($1::text IS NULL OR e.slug = $1) AND ($2::int IS NULL OR e.id = $2)
  AND s.id > coalesce((SELECT x.id FROM source x WHERE x.public_id = $3 AND x.entity_id = $2), 0)
ORDER BY e.slug, s.id LIMIT $4;

-- name: source_trust
-- End the quarantine of a source, or put it back; no row comes back when there is none of this name.
UPDATE source SET trusted_at = CASE WHEN $2::bool THEN coalesce(trusted_at, now()) END WHERE public_id = $1 RETURNING id;

-- name: source_pause
-- Stop reading a source, or read it again at once; no row comes back when there is none of this name.
UPDATE source SET paused_at = CASE WHEN $2::bool THEN coalesce(paused_at, now()) END, failures = 0,
    due_at = CASE WHEN $2::bool THEN due_at ELSE now() END
WHERE public_id = $1 RETURNING id;

-- name: source_lease
-- One source that is due and that no other node reads, taken until $2.
UPDATE source SET leased_until = $2 WHERE id = (
    SELECT id FROM source WHERE paused_at IS NULL AND due_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, public_id, entity_id, url, trusted_at IS NOT NULL AS trusted, etag, last_modified, digest, interval_s, failures,
    hub, topic, hub_key, hub_secret, hub_state, hub_asked_at, hub_until;

-- name: source_by_key
-- The source behind the secret part of a callback's address.
SELECT id, public_id, entity_id, url, trusted_at IS NOT NULL AS trusted, etag, last_modified, digest, interval_s, failures,
    hub, topic, hub_key, hub_secret, hub_state, hub_asked_at, hub_until
FROM source WHERE hub_key = $1 AND paused_at IS NULL;

-- name: source_read
-- What is remembered of a feed once everything in it is stored.
UPDATE source SET etag = $2, last_modified = $3, digest = $4, title = CASE WHEN $5 = '' THEN title ELSE $5 END WHERE id = $1;

-- name: source_polled
-- The end of a poll: the lease is given back, the next poll is set.
UPDATE source SET interval_s = $2, failures = $3, due_at = $4, polled_at = $5, problem = $6, leased_until = NULL,
    changed_at = CASE WHEN $7::bool THEN $5 ELSE changed_at END
WHERE id = $1;

-- name: source_due
-- Something waits to be fetched: do not wait for the next poll.
UPDATE source SET due_at = least(due_at, $2) WHERE id = $1;

-- name: source_ask_hub
-- A subscription is asked for; one in force with the same hub and topic stays so, with its key and secret.
UPDATE source SET hub = $2, topic = $3, hub_asked_at = $6,
    hub_key = CASE WHEN hub = $2 AND topic = $3 AND hub_key IS NOT NULL THEN hub_key ELSE $4 END,
    hub_secret = CASE WHEN hub = $2 AND topic = $3 AND hub_key IS NOT NULL THEN hub_secret ELSE $5 END,
    hub_state = CASE WHEN hub = $2 AND topic = $3 AND hub_state = 'active' AND hub_until > $6 THEN 'active' ELSE 'asked' END
WHERE id = $1 RETURNING hub_key, hub_secret;

-- name: source_hub_answered
-- The hub confirmed the subscription until $3, or denied it.
UPDATE source SET hub_state = $2, hub_until = $3 WHERE id = $1;

-- name: source_lock
-- One writer at a time among those who store alerts of a source.
SELECT 1 FROM source WHERE id = $1 FOR NO KEY UPDATE;

-- name: source_put_alert
-- Keep an alert, unless one that says the same came before. $9, $10 and $12 are its identity: another alert with it that
-- says something else makes this one a conflict.
INSERT INTO source_alert (public_id, source_id, entity_id, received_at, valid, content, sha256, raw, sender, identifier, sent,
    sent_at, expires_at, status, msg_type, scope, version, envelope, headline, findings, conflict)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20::jsonb, EXISTS (
    SELECT FROM source_alert b WHERE b.source_id = $2 AND b.sender = $9 AND b.identifier = $10 AND b.sent_at = $12 AND b.content <> $6)
ON CONFLICT (source_id, content) DO NOTHING RETURNING conflict;

-- name: source_alerts_since
-- How many alerts a source brought since a moment: what a flood is held against.
SELECT count(*) FROM source_alert WHERE source_id = $1 AND received_at > $2;

-- name: source_known
-- Which of these (identifier, sent) a source has brought.
SELECT DISTINCT identifier, sent FROM source_alert
WHERE source_id = $1 AND (identifier, sent) IN (SELECT * FROM unnest($2::text[], $3::text[]));

-- name: source_known_bytes
-- Which of these digests are those of alerts that a source has brought: their bytes need no second look.
SELECT DISTINCT sha256 FROM source_alert WHERE source_id = $1 AND sha256 = ANY ($2::bytea[]);

-- name: source_new_entries
-- Which of these entries were not seen before; those that were are marked as seen again.
WITH named AS (SELECT DISTINCT unnest($2::bytea[]) AS key),
seen AS (UPDATE source_entry e SET seen_at = $3 FROM named n WHERE e.source_id = $1 AND e.key = n.key RETURNING e.key)
SELECT key FROM named EXCEPT SELECT key FROM seen;

-- name: source_put_entries
-- Entries that link to their alert.
INSERT INTO source_entry (source_id, entity_id, key, url, state, due_at, seen_at)
SELECT $1, $2, k, u, s, $6, $6 FROM unnest($3::bytea[], $4::text[], $5::text[]) AS e (k, u, s)
ON CONFLICT (source_id, key) DO UPDATE SET seen_at = EXCLUDED.seen_at;

-- name: source_entries_due
-- Entries to fetch now, the newest first: an old alert can wait for a new one.
SELECT key, url, attempts FROM source_entry WHERE source_id = $1 AND state = 'waiting' AND due_at <= $2
ORDER BY seen_at DESC, attempts, key LIMIT $3;

-- name: source_entries_next
-- When the next entry of a source is due.
SELECT min(due_at) FROM source_entry WHERE source_id = $1 AND state = 'waiting';

-- name: source_settle_entry
-- What became of an entry.
UPDATE source_entry SET state = $3, due_at = $4, attempts = attempts + 1 WHERE source_id = $1 AND key = $2;

-- name: source_put_receipt
-- What an answer brought.
INSERT INTO source_receipt (source_id, entity_id, at, via, url, http_status, size_bytes, alerts, fresh, problem)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: source_forget_receipts
-- Receipts older than a moment are dropped.
DELETE FROM source_receipt WHERE source_id = $1 AND at < $2;

-- name: source_forget_entries
-- Entries that the feed has not named since a moment are dropped.
DELETE FROM source_entry WHERE source_id = $1 AND seen_at < $2;

-- name: source_alerts
-- A page of what one of the entity's own sources brought, newest first; $3 is the number of the last one shown before.
SELECT a.id, a.public_id, a.received_at, a.valid, a.conflict, a.sender, a.identifier, a.sent, a.expires_at, a.status, a.msg_type,
    a.scope, a.version, a.envelope, a.headline, a.sha256, a.findings, s.trusted_at IS NOT NULL AS trusted
FROM source_alert a JOIN source s ON s.id = a.source_id
WHERE s.entity_id = $1 AND s.public_id = $2 AND ($3::bigint = 0 OR a.id < $3) ORDER BY a.id DESC LIMIT $4;

-- name: source_there
-- Whether the entity has a source of this name.
SELECT 1 FROM source WHERE entity_id = $1 AND public_id = $2;

-- name: source_alert
-- One alert of one of the entity's own sources, with its bytes.
SELECT a.id, a.public_id, a.received_at, a.valid, a.conflict, a.status, a.msg_type, a.scope, a.envelope, a.expires_at, a.raw,
    s.trusted_at IS NOT NULL AS trusted, s.title, s.url
FROM source_alert a JOIN source s ON s.id = a.source_id
WHERE s.entity_id = $1 AND s.public_id = $2 AND a.public_id = $3;

-- name: source_relayed
-- The entity's own accepted alerts that were made from alerts of a source with these identities (sender, identifier):
-- what a follow-up of theirs has to refer to.
SELECT DISTINCT o.id, o.sender, o.identifier, o.sent, o.sent_at
FROM source_alert a
JOIN source s ON s.id = a.source_id
JOIN source_draft d ON d.source_alert_id = a.id AND d.entity_id = $1
JOIN alert o ON o.entity_id = $1 AND o.realm = $2 AND o.accepted AND o.sender = d.sender AND o.identifier = d.identifier
WHERE s.entity_id = $1 AND s.public_id = $3 AND (a.sender, a.identifier) IN (SELECT * FROM unnest($4::text[], $5::text[]))
ORDER BY o.id;

-- name: source_put_draft
-- An alert of the entity's own was made from one of a source.
INSERT INTO source_draft (entity_id, source_alert_id, sender, identifier, sent_at, token_id) VALUES ($1, $2, $3, $4, $5, $6);
