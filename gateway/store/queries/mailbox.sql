-- Alerts by mail: sources, mails with their verdicts, answers that are owed.

-- name: mailbox_insert_source
-- Register a source; entity and realm are those of its credential.
INSERT INTO mail_source (mailbox, address, entity_id, token_id, proof, domain, certificates, fingerprint, answers, reply_address)
SELECT $1, lower($2), t.entity_id, t.id, $4, lower($5), $6, $7, $8, $9 FROM token t WHERE t.id = $3
ON CONFLICT (mailbox, address) WHERE revoked_at IS NULL DO NOTHING RETURNING id;

-- name: mailbox_revoke_source
-- Take nothing more from a source; what was said of its mails stays.
UPDATE mail_source SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id;

-- name: mailbox_sources
-- The sources of an entity that are in force.
SELECT id, mailbox, address, entity_id, proof, domain, certificates, fingerprint, answers, reply_address FROM mail_source
WHERE entity_id = $1 AND revoked_at IS NULL ORDER BY mailbox, address;

-- name: mailbox_source
-- The source that an address claims to be.
SELECT id, mailbox, address, entity_id, proof, domain, certificates, fingerprint, answers, reply_address FROM mail_source
WHERE mailbox = $1 AND address = $2 AND revoked_at IS NULL;

-- name: mailbox_listed
-- The sources in force as an operator sees them.
SELECT s.id, s.mailbox, s.address, e.slug, t.realm, s.token_id, s.proof, s.domain, s.fingerprint IS NOT NULL AS pinned,
    CASE WHEN s.answers THEN s.reply_address ELSE '' END AS reply_address
FROM mail_source s JOIN entity e ON e.id = s.entity_id JOIN token t ON t.id = s.token_id
WHERE s.revoked_at IS NULL AND ($1::text IS NULL OR e.slug = $1) ORDER BY s.mailbox, s.address;

-- name: mailbox_last
-- The mails that got their verdict last.
SELECT m.settled_at, m.mailbox, m.uid, e.slug, m.verdict, m.reason, m.detail, m.alerts FROM mail m
LEFT JOIN entity e ON e.id = m.entity_id WHERE $1::text IS NULL OR m.mailbox = $1 ORDER BY m.id DESC LIMIT $2;

-- name: mailbox_credential
-- The digest of the credential behind a source, while the source is in force.
SELECT t.digest FROM mail_source s JOIN token t ON t.id = s.token_id WHERE s.id = $1 AND s.revoked_at IS NULL;

-- name: mailbox_enter
-- How far a mailbox was read; its numbering has begun anew when UIDVALIDITY differs.
INSERT INTO mail_place AS p (mailbox, uid_validity) VALUES ($1, $2)
ON CONFLICT (mailbox) DO UPDATE SET uid_validity = $2, trying = CASE WHEN p.uid_validity = $2 THEN p.trying ELSE 0 END,
    tries = CASE WHEN p.uid_validity = $2 THEN p.tries ELSE 0 END, done_to = CASE WHEN p.uid_validity = $2 THEN p.done_to ELSE 0 END
RETURNING done_to;

-- name: mailbox_begin
-- Note which mail is read now and how often it was begun: one that ends the process is not begun for ever.
UPDATE mail_place SET tries = CASE WHEN trying = $3 THEN tries + 1 ELSE 1 END, trying = $3
WHERE mailbox = $1 AND uid_validity = $2 RETURNING tries;

-- name: mailbox_end
-- The mail that was begun last has ended, with or without a verdict.
UPDATE mail_place SET tries = 0 WHERE mailbox = $1 AND uid_validity = $2;

-- name: mailbox_advance
-- Every mail up to this UID has its verdict.
UPDATE mail_place SET done_to = greatest(done_to, $3) WHERE mailbox = $1 AND uid_validity = $2;

-- name: mailbox_settled
-- The mails behind a UID that have their verdict.
SELECT uid FROM mail WHERE mailbox = $1 AND uid_validity = $2 AND uid > $3;

-- name: mailbox_known
-- Whether this very mail had its verdict before, under whatever number.
SELECT EXISTS (SELECT FROM mail WHERE mailbox = $1 AND sha256 = $2);

-- name: mailbox_settle
-- One mail's verdict; nothing when it has one.
INSERT INTO mail (mailbox, uid_validity, uid, sha256, bytes, source_id, entity_id, verdict, reason, detail, alerts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb) ON CONFLICT (mailbox, uid_validity, uid) DO NOTHING RETURNING id;

-- name: mailbox_owe
-- An answer to a source, unless it got its share of the last hour ($8).
INSERT INTO mail_answer (mail_id, source_id, entity_id, in_reply_to, subject, body, document)
SELECT $1, $2, $3, $4, $5, $6, $7
WHERE (SELECT count(*) FROM mail_answer WHERE source_id = $2 AND created_at > now() - interval '1 hour') < $8 RETURNING id;

-- name: mailbox_claim_answers
-- Answers whose time has come; each waits twice as long after each attempt, so that two nodes do not send it at once.
UPDATE mail_answer a SET attempts = a.attempts + 1, not_before = now() + interval '1 minute' * 2 ^ least(a.attempts, 6),
    given_up_at = CASE WHEN s.revoked_at IS NOT NULL OR a.attempts >= $2 THEN now() END
FROM mail_source s WHERE s.id = a.source_id AND a.id IN (
    SELECT id FROM mail_answer WHERE sent_at IS NULL AND given_up_at IS NULL AND not_before <= now()
    ORDER BY not_before LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING a.id, s.reply_address, a.in_reply_to, a.subject, a.body, a.document, a.given_up_at IS NULL AS wanted;

-- name: mailbox_answer_sent
-- The relay took an answer over.
UPDATE mail_answer SET sent_at = now() WHERE id = $1;
