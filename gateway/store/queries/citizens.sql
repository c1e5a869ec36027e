-- Citizens who register themselves: proofs, the self-service, and the rates that both are bounded by.

-- name: citizen_rate
-- Ask once more under a name ($1): $2 seconds are added to its debt, of which there may be $3 (GCRA). No row: too often.
INSERT INTO citizen_rate AS r (name, next_at) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
ON CONFLICT (name) DO UPDATE SET next_at = greatest(r.next_at, clock_timestamp()) + make_interval(secs => $2)
WHERE r.next_at <= clock_timestamp() + make_interval(secs => $3) RETURNING true;

-- name: citizen_wish_put
-- What somebody would like to register.
INSERT INTO citizen_wish (data, expires_at) VALUES ($1, now() + make_interval(secs => $2)) RETURNING id;

-- name: citizen_proof_put
-- A code or link to be sent.
INSERT INTO citizen_proof (handle, channel, endpoint, language, wish_id, contact_id, nonce, digest, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9));

-- name: citizen_proofs_due
-- Take what is to be sent now by these channels, each for a minute and a half; `wanted` is false for a link that nobody
-- is behind, and `attempts` counts this one.
WITH due AS (
    SELECT id FROM citizen_proof WHERE due_at <= now() AND expires_at > now() AND channel = ANY ($1::smallint[])
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE citizen_proof p SET attempts = p.attempts + 1, due_at = now() + interval '90 seconds'
FROM due WHERE p.id = due.id
RETURNING p.id, p.handle, p.channel, p.endpoint, p.language, p.nonce, p.attempts, p.expires_at,
    p.wish_id IS NOT NULL OR p.contact_id IS NOT NULL OR EXISTS (
        SELECT FROM contact c WHERE c.registered AND ((p.channel = 1 AND c.mobile = p.endpoint)
          OR (p.channel = 3 AND lower(c.email) = lower(p.endpoint)))) AS wanted;

-- name: citizen_proof_again
-- When a proof is due again; NULL: never.
UPDATE citizen_proof SET due_at = now() + make_interval(secs => $2) WHERE id = $1;

-- name: citizen_proof_try
-- One try with a code: its row while it may still be tried. The count is kept whatever the code was.
UPDATE citizen_proof SET tries = tries + 1
WHERE handle = $1 AND tries < $2 AND used_at IS NULL AND expires_at > now()
RETURNING id, channel, endpoint, language, wish_id, contact_id, nonce, digest;

-- name: citizen_proof_use
-- A proof works once.
UPDATE citizen_proof SET used_at = now(), due_at = NULL WHERE id = $1 AND used_at IS NULL RETURNING true;

-- name: citizen_endpoint_lock
-- Two proofs of one number or address are taken one after the other.
SELECT pg_advisory_xact_lock(7230060, hashtext(lower($1)));

-- name: citizen_wish_take
-- What was wished, while it is there, locked.
SELECT id, data, contact_id FROM citizen_wish WHERE id = $1 AND expires_at > now() FOR UPDATE;

-- name: citizen_wish_done
-- A wish became a citizen: its data are theirs now, and not kept here.
UPDATE citizen_wish SET contact_id = $2, data = '{}' WHERE id = $1;

-- name: citizen_by_endpoint
-- The citizen whose number or address this is.
SELECT id FROM contact c WHERE c.registered AND (($1::smallint = 1 AND c.mobile = $2) OR ($1 = 3 AND lower(c.email) = lower($2)))
ORDER BY id LIMIT 1;

-- name: citizen_put
-- A new citizen of the platform.
INSERT INTO contact (entity_id, registered, name, language, opt_out, consent_at, consent_source, key)
SELECT e.id, true, $1, $2, $3, now(), $4, $5 FROM entity e WHERE e.slug = 'platform' RETURNING id;

-- name: citizen_change
-- What a citizen says of themselves; NULL stays.
UPDATE contact SET name = coalesce($2, name), language = coalesce($3, language), opt_out = coalesce($4, opt_out)
WHERE id = $1 AND registered;

-- name: citizen_place_drop
-- The addresses of a citizen go, before others come.
DELETE FROM address WHERE contact_id = $1;

-- name: citizen_take_endpoint
-- A number or address is this citizen's alone from now on, and proven.
UPDATE contact SET mobile = CASE WHEN $2::smallint = 1 THEN $3 ELSE mobile END,
    email = CASE WHEN $2 = 3 THEN $3 ELSE email END, verified_at = now() WHERE id = $1 AND registered;

-- name: citizen_lose_endpoint
-- Nobody else among the citizens has it any more.
UPDATE contact SET mobile = CASE WHEN $2::smallint = 1 THEN NULL ELSE mobile END,
    email = CASE WHEN $2 = 3 THEN NULL ELSE email END
WHERE registered AND id <> $1 AND (($2 = 1 AND mobile = $3) OR ($2 = 3 AND lower(email) = lower($3))) RETURNING id;

-- name: citizen_unreachable
-- Of these citizens, who can not be reached any more goes.
WITH gone AS (
    DELETE FROM contact WHERE registered AND id = ANY ($1::bigint[]) AND coalesce(mobile, landline, email) IS NULL
    RETURNING entity_id, id)
INSERT INTO erasure (entity_id, contact_id, asked_by) SELECT entity_id, id, $2 FROM gone RETURNING contact_id AS id;

-- name: citizen_drop_endpoint
-- A citizen gives up a number or address, while another is left.
UPDATE contact SET mobile = CASE WHEN $2::smallint = 1 THEN NULL ELSE mobile END,
    email = CASE WHEN $2 = 3 THEN NULL ELSE email END
WHERE id = $1 AND registered AND num_nonnulls(CASE WHEN $2 = 1 THEN NULL ELSE mobile END, landline,
    CASE WHEN $2 = 3 THEN NULL ELSE email END) > 0
RETURNING id;

-- name: citizen_show
-- A citizen as they see themselves.
SELECT c.id, c.name, c.language, c.mobile, c.landline, c.email, c.opt_out, c.consent_at, c.consent_source, c.verified_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(a.label, a.lon, a.lat) ORDER BY a.slot), '[]') FROM address a
     WHERE a.contact_id = c.id) AS places
