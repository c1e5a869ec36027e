-- Invitations that go by mail. Their secret is made when the mail leaves; until then the digest is nobody's.

-- name: invitation_ask
-- An invitation to be mailed.
INSERT INTO invitation (entity_id, person_id, realm, digest, granted_by, confirmed_by, expires_at, anew, mail_due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now()) RETURNING id;

-- name: invitations_due
-- Take confirmed invitations whose mail is due, each for a minute and a half; nobody who is suspended is written to.
WITH due AS (
    SELECT i.id FROM invitation i
    JOIN membership m ON m.entity_id = i.entity_id AND m.person_id = i.person_id
    JOIN person p ON p.id = i.person_id
    WHERE i.mail_due_at <= now() AND i.confirmed_by IS NOT NULL AND i.used_at IS NULL AND i.expires_at > now()
      AND m.suspended_at IS NULL AND p.suspended_at IS NULL
    ORDER BY i.mail_due_at LIMIT $1 FOR UPDATE OF i SKIP LOCKED)
UPDATE invitation i SET mail_attempts = i.mail_attempts + 1, mail_due_at = now() + interval '90 seconds'
FROM due, membership m, person p, entity e
WHERE i.id = due.id AND m.entity_id = i.entity_id AND m.person_id = i.person_id AND p.id = i.person_id AND e.id = i.entity_id
RETURNING i.id, i.entity_id, i.expires_at, i.mail_attempts, p.email, m.language, e.name AS entity;

-- name: invitation_secret
-- The secret that leaves now; one that left before works no more.
UPDATE invitation SET digest = $2 WHERE id = $1;

-- name: invitation_settle
-- Its mail left ($2), or when it is due again; NULL: never.
UPDATE invitation SET mailed_at = CASE WHEN $2 THEN now() ELSE mailed_at END,
    mail_due_at = CASE WHEN $2 THEN NULL ELSE now() + make_interval(secs => $3) END WHERE id = $1;
