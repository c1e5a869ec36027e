-- Everything of one entity, row by row as JSON, and put back into another database. $1 is the entity.

-- name: archive_entity
-- The entity itself, with the senders of its alerts.
SELECT jsonb_build_object('slug', e.slug, 'name', e.name, 'kind', e.kind, 'parent', p.slug, 'languages', e.languages,
    'region', e.region, 'territory', e.territory, 'policy', e.policy, 'contact_persons', e.contact_persons,
    'convention_signed_on', e.convention_signed_on, 'order_form_on', e.order_form_on,
    'signatures', e.signatures, 'allow_sha1', e.allow_sha1, 'cap_answers', e.cap_answers,
    'senders', ARRAY(SELECT s.sender FROM entity_sender s WHERE s.entity_id = e.id ORDER BY s.id))
FROM entity e LEFT JOIN entity p ON p.id = e.parent_id WHERE e.id = $1;

-- name: archive_persons
-- Its members with their roles.
SELECT jsonb_build_object('email', p.email, 'name', m.name, 'language', m.language, 'roles', m.roles,
    'suspended', m.suspended_at IS NOT NULL, 'trained_on', m.trained_on, 'trained_until', m.trained_until)
FROM membership m JOIN person p ON p.id = m.person_id WHERE m.entity_id = $1 ORDER BY p.email;

-- name: archive_partnerships
-- Its partnerships with who is what in them.
SELECT jsonb_build_object('slug', s.slug, 'name', s.name, 'agreement', s.agreement, 'people',
    (SELECT coalesce(jsonb_agg(jsonb_build_array(p.email, r.role) ORDER BY p.email, r.role), '[]')
     FROM partnership_role r JOIN person p ON p.id = r.person_id WHERE r.partnership_id = s.id))
FROM partnership s WHERE s.entity_id = $1 ORDER BY s.slug;

-- name: archive_mandates
-- What its persons may send.
SELECT jsonb_build_object('person', p.email, 'partnership', s.slug, 'class', d.message_class, 'channel', d.channel,
    'purposes', d.purposes, 'not_before', d.not_before, 'not_after', d.not_after)
FROM mandate d JOIN person p ON p.id = d.person_id LEFT JOIN partnership s ON s.id = d.partnership_id
WHERE d.entity_id = $1 AND d.confirmed_by IS NOT NULL ORDER BY d.id;

-- name: archive_contacts
-- Its own contacts with their address points; `id` counts them and links the files among each other.
SELECT jsonb_build_object('id', row_number() OVER (ORDER BY c.id), 'key', c.key, 'name', c.name, 'language', c.language, 'mobile', c.mobile,
    'landline', c.landline, 'email', c.email, 'opt_out', c.opt_out, 'verified_at', c.verified_at, 'postcode', c.postcode,
    'municipality', c.municipality, 'tags', c.tags, 'partnership', s.slug, 'places',
    (SELECT coalesce(jsonb_agg(jsonb_build_array(a.slot, a.label, a.lon, a.lat, a.z) ORDER BY a.slot), '[]')
     FROM address a WHERE a.contact_id = c.id))
FROM contact c LEFT JOIN partnership s ON s.id = c.partnership_id WHERE c.entity_id = $1 AND NOT c.registered ORDER BY c.id;

-- name: archive_groups
-- Its groups with their filters.
SELECT jsonb_build_object('slug', g.slug, 'name', g.name, 'exercises', g.exercises, 'partnership', s.slug, 'filter',
    CASE WHEN f.group_id IS NOT NULL THEN jsonb_build_object('languages', f.languages, 'postcodes', f.postcodes,
        'municipalities', f.municipalities, 'tags', f.tags, 'channels', f.channels, 'rings', f.rings) END)
FROM contact_group g LEFT JOIN group_filter f ON f.group_id = g.id LEFT JOIN partnership s ON s.id = g.partnership_id
WHERE g.entity_id = $1 ORDER BY g.slug;

