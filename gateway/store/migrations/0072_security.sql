-- What the platform asks of everybody, and an entity only more strictly: how long sessions and tokens last. Both stand in
-- the policy of an entity (`security`), the platform's in that of the entity 'platform'; the shorter one holds.

CREATE FUNCTION security_number(policy jsonb, key text) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(policy #> ARRAY['security', key]) = 'number'
                THEN least((policy #>> ARRAY['security', key])::numeric, 1000000)::float8 END
$$;

CREATE VIEW security_in_force AS
SELECT e.id AS entity_id,
    make_interval(secs => 60 * least(security_number(e.policy, 'session_idle_minutes'),
                                     security_number(p.policy, 'session_idle_minutes'))) AS idle,
    make_interval(secs => 3600 * least(security_number(e.policy, 'session_hours'),
                                       security_number(p.policy, 'session_hours'))) AS longest,
    make_interval(secs => 86400 * least(security_number(e.policy, 'token_days'),
                                        security_number(p.policy, 'token_days'))) AS token_life
FROM entity e LEFT JOIN entity p ON p.slug = 'platform';

-- A session may act for each of its person's entities, and keeps to the strictest of them. Owned by who sees all rows: an
-- entity that lists its members' sessions does not see the other entities.
CREATE FUNCTION session_limits(person int, OUT idle interval, OUT longest interval)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
    SELECT min(f.idle), min(f.longest) FROM membership m JOIN security_in_force f ON f.entity_id = m.entity_id
    WHERE m.person_id = $1 AND m.accepted_at IS NOT NULL
$$;

CREATE VIEW lasting_session WITH (security_invoker = true) AS
SELECT s.id, s.public_id, s.person_id, s.digest, s.state, s.way, s.entity_id, s.realm, s.created_at, s.last_used_at,
    least(s.idle, l.idle) AS idle, least(s.ends_at, s.created_at + l.longest) AS ends_at
FROM person_session s CROSS JOIN LATERAL session_limits(s.person_id) l
WHERE s.ended_at IS NULL AND least(s.ends_at, s.created_at + l.longest, s.last_used_at + least(s.idle, l.idle)) > now();

-- The credential of a mail source is known to nobody, and has no age: the source is proven with every mail.
CREATE OR REPLACE VIEW credential AS
SELECT t.id AS token_id, t.digest, t.realm, t.person_id, t.entity_id,
    t.revoked_at IS NOT NULL OR t.confirmed_by IS NULL AS revoked,
    coalesce(t.expires_at <= now(), false) OR (coalesce(t.created_at + f.token_life <= now(), false)
        AND NOT EXISTS (SELECT FROM mail_source m WHERE m.token_id = t.id)) AS expired
FROM token t JOIN security_in_force f ON f.entity_id = t.entity_id
UNION ALL
SELECT NULL::int, s.digest, r.realm, s.person_id, m.entity_id, false, false
FROM lasting_session s JOIN membership m ON m.person_id = s.person_id AND m.accepted_at IS NOT NULL
JOIN (VALUES ('test'), ('live')) AS r (realm) ON r.realm = 'test' OR m.live_at IS NOT NULL
WHERE s.state = 'open';

REVOKE ALL ON FUNCTION session_limits(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION session_limits(int) TO ${app_role}, ${tenant_role};
GRANT SELECT ON lasting_session TO ${app_role}, ${tenant_role};
