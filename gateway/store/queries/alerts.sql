-- Alerts as received, and the campaigns they started. An alert row is never updated.

-- name: alert_by_identity
-- The accepted alert of one entity and realm with this sender and identifier.
SELECT a.id, a.public_id, a.sha256, a.answer, a.sent, c.id AS campaign_id, c.state
FROM alert a LEFT JOIN campaign c ON c.alert_id = a.id
WHERE a.realm = $1 AND a.entity_id = $2 AND a.sender = $3 AND a.identifier = $4 AND a.accepted;

-- name: is_new_conflict
-- Whether this content came under the name of an accepted alert for the first time.
SELECT NOT EXISTS (SELECT FROM alert WHERE conflict_with = $1 AND sha256 = $2);

-- name: answered_alert
-- What an answer has to say of an alert.
SELECT sender, identifier, sent, status, msg_type, received_at FROM alert WHERE public_id = $1 AND entity_id = $2;

-- name: alert_kin
-- One alert among the others of its entity and realm: which it contradicts, which contradict it, what it refers to (and the
-- alert that this is, as soon as it is there), what refers to it; and what its signatures were worth at receipt.
SELECT a.signature, a.signatures,
    (SELECT o.public_id FROM alert o WHERE o.id = a.conflict_with) AS conflict_with,
    ARRAY(SELECT o.public_id FROM alert o WHERE o.conflict_with = a.id ORDER BY o.id LIMIT 100) AS conflicts,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('sender', r.sender, 'identifier', r.identifier, 'sent', r.sent,
            'alert', o.public_id) ORDER BY o.id, r.identifier), '[]')
     FROM alert_reference r LEFT JOIN alert o ON o.accepted AND o.realm = a.realm AND o.entity_id = a.entity_id
         AND o.sender = r.sender AND o.identifier = r.identifier
     WHERE r.alert_id = a.id) AS references,
    ARRAY(SELECT o.public_id FROM alert_reference r JOIN alert o ON o.id = r.alert_id
          WHERE a.accepted AND r.identifier = a.identifier AND r.sender = a.sender AND o.accepted AND o.realm = a.realm
              AND o.entity_id = a.entity_id ORDER BY o.id LIMIT 100) AS referenced_by
FROM alert a WHERE a.public_id = $1 AND a.entity_id = $2;

-- name: lock_identity
-- Posts of one identity wait for each other, so that a hundred at once make one campaign.
SELECT pg_advisory_xact_lock(hashtextextended($1, 0));

-- name: insert_alert
-- Store what was received, accepted or refused, with its verdict and the answer that was given.
INSERT INTO alert (public_id, entity_id, realm, source, token_id, accepted, sender, identifier, sent, sent_at, status,
    msg_type, scope, version, sha256, raw, findings, http_status, answer, signature, signatures, conflict_with)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::jsonb, $18, $19::jsonb, $20, $21::jsonb, $22)
RETURNING id;

-- name: insert_references
-- The alerts that this one refers to, known or not.
INSERT INTO alert_reference (alert_id, entity_id, sender, identifier, sent)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[]) ON CONFLICT DO NOTHING;

-- name: referenced_alerts
-- What Update and Cancel refer to: any accepted alert of the realm by this sender and identifier, whose ever it is.
SELECT a.id, a.entity_id, a.sender, a.identifier, a.sent, a.raw, c.id AS campaign_id, c.state, c.mode, c.message_class, c.channels,
    c.next_seq, c.author
FROM alert a LEFT JOIN campaign c ON c.alert_id = a.id
JOIN unnest($2::text[], $3::text[]) AS r (sender, identifier) ON a.sender = r.sender AND a.identifier = r.identifier
WHERE a.accepted AND a.realm = $1 ORDER BY c.id;

-- name: later_alerts
-- Accepted Updates and Cancels of the same entity that already refer to this alert (they overtook it), and whether they
-- still wait for a second person. One that a second person refused, and an Update that had expired when it came, left
-- everything before it as it was, and so they do with what comes after them.
SELECT a.id, a.msg_type, c.mode, c.id AS campaign_id, c.state = 'held' AS held FROM alert_reference r JOIN alert a ON a.id = r.alert_id JOIN campaign c ON c.alert_id = a.id
WHERE r.identifier = $3 AND r.sender = $2 AND a.accepted AND a.entity_id = $1 AND a.realm = $4
  AND a.msg_type IN ('Update', 'Cancel') AND a.status IN ('Actual', 'Exercise') AND (c.state = 'held' OR NOT EXISTS (
    SELECT FROM campaign_event b WHERE b.campaign_id = c.id AND b.event = 'accepted' AND CASE b.state
        WHEN 'held' THEN NOT EXISTS (SELECT FROM campaign_event e WHERE e.campaign_id = c.id AND e.event = 'approved')
        WHEN 'closed' THEN a.msg_type = 'Update' AND c.closure = 'expired' END));

-- name: tell_also
-- A campaign that waits for a second person will tell those whom this one reaches, and end it.
UPDATE campaign SET plan = jsonb_set(plan, '{told}',
    coalesce(plan -> 'told', '[]') || jsonb_build_array(jsonb_build_array($2::int, 1))) WHERE id = $1;

-- name: next_campaign_id
-- The number of the next campaign.
SELECT nextval(pg_get_serial_sequence('campaign', 'id'))::int;

-- name: ensure_delivery_partition
-- Make sure that the partition of this campaign exists.
SELECT ensure_delivery_partition($1);

-- name: insert_campaign
-- Start the dispatch of an accepted alert.
INSERT INTO campaign (id, public_id, entity_id, alert_id, mode, message_class, purpose, channels, priority, state, closure,
    plan, expires_at, planned, released_at, closed_at, escalate_after, quiet_from, quiet_to, quiet_zone, author)
