-- Agreement to campaigns: what each waits for, who gave it to what, and who is told when glass is broken.

-- name: approval_case
-- A campaign of one entity and realm, with all that an approver agrees to.
SELECT c.id, c.entity_id, c.state, c.author, c.needs, c.seal, c.sealed_messages, c.message_class, c.channels, c.plan
FROM campaign c JOIN alert a ON a.id = c.alert_id
WHERE c.public_id = $1 AND c.entity_id = $2 AND a.realm = $3;

-- name: approval_hands
-- Who stands behind these holders: the person who made a machine's token, else the holder.
SELECT DISTINCT coalesce(t.granted_by, h) AS hand
FROM unnest($1::text[]) h LEFT JOIN token t
    ON h = 'token:' || t.id AND t.entity_id = $2 AND t.person_id IS NULL AND t.granted_by LIKE 'person:%';

-- name: approval_texts
-- What a campaign says, for its seal.
SELECT key, channel, language, subject, body, html FROM text WHERE campaign_id = $1 ORDER BY key;

-- name: approval_void
-- Agreement to what has changed since is void.
UPDATE approval SET void = true WHERE campaign_id = $1 AND NOT void AND seal IS DISTINCT FROM $2 RETURNING id;

-- name: approval_give
-- Agree; who agreed before stays the one who did.
INSERT INTO approval (campaign_id, entity_id, author, approver, need, seal, reason)
SELECT $1, $2, $3, $4, need, $6, $7 FROM unnest($5::text[]) need
ON CONFLICT (campaign_id, need) WHERE NOT void DO NOTHING;

-- name: approval_given
-- What was agreed to a campaign and still holds, in order.
SELECT need, approver, at, reason FROM approval WHERE campaign_id = $1 AND NOT void ORDER BY id;

-- name: approval_seal
-- Write down what approvers have to agree to.
UPDATE campaign SET author = $2, needs = $3, seal = $4, sealed_messages = $5 WHERE id = $1;

-- name: approval_needs
-- What a campaign waits for; with $2 also for a second person from now on.
UPDATE campaign SET needs = CASE WHEN $2 AND state = 'held' AND 'second' <> ALL (needs) THEN array_prepend('second', needs) ELSE needs END WHERE id = $1
RETURNING needs;

-- name: approval_tell
-- A notice for everybody of the entity who might have been asked.
INSERT INTO notice (entity_id, person_id, word, subject, body)
SELECT DISTINCT $1::int, p.person_id, $2, $3, $4 FROM (
    SELECT person_id FROM membership WHERE entity_id = $1 AND roles && '{approver,admin}'
    UNION SELECT person_id FROM partnership_role WHERE entity_id = $1 AND partnership_id = ANY ($5::int[])) p;
