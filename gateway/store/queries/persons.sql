-- Persons, memberships, mandates, invitations, partnerships. What needs a second administrator has confirmed_by NULL.

-- name: person_put
-- One identity for an e-mail address: made when it is new, else left as it is.
INSERT INTO person AS p (public_id, name, email, language) VALUES ($1, $2, $3, $4)
ON CONFLICT (address) DO UPDATE SET email = p.email RETURNING id, public_id;

-- name: person_join
-- A membership; no row comes back when there is one.
INSERT INTO membership (entity_id, person_id, name, search, language, roles, wanted, wanted_by)
VALUES ($1, $2, $3, lower($3), $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING person_id;

-- name: person_page
-- Members of an entity by name, after (search $3, person $4), whose name begins with $2.
SELECT p.id, p.public_id, m.name, p.email, m.language, m.trained_on, m.trained_until, m.roles, m.wanted, m.wanted_by, m.search,
    m.suspended_at IS NOT NULL OR p.suspended_at IS NOT NULL AS suspended
FROM membership m JOIN person p ON p.id = m.person_id
WHERE m.entity_id = $1 AND m.search >= $2 AND m.search < $2 || chr(1114111) AND (m.search, m.person_id) > ($3, $4)
ORDER BY m.search, m.person_id LIMIT $5;

-- name: person_find
-- One member by our name for them or by e-mail address.
SELECT p.id, p.public_id, m.name, p.email, m.language, m.trained_on, m.trained_until, m.roles, m.wanted, m.wanted_by, m.search,
    m.suspended_at IS NOT NULL OR p.suspended_at IS NOT NULL AS suspended
FROM membership m JOIN person p ON p.id = m.person_id
WHERE m.entity_id = $1 AND m.person_id = ANY (ARRAY(
    SELECT id FROM person WHERE public_id = $2 UNION SELECT id FROM person WHERE address = lower($2)));

-- name: person_lock
-- Nobody else changes a member until this transaction ends.
SELECT 1 FROM membership WHERE entity_id = $1 AND person_id = $2 FOR NO KEY UPDATE;

-- name: person_roles
-- Roles at once ($3), and those that wait for a second administrator ($4, given by $5).
UPDATE membership SET roles = $3, wanted = $4, wanted_by = $5 WHERE entity_id = $1 AND person_id = $2;

-- name: person_confirm
-- A second administrator agrees to the roles that were given; no row comes back when there is nothing, or it is their own.
UPDATE membership SET roles = wanted, wanted = NULL, wanted_by = NULL
WHERE entity_id = $1 AND person_id = $2 AND wanted IS NOT NULL AND wanted_by <> $3 RETURNING person_id;

-- name: person_suspend
-- Suspend a member, or take it back.
UPDATE membership SET suspended_at = CASE WHEN $3 THEN coalesce(suspended_at, now()) END WHERE entity_id = $1 AND person_id = $2;

-- name: person_train
-- When a member was trained, and until when that holds.
UPDATE membership SET trained_on = $3, trained_until = $4 WHERE entity_id = $1 AND person_id = $2;

-- name: mandate_grant
-- What a person may send: every class with every channel that were given; what is there already is left as it is.
INSERT INTO mandate (entity_id, person_id, partnership_id, message_class, channel, purposes, not_before, not_after, granted_by, confirmed_by)
SELECT $1, $2, $3, c, h, $6, coalesce($7, now()), $8, $9, $10 FROM unnest($4::text[]) c, unnest($5::text[]) h
ON CONFLICT DO NOTHING RETURNING id;

-- name: mandate_page
-- The mandates of a member.
SELECT d.id, d.message_class, d.channel, d.purposes, d.not_before, d.not_after, d.granted_by, d.confirmed_by, s.slug AS partnership
FROM mandate d LEFT JOIN partnership s ON s.id = d.partnership_id
WHERE d.entity_id = $1 AND d.person_id = $2 ORDER BY d.id;

-- name: mandate_find
-- One mandate of a person.
SELECT d.id, p.public_id AS person, d.message_class, d.channel, d.purposes, d.not_before, d.not_after, d.granted_by, d.confirmed_by,
    s.slug AS partnership
FROM mandate d JOIN person p ON p.id = d.person_id LEFT JOIN partnership s ON s.id = d.partnership_id
WHERE d.entity_id = $1 AND d.id = $2;

-- name: mandate_confirm
-- A second administrator agrees; no row comes back when there is nothing to agree to, or it is their own.
UPDATE mandate SET confirmed_by = $3 WHERE entity_id = $1 AND id = $2 AND confirmed_by IS NULL AND granted_by <> $3 RETURNING id;

-- name: mandate_revoke
-- End a mandate now.
DELETE FROM mandate WHERE entity_id = $1 AND id = $2 RETURNING id;

-- name: invitation_put
-- A link that works once.
INSERT INTO invitation (entity_id, person_id, realm, digest, granted_by, confirmed_by, expires_at, anew)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id;

-- name: invitation_find
-- One invitation without its secret.
SELECT i.id, p.public_id AS person, i.realm, i.anew, i.granted_by, i.confirmed_by, i.expires_at, i.used_at
FROM invitation i JOIN person p ON p.id = i.person_id WHERE i.entity_id = $1 AND i.id = $2;

-- name: invitation_confirm
-- A second administrator agrees to a live invitation.
UPDATE invitation SET confirmed_by = $3 WHERE entity_id = $1 AND id = $2 AND confirmed_by IS NULL AND granted_by <> $3 RETURNING id;

-- name: invitation_use
-- Use the link for a token, once, when it is confirmed, has not run out, and is not there to begin anew.
UPDATE invitation SET used_at = now()
WHERE digest = $1 AND used_at IS NULL AND confirmed_by IS NOT NULL AND expires_at > now() AND NOT anew
RETURNING entity_id, person_id, realm, granted_by, confirmed_by;

-- name: person_token
-- A person's own token: only its digest is kept.
INSERT INTO token (entity_id, realm, digest, note, person_id, granted_by, confirmed_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id;

-- name: machine_token
-- A machine's token with its mandates; without $6 nothing of it works until a second administrator agrees.
WITH made AS (
    INSERT INTO token (entity_id, realm, digest, note, granted_by, confirmed_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
), granted AS (
    INSERT INTO mandate (entity_id, token_id, message_class, channel, purposes, partnership_id, granted_by)
    SELECT $1, made.id, c, h, $10::text[], $11, $5 FROM made, unnest($8::text[]) c, unnest($9::text[]) h
)
SELECT id FROM made;

-- name: token_confirm
-- A second administrator agrees to a live token; no row comes back when there is nothing to agree to, or it is their own.
UPDATE token SET confirmed_by = $3
WHERE entity_id = $1 AND id = $2 AND confirmed_by IS NULL AND granted_by <> $3 AND revoked_at IS NULL RETURNING id;

-- name: token_end
-- End a token of the entity now.
UPDATE token SET revoked_at = now() WHERE entity_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING id;

-- name: tokens_of_entity
-- The tokens of an entity without their secrets; what a person's is worth is the person's.
SELECT t.id, t.realm, t.note, t.created_at, t.expires_at, t.revoked_at, t.last_used_at, p.public_id AS person,
    t.granted_by, t.confirmed_by IS NOT NULL AS confirmed,
    (SELECT coalesce(array_agg(DISTINCT d.message_class), '{}') FROM mandate d WHERE d.token_id = t.id) AS classes,
    (SELECT coalesce(array_agg(DISTINCT d.channel), '{}') FROM mandate d WHERE d.token_id = t.id) AS channels
FROM token t LEFT JOIN person p ON p.id = t.person_id WHERE t.entity_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3;

-- name: partnership_put
-- A partnership, or its new name and agreement.
INSERT INTO partnership (entity_id, slug, name, agreement) VALUES ($1, $2, $3, $4)
ON CONFLICT (entity_id, slug) DO UPDATE SET name = EXCLUDED.name, agreement = EXCLUDED.agreement RETURNING id;

-- name: partnerships
-- The partnerships of an entity after slug $2 ($3 NULL: all of them), with who has which role in them.
SELECT s.id, s.slug, s.name, s.agreement,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(p.public_id, r.role) ORDER BY r.role, p.public_id), '[]')
     FROM partnership_role r JOIN person p ON p.id = r.person_id WHERE r.partnership_id = s.id) AS people,
    (SELECT coalesce(array_agg(g.slug ORDER BY g.slug), '{}') FROM contact_group g WHERE g.partnership_id = s.id) AS groups
