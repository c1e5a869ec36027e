-- Sessions of persons, the ceremonies that open them, passkeys, and what an invitation opens.

-- name: session_open
-- A new session that ends in $7 seconds at the latest, earlier when it is not used for $6.
INSERT INTO person_session (public_id, person_id, digest, state, way, idle, ends_at)
VALUES ($1, $2, $3, $4, $5, make_interval(secs => $6), now() + make_interval(secs => $7)) RETURNING id;

-- name: session_find
-- The session behind a cookie's digest, while it lasts; fresh: its person has just signed in.
SELECT s.id, s.public_id, s.person_id, s.state, s.way, s.realm, s.created_at, s.last_used_at, s.ends_at,
    extract(epoch FROM s.idle)::float8 AS idle_s, e.slug AS entity, p.public_id AS person, p.name, p.language,
    s.created_at > now() - interval '10 minutes' AS fresh
FROM lasting_session s JOIN person p ON p.id = s.person_id LEFT JOIN entity e ON e.id = s.entity_id
WHERE s.digest = $1 AND p.suspended_at IS NULL;

-- name: session_touch
-- Note that a session is used, at most once a minute.
UPDATE person_session SET last_used_at = now() WHERE id = $1 AND last_used_at < now() - interval '1 minute';

-- name: session_choose
-- For whom a session acts from now on; no row comes back when its person may not.
UPDATE person_session s SET entity_id = m.entity_id, realm = $3
FROM membership m JOIN entity e ON e.id = m.entity_id
WHERE s.id = $1 AND e.slug = $2 AND m.person_id = s.person_id AND m.accepted_at IS NOT NULL
  AND ($3 = 'test' OR m.live_at IS NOT NULL) RETURNING s.id;

-- name: session_hold
-- A session that lasts, and does not end before this transaction.
SELECT id FROM person_session WHERE id = $1 AND ended_at IS NULL AND ends_at > now() FOR SHARE;

-- name: session_end
-- End one session of a person now; no row comes back when there is none that lasts.
UPDATE person_session SET ended_at = now() WHERE public_id = $1 AND ($2::int IS NULL OR person_id = $2) AND ended_at IS NULL
RETURNING id;

-- name: session_end_all
-- End all sessions of a person now, but for one.
UPDATE person_session SET ended_at = now()
WHERE person_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $2 RETURNING id;

-- name: sessions_of_person
-- The sessions of a person that last, before number $2, newest first.
SELECT s.id, s.public_id, s.state, s.way, s.realm, s.created_at, s.last_used_at, s.ends_at, e.slug AS entity
FROM lasting_session s LEFT JOIN entity e ON e.id = s.entity_id
WHERE s.person_id = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3;

-- name: sessions_of_member
-- The sessions in which a member acts for this entity, before number $4, newest first.
SELECT s.id, s.public_id, s.state, s.way, s.realm, s.created_at, s.last_used_at, s.ends_at, $1::text AS entity
FROM lasting_session s
WHERE s.entity_id = $2 AND s.person_id = $3 AND s.id < $4 ORDER BY s.id DESC LIMIT $5;

-- name: sessions_all
-- Every session that lasts, of everybody or of one person, newest first: for the operator.
SELECT s.public_id, p.public_id AS person, p.email, s.state, s.way, s.realm, s.created_at, s.last_used_at, s.ends_at,
    e.slug AS entity
FROM lasting_session s JOIN person p ON p.id = s.person_id LEFT JOIN entity e ON e.id = s.entity_id
WHERE $1::text IS NULL OR p.public_id = $1 OR p.address = lower($1)
ORDER BY s.id DESC LIMIT 1000;

-- name: sessions_forget
-- Sessions that ended long ago, and ceremonies that nobody finished.
WITH old AS (DELETE FROM person_session WHERE ends_at < now() - interval '90 days'),
    left_over AS (DELETE FROM ceremony WHERE ends_at < now())
SELECT 1;

-- name: session_memberships
-- For whom a person may act once signed in.
SELECT e.slug, e.name, m.roles, m.live_at IS NOT NULL AS live, m.suspended_at IS NOT NULL OR e.suspended_at IS NOT NULL AS suspended
FROM membership m JOIN entity e ON e.id = m.entity_id WHERE m.person_id = $1 AND m.accepted_at IS NOT NULL ORDER BY e.slug;