-- name: archive_members
-- Who was put into its groups by hand.
WITH counted AS MATERIALIZED (
    SELECT c.id, row_number() OVER (ORDER BY c.id) AS number FROM contact c WHERE c.entity_id = $1 AND NOT c.registered)
SELECT jsonb_build_object('group', g.slug, 'contact', c.number)
FROM group_member m JOIN contact_group g ON g.id = m.group_id JOIN counted c ON c.id = m.contact_id
WHERE m.entity_id = $1 ORDER BY g.slug, c.number;

-- name: archive_templates
-- Every version of its templates; `made_by` is a member's e-mail address where a member made it.
SELECT jsonb_build_object('slug', t.slug, 'version', t.version, 'body', t.body, 'made_at', t.made_at, 'made_by',
    CASE WHEN p.id IS NOT NULL THEN p.email WHEN t.made_by ~ '^(person|token):' THEN 'former' ELSE t.made_by END)
FROM template t LEFT JOIN membership m ON m.entity_id = t.entity_id AND t.made_by = 'person:' || m.person_id
LEFT JOIN person p ON p.id = m.person_id
WHERE t.entity_id = $1 ORDER BY t.slug, t.version;

-- name: archive_certificates
-- The certificates whose signatures count for it, and those that did.
SELECT jsonb_build_object('certifies', c.certifies, 'fingerprint', encode(c.fingerprint, 'hex'), 'der_base64',
    translate(encode(c.der, 'base64'), E'\n', ''), 'subject', c.subject, 'not_before', c.not_before, 'not_after', c.not_after,
    'created_at', c.created_at, 'removed_at', c.removed_at)
FROM entity_certificate c WHERE c.entity_id = $1 ORDER BY c.id;

-- name: archive_sources
-- The feeds of others that it reads.
SELECT jsonb_build_object('url', s.url, 'title', s.title, 'trusted_at', s.trusted_at, 'paused_at', s.paused_at,
    'created_at', s.created_at)
FROM source s WHERE s.entity_id = $1 ORDER BY s.url;

-- name: archive_webhooks
-- The systems that are told of its campaigns, without the secrets.
SELECT jsonb_build_object('realm', w.realm, 'url', w.url, 'events', w.events, 'note', w.note, 'created_at', w.created_at)
FROM webhook w WHERE w.entity_id = $1 ORDER BY w.id;

-- name: archive_kept
-- The rows of one file of history that came along from elsewhere.
SELECT body FROM kept_history WHERE entity_id = $1 AND file = $2 ORDER BY number;

-- name: archive_alerts
-- What it said, byte by byte, how it was judged, and what became of it.
SELECT jsonb_build_object('alert', a.public_id, 'realm', a.realm, 'source', a.source, 'accepted', a.accepted,
    'received_at', a.received_at, 'identifier', a.identifier, 'sender', a.sender, 'sent', a.sent, 'status', a.status,
    'msg_type', a.msg_type, 'scope', a.scope, 'version', a.version, 'sha256', encode(a.sha256, 'hex'),
    'cap_base64', translate(encode(a.raw, 'base64'), E'\n', ''), 'findings', a.findings, 'http_status', a.http_status,
    'answer', a.answer, 'signature', a.signature, 'signatures', a.signatures, 'conflict_with', o.public_id, 'references',
    (SELECT coalesce(jsonb_agg(jsonb_build_array(r.sender, r.identifier, r.sent) ORDER BY r.sender, r.identifier, r.sent), '[]')
     FROM alert_reference r WHERE r.alert_id = a.id),
    'campaign', c.public_id, 'mode', c.mode, 'state', c.state, 'report', r.body)
FROM alert a LEFT JOIN campaign c ON c.alert_id = a.id LEFT JOIN report r ON r.campaign_id = c.id
LEFT JOIN alert o ON o.id = a.conflict_with
WHERE a.entity_id = $1 ORDER BY a.id;