FROM partnership s WHERE s.entity_id = $1 AND s.slug > $2 ORDER BY s.slug LIMIT $3;

-- name: partnership_enrol
-- Give a member a role in a partnership.
INSERT INTO partnership_role (partnership_id, entity_id, person_id, role) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: partnership_release
-- Take a role in a partnership back.
DELETE FROM partnership_role WHERE partnership_id = $1 AND entity_id = $2 AND person_id = $3 AND role = $4;

-- name: partnership_group
-- A group becomes a partnership's.
UPDATE contact_group SET partnership_id = $3 WHERE entity_id = $1 AND slug = $2 RETURNING id;

-- name: notices_of_person
-- What a person has to take note of, newest first.
SELECT id, word, subject, body, at, read_at FROM notice WHERE entity_id = $1 AND person_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4;

-- name: notice_read
-- A person took note.
UPDATE notice SET read_at = coalesce(read_at, now()) WHERE entity_id = $1 AND person_id = $2 AND id = $3 RETURNING id;

-- name: practice_remind
-- A notice for everybody who may send, for a month at least, and made no campaign of any mode in the last month; once a month.
INSERT INTO notice (entity_id, person_id, word, subject, body)
SELECT DISTINCT m.entity_id, m.person_id, 'practice', 'practice', ''
FROM mandate d JOIN membership m ON m.entity_id = d.entity_id AND m.person_id = d.person_id
JOIN person p ON p.id = m.person_id JOIN entity e ON e.id = m.entity_id
WHERE d.confirmed_by IS NOT NULL AND d.not_before < now() - interval '1 month' AND (d.not_after IS NULL OR d.not_after > now())
  AND m.suspended_at IS NULL AND p.suspended_at IS NULL AND e.suspended_at IS NULL
  AND NOT EXISTS (SELECT FROM campaign c WHERE c.entity_id = m.entity_id AND c.author = 'person:' || m.person_id
                  AND c.created_at > now() - interval '1 month')
  AND NOT EXISTS (SELECT FROM notice n WHERE n.entity_id = m.entity_id AND n.person_id = m.person_id
                  AND n.word = 'practice' AND n.at > now() - interval '1 month')
RETURNING id;

-- name: training_remind
-- A notice for everybody whose training ends within a month, where their entity asks for it; once a month.
INSERT INTO notice (entity_id, person_id, word, subject, body)
SELECT m.entity_id, m.person_id, 'training', 'training', m.trained_until::text
FROM membership m JOIN entity e ON e.id = m.entity_id
WHERE m.trained_until BETWEEN current_date AND current_date + 30 AND m.suspended_at IS NULL AND e.suspended_at IS NULL
  AND EXISTS (SELECT FROM entity o WHERE (o.id = e.id OR o.slug = 'platform') AND (o.policy ->> 'training_required')::boolean)
  AND NOT EXISTS (SELECT FROM notice n WHERE n.entity_id = m.entity_id AND n.person_id = m.person_id
                  AND n.word = 'training' AND n.at > now() - interval '1 month')
RETURNING id;
