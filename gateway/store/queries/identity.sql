-- By what an entity's alerts are known. Set from the command line; read with the credential (registry.sql, token_holder).

-- name: identity_rule
-- What signatures are for, and whether SHA-1 is excepted.
SELECT signatures, allow_sha1 FROM entity WHERE id = $1;

-- name: identity_set_rule
-- Change what is not NULL.
UPDATE entity SET signatures = coalesce($2, signatures), allow_sha1 = coalesce($3, allow_sha1) WHERE id = $1;

-- name: identity_pinned
-- The certificates that count now.
SELECT encode(fingerprint, 'hex'), certifies, subject, not_before, not_after FROM entity_certificate
WHERE entity_id = $1 AND removed_at IS NULL ORDER BY id;

-- name: identity_pin
-- Certificates that count from now on; those that count already stay as they are.
INSERT INTO entity_certificate (entity_id, certifies, fingerprint, der, subject, not_before, not_after)
SELECT $1, * FROM unnest($2::bool[], $3::bytea[], $4::bytea[], $5::text[], $6::timestamptz[], $7::timestamptz[])
ON CONFLICT (entity_id, fingerprint) WHERE removed_at IS NULL DO NOTHING RETURNING id;

-- name: identity_unpin
-- Certificates that count no more; that they did once is kept.
UPDATE entity_certificate SET removed_at = now()
WHERE entity_id = $1 AND removed_at IS NULL AND starts_with(encode(fingerprint, 'hex'), $2) RETURNING id;

-- name: identity_senders
-- The registered senders in the order in which they came.
SELECT sender FROM entity_sender WHERE entity_id = $1 ORDER BY id;

-- name: identity_add_senders
-- Register senders.
INSERT INTO entity_sender (entity_id, sender) SELECT $1, * FROM unnest($2::text[]) ON CONFLICT DO NOTHING;

-- name: identity_remove_senders
-- Take senders away.
DELETE FROM entity_sender WHERE entity_id = $1 AND sender = ANY ($2::text[]) RETURNING id;