-- name: archive_campaigns
-- What was sent: how it was decided, who agreed, each change of its state, its counts by channel.
SELECT jsonb_build_object('campaign', c.public_id, 'alert', a.public_id, 'mode', c.mode, 'class', c.message_class,
    'purpose', c.purpose, 'channels', c.channels, 'state', c.state, 'closure', c.closure, 'plan', c.plan, 'author', c.author,
    'needs', c.needs, 'seal', encode(c.seal, 'hex'), 'sealed_messages', c.sealed_messages, 'created_at', c.created_at,
    'released_at', c.released_at, 'first_submit_at', c.first_submit_at, 'last_submit_at', c.last_submit_at,
    'expires_at', c.expires_at, 'closed_at', c.closed_at, 'quiet_from', c.quiet_from, 'quiet_to', c.quiet_to,
    'quiet_zone', c.quiet_zone, 'escalate_after', c.escalate_after::text, 'events',
    (SELECT coalesce(jsonb_agg(jsonb_build_object('at', e.at, 'event', e.event, 'state', e.state, 'actor', e.actor)
        ORDER BY e.id), '[]') FROM campaign_event e WHERE e.campaign_id = c.id),
    'approvals', (SELECT coalesce(jsonb_agg(jsonb_build_object('approver', p.approver, 'need', p.need, 'at', p.at, 'void', p.void,
        'seal', encode(p.seal, 'hex'), 'reason', p.reason) ORDER BY p.id), '[]') FROM approval p WHERE p.campaign_id = c.id),
    'declaration', (SELECT jsonb_build_object('version', d.version, 'wording', w.text, 'by', d.declared_by, 'in_words', d.in_words,
        'at', d.at) FROM declaration d JOIN wording w USING (version) WHERE d.campaign_id = c.id),
    'breach', (SELECT jsonb_build_object('reason', b.reason, 'suspended', b.suspended, 'by', b.found_by, 'at', b.at)
        FROM breach b WHERE b.campaign_id = c.id),
    'milestones', (SELECT coalesce(jsonb_agg(jsonb_build_object('channel', (ARRAY['sms', 'voice', 'email'])[m.channel], 'percent', m.percent,
        'at', m.at) ORDER BY m.channel, m.percent), '[]') FROM milestone m WHERE m.campaign_id = c.id),
    'counts', (SELECT coalesce(jsonb_object_agg((ARRAY['sms', 'voice', 'email'])[g.channel], to_jsonb(g) - 'channel'), '{}')
        FROM (SELECT p.channel, sum(p.planned)::bigint AS planned, sum(p.queued)::bigint AS queued,
            sum(p.in_flight)::bigint AS in_flight, sum(p.retry_wait)::bigint AS retry_wait,
            sum(p.submitted)::bigint AS submitted, sum(p.delivered)::bigint AS delivered, sum(p.failed)::bigint AS failed,
            sum(p.cancelled)::bigint AS cancelled, sum(p.expired)::bigint AS expired, sum(p.unknown)::bigint AS unknown
            FROM progress p WHERE p.campaign_id = c.id GROUP BY p.channel) g))
FROM campaign c JOIN alert a ON a.id = c.alert_id WHERE c.entity_id = $1 ORDER BY c.id;

-- name: archive_texts
-- What each language and channel said.
SELECT jsonb_build_object('campaign', c.public_id, 'channel', (ARRAY['sms', 'voice', 'email'])[t.channel], 'language', t.language,
    'subject', t.subject, 'body', t.body, 'html', t.html, 'parts', t.parts)
FROM text t JOIN campaign c ON c.id = t.campaign_id WHERE t.entity_id = $1 ORDER BY t.campaign_id, t.key;

-- name: archive_launches
-- What was launched of its templates, with what the launcher could see.
SELECT jsonb_build_object('template', t.slug, 'version', t.version, 'preview', l.preview, 'document_base64',
    translate(encode(l.document, 'base64'), E'\n', ''), 'waived', l.waived, 'reason', l.reason, 'launched_by', l.launched_by,
    'at', l.at, 'alert', l.alert)
FROM template_launch l JOIN template t ON t.id = l.template_id WHERE l.entity_id = $1 ORDER BY l.id;

