-- The audit record: written by the application, linked by the database, never changed.

-- name: audit_write
-- Write down that something was done; actor $2 NULL is whoever the transaction acts for.
INSERT INTO audit_event (entity_id, actor, act, subject, detail)
VALUES ($1, coalesce($2, nullif(current_setting('gateway.actor', true), ''), 'gateway'), $3, $4, $5::jsonb);

-- name: audit_seen_lately
-- How many contacts somebody looked at within the hour, by what was written down of it.
SELECT coalesce(sum((detail ->> 'count')::int), 0)::int FROM audit_event
WHERE entity_id = $1 AND actor = $2 AND act = 'contacts.seen' AND at > now() - interval '1 hour';

-- name: audit_page
-- Events of one entity, newest first, before event $2; $3 and $4 narrow by act and subject (NULL: any).
SELECT e.id, l.seq, e.at, e.actor, e.act, e.subject, e.detail, l.hash FROM audit_event e
LEFT JOIN audit_link l ON l.event_id = e.id
WHERE e.entity_id = $1 AND e.id < $2 AND ($3::text IS NULL OR starts_with(e.act, $3)) AND ($4::text IS NULL OR e.subject = $4)
ORDER BY e.id DESC LIMIT $5;

-- name: audit_chains
-- The end of every chain, and how many events are in none.
SELECT e.id AS entity_id, e.slug AS entity, h.seq, h.hash,
    (SELECT count(*) FROM audit_event v LEFT JOIN audit_link l ON l.event_id = v.id
     WHERE v.entity_id = e.id AND l.seq IS NULL) AS loose
FROM entity e LEFT JOIN audit_head h ON h.entity_id = e.id
WHERE h.seq IS NOT NULL AND ($1::text IS NULL OR e.slug = $1) ORDER BY e.slug;

-- name: audit_links
-- One helping of a chain in its order, after link $2 and up to $3.
SELECT l.entity_id, l.seq, e.id AS event, e.at, e.actor, e.act, e.subject, e.detail::text AS detail, l.hash
FROM audit_link l LEFT JOIN audit_event e ON e.id = l.event_id
WHERE l.entity_id = $1 AND l.seq > $2 AND l.seq <= $3 ORDER BY l.seq LIMIT $4;
