-- Ways to sign in beside passkeys: links to providers, the second way, and what was guessed wrongly.

-- name: link_put
-- A provider knows this person; no row comes back when it knows somebody so already, or has one for this person.
INSERT INTO identity_link (person_id, provider, issuer, subject) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id;

-- name: link_find
-- Whom a provider means, unless they are suspended.
SELECT l.id, l.person_id, p.public_id AS person FROM identity_link l JOIN person p ON p.id = l.person_id
WHERE l.issuer = $1 AND l.subject = $2 AND p.suspended_at IS NULL;

-- name: link_used
-- A link was used.
UPDATE identity_link SET last_used_at = now() WHERE id = $1;

-- name: links_of_person
-- By which providers a person signs in.
SELECT id, provider, created_at, last_used_at FROM identity_link WHERE person_id = $1 ORDER BY id;

-- name: link_remove
-- Remove a link, but never the last way to sign in.
DELETE FROM identity_link WHERE person_id = $1 AND provider = $2
  AND (SELECT count(*) FROM passkey WHERE person_id = $1) + (SELECT count(*) FROM identity_link WHERE person_id = $1) > 1
RETURNING id;

-- name: second_put
-- A person's time-based codes, instead of those of before.
INSERT INTO second_way (person_id, sealed, last_step) VALUES ($1, $2, $3)
ON CONFLICT (person_id) DO UPDATE SET sealed = EXCLUDED.sealed, last_step = EXCLUDED.last_step, created_at = now();

-- name: second_find
-- A person's time-based codes, locked: two at once do not use one code twice.
SELECT sealed, last_step FROM second_way WHERE person_id = $1 FOR UPDATE;

-- name: second_used
-- A code of this step was used.
UPDATE second_way SET last_step = $2 WHERE person_id = $1;

-- name: second_state
-- Whether a person has a second way, and how many recovery codes are left.
SELECT EXISTS (SELECT FROM second_way WHERE person_id = $1) AS codes,
    (SELECT count(*) FROM recovery_code WHERE person_id = $1)::int AS recovery;

-- name: recovery_drop
-- No recovery code of before works any more.
DELETE FROM recovery_code WHERE person_id = $1;

-- name: recovery_put
-- New recovery codes.
INSERT INTO recovery_code (person_id, digest) SELECT $1, unnest($2::bytea[]);

-- name: recovery_use
-- Use one up.
DELETE FROM recovery_code WHERE person_id = $1 AND digest = $2 RETURNING person_id;

-- name: failures_lock
-- What was guessed wrongly for one account or address, locked, so that guesses come one after the other.
INSERT INTO sign_in_failure (key) VALUES ($1) ON CONFLICT (key) DO UPDATE SET key = EXCLUDED.key
RETURNING CASE WHEN last_at < clock_timestamp() - interval '1 day' THEN 0 ELSE failures END AS failures,
    greatest(0, extract(epoch FROM free_at - clock_timestamp()))::float8 AS wait_s;

-- name: failure_note
-- Another wrong guess; the next one counts after $3 seconds.
UPDATE sign_in_failure SET failures = $2, last_at = clock_timestamp(), free_at = clock_timestamp() + make_interval(secs => $3)
WHERE key = $1;

-- name: failure_clear
-- A right one: what was guessed before is forgotten.
DELETE FROM sign_in_failure WHERE key = $1;

-- name: failures_forget
-- What was guessed more than a day ago.
DELETE FROM sign_in_failure WHERE last_at < now() - interval '1 day';
