-- Everything of one entity, row by row as JSON, and put back into another database. $1 is the entity.

-- name: archive_entity
-- The entity itself, with the senders of its alerts.
SELECT jsonb_build_object('slug', e.slug, 'name', e.name, 'kind', e.kind, 'parent', p.slug, 'languages', e.languages,
    'region', e.region, 'territory', e.territory, 'policy', e.policy, 'contact_persons', e.contact_persons,
    'convention_signed_on', e.convention_signed_on, 'order_form_on', e.order_form_on,
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
-- Its own contacts with their address points; `id` links the files among each other.
SELECT jsonb_build_object('id', c.id, 'key', c.key, 'name', c.name, 'language', c.language, 'mobile', c.mobile,
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
SELECT jsonb_build_object('group', g.slug, 'contact', m.contact_id)
FROM group_member m JOIN contact_group g ON g.id = m.group_id WHERE m.entity_id = $1 ORDER BY g.slug, m.contact_id;

-- name: archive_alerts
-- What it said, byte by byte, and what became of it.
SELECT jsonb_build_object('alert', a.public_id, 'realm', a.realm, 'source', a.source, 'accepted', a.accepted,
    'received_at', a.received_at, 'identifier', a.identifier, 'sender', a.sender, 'sent', a.sent, 'sha256', encode(a.sha256, 'hex'),
    'cap_base64', encode(a.raw, 'base64'), 'campaign', c.public_id, 'mode', c.mode, 'state', c.state, 'report', r.body)
FROM alert a LEFT JOIN campaign c ON c.alert_id = a.id LEFT JOIN report r ON r.campaign_id = c.id
WHERE a.entity_id = $1 ORDER BY a.id;

-- name: archive_audit
-- Its record, with the links of the chain.
SELECT jsonb_build_object('seq', l.seq, 'at', e.at, 'actor', e.actor, 'act', e.act, 'subject', e.subject, 'detail', e.detail,
    'hash', encode(l.hash, 'hex'))
FROM audit_link l JOIN audit_event e ON e.id = l.event_id WHERE l.entity_id = $1 ORDER BY l.seq;

-- name: restore_entity
-- A new entity from an archive, not live; no row comes back when the slug is taken.
INSERT INTO entity (slug, name, kind, live, parent_id, languages, region, territory, policy, contact_persons,
    convention_signed_on, order_form_on)
SELECT j ->> 'slug', j ->> 'name', j ->> 'kind', false, (SELECT p.id FROM entity p WHERE p.slug = j ->> 'parent'),
    ARRAY(SELECT jsonb_array_elements_text(j -> 'languages')), j ->> 'region', j -> 'territory', j -> 'policy',
    j -> 'contact_persons', (j ->> 'convention_signed_on')::date, (j ->> 'order_form_on')::date
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
