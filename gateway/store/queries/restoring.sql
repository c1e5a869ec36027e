-- A database that came back from a backup.

-- name: look_home
-- What was noted of this database when a node last looked, beside what it is now; held against other nodes that look.
SELECT h.place = n.place AS same_place, h.timeline = n.timeline AS same_timeline,
    extract(epoch FROM now() - h.seen_at)::float8 AS silent_s
FROM database_home h CROSS JOIN (
    SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) AS place,
        left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline
    FROM pg_control_system()) n
FOR UPDATE OF h;

-- name: note_home
-- Note what this database is now, and with $1 that it was restored.
INSERT INTO database_home AS h (place, timeline, seen_at, restored_at)
SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), now(), CASE WHEN $1::bool THEN now() END
FROM pg_control_system()
ON CONFLICT (one) DO UPDATE SET place = excluded.place, timeline = excluded.timeline, seen_at = excluded.seen_at,
    restored_at = coalesce(excluded.restored_at, h.restored_at);

-- name: restored_after
-- Whether this database was restored after that time.
SELECT EXISTS (SELECT FROM database_home WHERE restored_at > $1);

-- name: going_campaigns
-- Campaigns that send, or will when they are planned.
SELECT id, entity_id FROM campaign WHERE state IN ('planned', 'sending') ORDER BY id;