-- name: archive_terms
-- The terms that it accepted or refused, with their text.
SELECT jsonb_build_object('version', t.version, 'text', t.text, 'published_at', t.published_at, 'accepted', w.accepted,
    'answered_by', w.answered_by, 'at', w.at)
FROM terms_answer w JOIN terms t ON t.version = w.version WHERE w.entity_id = $1 ORDER BY w.version;

-- name: archive_packs
-- The units that it paid ahead.
SELECT jsonb_build_object('units', p.units, 'used', p.used, 'bought_on', p.bought_on, 'valid_until', p.valid_until,
    'reference', p.reference, 'created_at', p.created_at)
FROM pack p WHERE p.entity_id = $1 ORDER BY p.id;

-- name: archive_usage
-- Its ledger, with what each line took from packs.
SELECT jsonb_build_object('campaign', c.public_id, 'channel', (ARRAY['sms', 'voice', 'email'])[u.channel], 'prefix', u.prefix, 'messages', u.messages,
    'units', u.units, 'prepaid', u.prepaid, 'eur', u.eur::text, 'amount', u.amount::text, 'lapsed', u.lapsed,
    'priced_on', u.priced_on, 'settled_on', u.settled_on, 'draws',
    (SELECT coalesce(jsonb_agg(jsonb_build_object('units', d.units, 'bought_on', p.bought_on, 'valid_until', p.valid_until,
        'reference', p.reference) ORDER BY p.id), '[]')
     FROM pack_draw d JOIN pack p ON p.id = d.pack_id
     WHERE (d.campaign_id, d.channel, d.prefix) = (u.campaign_id, u.channel, u.prefix)))
FROM usage_line u JOIN campaign c ON c.id = u.campaign_id WHERE u.entity_id = $1 ORDER BY u.campaign_id, u.channel, u.prefix;

-- name: archive_tariffs
-- The prices that its ledger was made with: the platform's; none twice that came along from elsewhere.
SELECT x.row FROM (
    SELECT t.id, jsonb_build_object('channel', t.channel, 'prefix', t.prefix, 'eur', t.eur::text, 'valid_from', t.valid_from,
        'valid_until', t.valid_until) AS row FROM tariff t) x
WHERE NOT EXISTS (SELECT FROM kept_history k WHERE k.entity_id = $1 AND k.file = 'tariffs' AND k.body = x.row) ORDER BY x.id;

-- name: archive_people
-- Who the numbers of the record are, of its members.
SELECT jsonb_build_object('actor', 'person:' || p.id, 'email', p.email, 'name', m.name)
FROM membership m JOIN person p ON p.id = m.person_id WHERE m.entity_id = $1
  AND EXISTS (SELECT FROM audit_event e WHERE e.entity_id = $1 AND e.actor = 'person:' || p.id) ORDER BY p.id;

-- name: archive_tokens
-- Its credentials without what opens anything: to be made anew.
SELECT jsonb_build_object('actor', 'token:' || t.id, 'realm', t.realm, 'note', t.note, 'person', p.email, 'created_at', t.created_at,
    'expires_at', t.expires_at, 'revoked_at', t.revoked_at, 'last_used_at', t.last_used_at, 'mandates',
    (SELECT coalesce(jsonb_agg(jsonb_build_array(d.message_class, d.channel) ORDER BY d.message_class, d.channel), '[]')
     FROM mandate d WHERE d.token_id = t.id))
FROM token t LEFT JOIN person p ON p.id = t.person_id WHERE t.entity_id = $1 ORDER BY t.id;

-- name: archive_mail_sources
-- Who could send its alerts by mail, and how that was proven: each stands on a credential, and is entered anew with one.
SELECT jsonb_build_object('mailbox', s.mailbox, 'address', s.address, 'token', 'token:' || s.token_id, 'proof', s.proof,
    'domain', s.domain, 'certificates', s.certificates, 'fingerprint', encode(s.fingerprint, 'hex'), 'answers', s.answers,
    'reply_address', s.reply_address, 'created_at', s.created_at, 'revoked_at', s.revoked_at)