OVERRIDING SYSTEM VALUE
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, CASE WHEN $15 THEN now() END,
    CASE WHEN $10 = 'closed' THEN now() END, $16, $17, $18, $19, $20);

-- name: insert_texts
-- What each language and channel will say.
INSERT INTO text (campaign_id, key, entity_id, channel, language, body, subject, html, parts)
SELECT $1, t.key, $2, t.channel, t.language, t.body, t.subject, t.html, t.parts
FROM unnest($3::smallint[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::smallint[])
     AS t (key, channel, language, body, subject, html, parts);

-- name: insert_progress
-- The count rows of a campaign: every channel and shard, so that each count is an update.
INSERT INTO progress (campaign_id, channel, shard, entity_id)
SELECT $1, c, s, $2 FROM unnest($3::smallint[]) c, generate_series(0, $4 - 1) s ON CONFLICT DO NOTHING;

-- name: insert_event
-- Write down a change of a campaign.
INSERT INTO campaign_event (campaign_id, entity_id, event, state, actor) VALUES ($1, $2, $3, $4, $5);

-- name: lock_state
-- A campaign's state, which nobody else changes until this transaction ends.
SELECT state FROM campaign WHERE id = $1 FOR NO KEY UPDATE;

-- name: set_state
-- Change a campaign's state if it is still what the caller decided on; $4 is why it closes, if it does.
UPDATE campaign SET state = $3, closure = coalesce($4, closure),
    closed_at = CASE WHEN $3 = 'closed' THEN now() ELSE closed_at END,
    released_at = CASE WHEN $5 THEN coalesce(released_at, now()) ELSE released_at END
WHERE id = $1 AND state = $2 RETURNING id;

-- name: approve
-- Note who approved a held campaign.
UPDATE campaign SET approved_by = $2 WHERE id = $1;

-- name: alert_by_public_id
-- One alert of one entity, with the campaign it started. A test token sees rehearsals only, here and below.
SELECT a.id, a.public_id, a.entity_id, a.realm, a.accepted, a.sender, a.identifier, a.sent, a.status, a.msg_type, a.scope,
    a.findings, a.http_status, a.answer, a.received_at, c.public_id AS campaign, c.state
FROM alert a LEFT JOIN campaign c ON c.alert_id = a.id
WHERE a.public_id = $1 AND a.entity_id = $2 AND (a.realm = $3 OR $3 = 'live');

-- name: alert_bytes
-- The bytes as received.
SELECT raw FROM alert WHERE public_id = $1 AND entity_id = $2 AND (realm = $3 OR $3 = 'live');

-- name: campaign_by_public_id
-- One campaign of one entity.
SELECT c.id, c.public_id, c.entity_id, c.mode, c.message_class, c.purpose, c.channels, c.state, c.closure, c.planned, c.expires_at,
    c.created_at, c.first_submit_at, c.last_submit_at, c.closed_at, a.public_id AS alert, a.token_id, a.realm, a.msg_type,
    c.author, c.needs, c.seal, c.sealed_messages
FROM campaign c JOIN alert a ON a.id = c.alert_id
WHERE c.public_id = $1 AND c.entity_id = $2 AND (a.realm = $3 OR $3 = 'live');

-- name: campaigns_of_entity
-- A page of an entity's campaigns, newest first.
SELECT c.id, c.public_id, c.mode, c.message_class, c.state, c.closure, c.created_at, c.expires_at, a.public_id AS alert
FROM campaign c JOIN alert a ON a.id = c.alert_id
WHERE c.entity_id = $1 AND c.id < $2 AND (a.realm = $4 OR $4 = 'live') ORDER BY c.id DESC LIMIT $3;

-- name: campaign_events
-- The ledger of one campaign.
SELECT at, event, state, actor FROM campaign_event WHERE campaign_id = $1 ORDER BY id;

-- name: deliveries_page
-- One page of a campaign's deliveries; addresses of registered citizens are masked by the caller.
SELECT d.seq, d.channel, d.state, d.attempt, d.flags, d.code, d.detail, d.submitted_at, d.done_at, d.address, t.language, k.registered
FROM delivery d JOIN text t ON t.campaign_id = d.campaign_id AND t.key = d.text_key
LEFT JOIN contact k ON k.id = d.contact_id
WHERE d.campaign_id = $1 AND d.seq > $2 ORDER BY d.seq LIMIT $3;

-- name: told_campaigns
-- The earlier campaigns whose people this one tells.
SELECT e.id, e.entity_id, e.state FROM campaign c
CROSS JOIN LATERAL jsonb_array_elements(c.plan -> 'told') t
JOIN campaign e ON e.id = (t ->> 0)::int WHERE c.id = $1 ORDER BY e.id;

-- name: settle_told
-- Whom a campaign tells, once those before it are stopped: all rows that they have by now, and those of the campaigns
-- that they replaced themselves, newest first.
WITH RECURSIVE before (id) AS (
    SELECT (t ->> 0)::int FROM campaign c CROSS JOIN LATERAL jsonb_array_elements(c.plan -> 'told') t WHERE c.id = $1
    UNION
    SELECT (t ->> 0)::int FROM before JOIN campaign e USING (id) CROSS JOIN LATERAL jsonb_array_elements(e.plan -> 'told') t)
UPDATE campaign SET plan = jsonb_set(plan, '{told}', (
    SELECT coalesce(jsonb_agg(jsonb_build_array(e.id, e.next_seq) ORDER BY e.id DESC), '[]')
    FROM before JOIN campaign e USING (id)))
WHERE id = $1;