FROM contact c WHERE c.id = $1 AND c.registered;

-- name: citizen_erase
-- A citizen goes, with addresses, proofs and sessions; what was sent to them loses its address as that of contacts does.
WITH gone AS (DELETE FROM contact WHERE id = $1 AND registered RETURNING entity_id, id)
INSERT INTO erasure (entity_id, contact_id, asked_by) SELECT entity_id, id, $2 FROM gone RETURNING id;

-- name: citizen_proofs_forget
-- What waited for an endpoint goes as well when its citizen does.
DELETE FROM citizen_proof WHERE lower(endpoint) = ANY ($1::text[]);

-- name: citizen_session_put
-- Open the self-service.
INSERT INTO citizen_session (digest, contact_id, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3));

-- name: citizen_session_of
-- Whose session this is, while it is open.
SELECT contact_id FROM citizen_session WHERE digest = $1 AND expires_at > now();

-- name: citizen_session_end
-- Close one session.
DELETE FROM citizen_session WHERE digest = $1;

-- name: citizen_forget
-- Everything that has run out: nobody's data wait for longer than their proof.
WITH wishes AS (DELETE FROM citizen_wish WHERE expires_at < now() RETURNING 1),
proofs AS (DELETE FROM citizen_proof WHERE expires_at < now() RETURNING 1),
sessions AS (DELETE FROM citizen_session WHERE expires_at < now() RETURNING 1),
rates AS (DELETE FROM citizen_rate WHERE next_at < now() RETURNING 1)
SELECT (SELECT count(*) FROM proofs) + (SELECT count(*) FROM wishes);

-- name: citizens_in
-- Registered citizens with an address in these cells (the columns of gateway.cap.cover), by language, with the month of
-- their consent and their channels; counts, never a person.
WITH who AS (
    SELECT DISTINCT a.contact_id AS id
    FROM unnest($1::bigint[], $2::bigint[], $3::text[]::polygon[], $4::text[]::polygon[], $5::float8[], $6::float8[],
        $7::float8[], $8::float8[], $9::float8[], $10::float8[])
        AS r (lo, hi, ring_a, ring_b, lon_a, lat_a, limit_a, lon_b, lat_b, limit_b)
    JOIN address a ON a.z BETWEEN r.lo AND r.hi
    WHERE (r.ring_a IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_a)
      AND (r.ring_b IS NULL OR point(a.lon * 1e7, a.lat * 1e7) <@ r.ring_b))
SELECT c.language, to_char(c.consent_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*) AS citizens,
    count(c.mobile) AS sms, count(c.email) AS email, count(coalesce(c.landline, c.mobile)) AS voice
FROM who JOIN contact c ON c.id = who.id WHERE c.registered GROUP BY 1, 2 ORDER BY 1, 2;

-- name: citizen_territory
-- Where an entity may target people by place.
SELECT kind, territory FROM entity WHERE slug = $1;