FROM mail_source s WHERE s.entity_id = $1 ORDER BY s.id;

-- name: archive_mails
-- The verdicts on its mails.
SELECT jsonb_build_object('mailbox', m.mailbox, 'sha256', encode(m.sha256, 'hex'), 'bytes', m.bytes, 'verdict', m.verdict,
    'reason', m.reason, 'detail', m.detail, 'alerts', m.alerts, 'settled_at', m.settled_at)
FROM mail m WHERE m.entity_id = $1 ORDER BY m.id;

-- name: archive_notices
-- What its members had to take note of.
SELECT jsonb_build_object('person', p.email, 'word', n.word, 'subject', n.subject, 'body', n.body, 'at', n.at, 'read_at', n.read_at)
FROM notice n JOIN person p ON p.id = n.person_id WHERE n.entity_id = $1 ORDER BY n.id;

-- name: archive_exports
-- Who took people's data out, and why.
SELECT jsonb_build_object('reason', x.reason, 'asked_by', x.asked_by, 'agreed_by', x.agreed_by, 'asked_at', x.asked_at,
    'taken_at', x.taken_at, 'of_one_person', x.contact_id IS NOT NULL)
FROM export_request x WHERE x.entity_id = $1 ORDER BY x.id;

-- name: archive_imports
-- Its imports of contacts: what each did.
SELECT jsonb_build_object('kind', i.kind, 'dry_run', i.dry_run, 'state', i.state, 'reason', i.reason, 'made_by', i.made_by,
    'partnership', s.slug, 'group', g.slug, 'rows_read', i.rows_read, 'added', i.added, 'changed', i.changed, 'same', i.same,
    'joined', i.joined, 'refused', i.refused, 'duplicates', i.duplicates, 'problems', i.problems, 'started_at', i.started_at,
    'ended_at', i.ended_at, 'undone_at', i.undone_at, 'undone_by', i.undone_by)
FROM import_run i LEFT JOIN partnership s ON s.id = i.partnership_id LEFT JOIN contact_group g ON g.id = i.group_id
WHERE i.entity_id = $1 ORDER BY i.id;

-- name: archive_audit
-- Its record, with the links of the chain.
SELECT jsonb_build_object('seq', l.seq, 'at', e.at, 'actor', e.actor, 'act', e.act, 'subject', e.subject, 'detail', e.detail,
    'hash', encode(l.hash, 'hex'))
FROM audit_link l JOIN audit_event e ON e.id = l.event_id WHERE l.entity_id = $1 ORDER BY l.seq;

-- name: restore_entity
-- A new entity from an archive, not live; no row comes back when the slug is taken.
INSERT INTO entity (slug, name, kind, live, parent_id, languages, region, territory, policy, contact_persons,
    convention_signed_on, order_form_on, signatures, allow_sha1, cap_answers)
SELECT j ->> 'slug', j ->> 'name', j ->> 'kind', false, (SELECT p.id FROM entity p WHERE p.slug = j ->> 'parent'),
    ARRAY(SELECT jsonb_array_elements_text(j -> 'languages')), j ->> 'region', j -> 'territory', j -> 'policy',
    j -> 'contact_persons', (j ->> 'convention_signed_on')::date, (j ->> 'order_form_on')::date,
    j ->> 'signatures', (j ->> 'allow_sha1')::boolean, (j ->> 'cap_answers')::boolean
FROM (SELECT $1::jsonb AS j) x ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: restore_senders
-- The senders of its alerts, but for those that somebody else uses here.
INSERT INTO entity_sender (entity_id, sender) SELECT $1, s FROM unnest($2::text[]) s ON CONFLICT DO NOTHING;