-- name: person_by_word
-- Anybody by our name for them or by e-mail address.
SELECT id, public_id FROM person WHERE public_id = $1 OR address = lower($1);

-- name: invitation_look
-- An invitation that works, locked, with the person it is for; ways: they can sign in already.
SELECT i.id, i.entity_id, i.person_id, i.realm, i.anew, p.public_id AS person,
    EXISTS (SELECT FROM passkey k WHERE k.person_id = i.person_id)
    OR EXISTS (SELECT FROM identity_link l WHERE l.person_id = i.person_id) AS ways
FROM invitation i JOIN person p ON p.id = i.person_id
WHERE i.digest = $1 AND i.used_at IS NULL AND i.confirmed_by IS NOT NULL AND i.expires_at > now() AND p.suspended_at IS NULL
FOR UPDATE OF i, p;

-- name: invitation_open
-- Use it up: the membership is open for sign-in, in the live world when the invitation says so.
WITH used AS (UPDATE invitation SET used_at = now() WHERE id = $1 RETURNING entity_id, person_id, realm)
UPDATE membership m SET accepted_at = coalesce(m.accepted_at, now()),
    live_at = CASE WHEN u.realm = 'live' THEN coalesce(m.live_at, now()) ELSE m.live_at END
FROM used u WHERE m.entity_id = u.entity_id AND m.person_id = u.person_id;

-- name: memberships_close
-- No entity but $2 is open to this person any more: whoever begins anew is invited anew.
UPDATE membership SET accepted_at = NULL, live_at = NULL WHERE person_id = $1 AND entity_id <> $2 AND accepted_at IS NOT NULL;

-- name: accepted_elsewhere
-- Whether a person is open to another entity as well.
SELECT EXISTS (SELECT FROM membership WHERE person_id = $1 AND entity_id <> $2 AND accepted_at IS NOT NULL);

-- name: ways_drop
-- Nothing that a person signed in with works any more.
WITH passkeys AS (DELETE FROM passkey WHERE person_id = $1), links AS (DELETE FROM identity_link WHERE person_id = $1),
    codes AS (DELETE FROM second_way WHERE person_id = $1), recovery AS (DELETE FROM recovery_code WHERE person_id = $1)
SELECT 1;

-- name: passkey_put
-- A new passkey; no row comes back when there is one of this id, whoever has it.
INSERT INTO passkey (person_id, credential_id, public_key, sign_count, name) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING id;

-- name: passkey_find
-- A passkey by its credential id, locked, with whose it is.
SELECT k.id, k.person_id, k.public_key, k.sign_count, p.public_id AS person, p.suspended_at IS NOT NULL AS suspended
FROM passkey k JOIN person p ON p.id = k.person_id WHERE k.credential_id = $1 FOR UPDATE OF k;

-- name: passkey_used
-- A passkey was used, with this count.
UPDATE passkey SET sign_count = $2, last_used_at = now() WHERE id = $1;

-- name: passkeys_of_person
-- The passkeys of a person.
SELECT id, name, credential_id, created_at, last_used_at FROM passkey WHERE person_id = $1 ORDER BY id;

-- name: passkey_remove
-- Remove a passkey, but never the last way to sign in.
DELETE FROM passkey WHERE person_id = $1 AND id = $2 
  AND (SELECT count(*) FROM passkey WHERE person_id = $1) + (SELECT count(*) FROM identity_link WHERE person_id = $1) > 1
RETURNING id;

-- name: ceremony_put
-- A ceremony begins; those that nobody finished go.
WITH old AS (DELETE FROM ceremony WHERE ends_at < now())
INSERT INTO ceremony (digest, kind, person_id, challenge, detail, ends_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6));

-- name: ceremony_take
-- A ceremony ends: it can be taken once.
DELETE FROM ceremony WHERE digest = $1 AND kind = $2 RETURNING person_id, challenge, detail, ends_at > now() AS lasts;

-- name: ways_lock
-- Nobody else changes the ways of this person until the transaction ends.
SELECT FROM person WHERE id = $1 FOR UPDATE;