-- name: restore_contacts
-- Contacts of an archive; (id in the archive, id here).
WITH u AS MATERIALIZED (SELECT j, nextval(pg_get_serial_sequence('contact', 'id')) AS id FROM jsonb_array_elements($2::jsonb) j),
put AS (
    INSERT INTO contact (id, entity_id, key, name, language, mobile, landline, email, opt_out, verified_at, postcode,
        municipality, tags, partnership_id) OVERRIDING SYSTEM VALUE
    SELECT u.id, $1, j ->> 'key', j ->> 'name', j ->> 'language', j ->> 'mobile', j ->> 'landline', j ->> 'email',
        (j ->> 'opt_out')::smallint, (j ->> 'verified_at')::timestamptz, j ->> 'postcode', j ->> 'municipality',
        ARRAY(SELECT jsonb_array_elements_text(j -> 'tags')),
        (SELECT s.id FROM partnership s WHERE s.entity_id = $1 AND s.slug = j ->> 'partnership')
    FROM u),
placed AS (
    INSERT INTO address (contact_id, slot, entity_id, label, lon, lat, z)
    SELECT u.id, (p ->> 0)::smallint, $1, p ->> 1, (p ->> 2)::float8, (p ->> 3)::float8, (p ->> 4)::bigint
    FROM u, jsonb_array_elements(j -> 'places') p)
SELECT (j ->> 'id')::bigint AS old, id FROM u;

-- name: restore_members
-- Who was in groups by hand: $2 slugs, $3 contacts as they are numbered here.
INSERT INTO group_member (group_id, contact_id, entity_id)
SELECT g.id, u.contact, $1 FROM unnest($2::text[], $3::bigint[]) AS u (slug, contact)
JOIN contact_group g ON g.entity_id = $1 AND g.slug = u.slug ON CONFLICT DO NOTHING;

-- name: restore_template
-- One version of a template.
INSERT INTO template (entity_id, slug, version, body, made_at, made_by)
SELECT $1, j ->> 'slug', (j ->> 'version')::int, j -> 'body', (j ->> 'made_at')::timestamptz, $3 FROM (SELECT $2::jsonb AS j) x;

-- name: restore_certificate
-- A certificate whose signatures count, or did until $9.
INSERT INTO entity_certificate (entity_id, certifies, fingerprint, der, subject, not_before, not_after, created_at, removed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: restore_sources
-- Feeds of others; with $3 those that were trusted are.
INSERT INTO source (public_id, entity_id, url, title, trusted_at, paused_at, created_at)
SELECT 'so_' || left(replace(gen_random_uuid()::text, '-', ''), 16), $1, j ->> 'url', j ->> 'title',
    CASE WHEN $3 THEN (j ->> 'trusted_at')::timestamptz END, (j ->> 'paused_at')::timestamptz, (j ->> 'created_at')::timestamptz
FROM jsonb_array_elements($2::jsonb) j;

-- name: restore_webhook
-- A system that is told of campaigns; silent until it has a secret that somebody knows.
INSERT INTO webhook (public_id, entity_id, realm, url, events, note, secret, created_at, disabled_at, disabled_why)
SELECT $3, $1, j ->> 'realm', j ->> 'url', ARRAY(SELECT jsonb_array_elements_text(j -> 'events')), j ->> 'note', $4,
    (j ->> 'created_at')::timestamptz, now(), 'it came out of an archive: give it a new secret'
FROM (SELECT $2::jsonb AS j) x;

-- name: restore_packs
-- Units paid ahead elsewhere that are worth the same here.
INSERT INTO pack (entity_id, units, used, bought_on, valid_until, reference, created_at)
SELECT $1, (j ->> 'units')::int, (j ->> 'used')::int, (j ->> 'bought_on')::date, (j ->> 'valid_until')::date, j ->> 'reference',
    (j ->> 'created_at')::timestamptz
FROM jsonb_array_elements($2::jsonb) j;

-- name: restore_kept
-- Rows of a file of history, the first of them as line $3.
INSERT INTO kept_history (entity_id, file, number, body)
SELECT $1, $2, $3 + j.number - 1, j.body FROM jsonb_array_elements($4::jsonb) WITH ORDINALITY AS j (body, number);
