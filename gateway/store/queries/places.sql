-- The address register: imported whole, searched by words or by a point.

-- name: places_clear_houses
-- Everything goes, before another edition comes.
DELETE FROM place_house;

-- name: places_clear_names
-- Names of streets.
DELETE FROM place_street_name;

-- name: places_clear_streets
-- Streets.
DELETE FROM place_street;

-- name: places_clear_municipalities
-- Municipalities.
WITH names AS (DELETE FROM place_municipality_name) DELETE FROM place_municipality;

-- name: places_put_streets
-- Streets of a batch that are new.
INSERT INTO place_street (municipality, postcode, street)
SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING;

-- name: places_put_street_names
-- Their names by language.
INSERT INTO place_street_name (street_id, language, name, town, words)
SELECT DISTINCT ON (s.id, u.language) s.id, u.language, u.name, u.town, u.words
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
    AS u (municipality, postcode, street, language, name, town, words)
JOIN place_street s ON s.municipality = u.municipality AND s.postcode = u.postcode AND s.street = u.street
ORDER BY s.id, u.language ON CONFLICT DO NOTHING;

-- name: places_put_municipality_names
-- Names of municipalities by language.
INSERT INTO place_municipality_name (code, language, name, words)
SELECT DISTINCT ON (c, l) c, l, n, w FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u (c, l, n, w)
ORDER BY c, l ON CONFLICT DO NOTHING;

-- name: places_put_houses
-- House numbers of a batch; of several boxes the first one is the house.
INSERT INTO place_house (street_id, number, lon, lat, z)
SELECT DISTINCT ON (s.id, u.number) s.id, u.number, u.lon, u.lat, u.z
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::bigint[])
    AS u (municipality, postcode, street, number, lon, lat, z)
JOIN place_street s ON s.municipality = u.municipality AND s.postcode = u.postcode AND s.street = u.street
ORDER BY s.id, u.number ON CONFLICT DO NOTHING;

-- name: places_find_middles
-- A municipality as a whole is the house nearest to the middle of all its houses: a place where people live.
WITH middle AS (
    SELECT s.municipality, avg(h.lon) AS lon, avg(h.lat) AS lat
    FROM place_house h JOIN place_street s ON s.id = h.street_id GROUP BY s.municipality)
INSERT INTO place_municipality (code, lon, lat)
SELECT DISTINCT ON (m.municipality) m.municipality, h.lon, h.lat
FROM middle m JOIN place_street s ON s.municipality = m.municipality JOIN place_house h ON h.street_id = s.id
ORDER BY m.municipality, (h.lon - m.lon) ^ 2 * cos(radians(m.lat)) ^ 2 + (h.lat - m.lat) ^ 2;

-- name: places_search
-- Streets whose words ($1) are like the typed ones, in postcode $2 ('' for any), with house number $3 ('' for none); a
-- street without that number comes by its first house and without `address`.
SELECT h.id AS house, n.name, h.number, s.postcode, n.town, s.municipality, h.lon, h.lat, h.number = $3 AS found
FROM (
    SELECT DISTINCT ON (street_id) street_id, name, town, word_similarity($1, words) AS likeness
    FROM place_street_name WHERE $1 <% words ORDER BY street_id, word_similarity($1, words) DESC) n
JOIN place_street s ON s.id = n.street_id AND ($2 = '' OR s.postcode = $2)
CROSS JOIN LATERAL (
    SELECT h.id, h.number, h.lon, h.lat FROM place_house h WHERE h.street_id = s.id
    ORDER BY h.number <> $3, length(h.number), h.number LIMIT 1) h
ORDER BY n.likeness DESC, found DESC, n.name, s.postcode LIMIT $4;

-- name: places_search_municipalities
-- Municipalities whose names are like the typed words.
SELECT DISTINCT ON (m.code) m.code, n.name, m.lon, m.lat, similarity($1, n.words) AS likeness
FROM place_municipality_name n JOIN place_municipality m ON m.code = n.code
WHERE $1 % n.words ORDER BY m.code, likeness DESC LIMIT $2;

-- name: places_house
-- One house with the name of its street, in this language where there is one.
SELECT h.id AS house, n.name, h.number, s.postcode, n.town, s.municipality, h.lon, h.lat, true AS found
FROM place_house h JOIN place_street s ON s.id = h.street_id JOIN place_street_name n ON n.street_id = s.id
WHERE h.id = $1 ORDER BY n.language = $2 DESC, n.language LIMIT 1;

-- name: places_municipality
-- One municipality by its code.
SELECT m.code, n.name, m.lon, m.lat FROM place_municipality m JOIN place_municipality_name n ON n.code = m.code
WHERE m.code = $1 ORDER BY n.language = $2 DESC, n.language LIMIT 1;

-- name: places_near
-- The house nearest to a point ($3, $4), of those in these ranges of codes.
SELECT h.id AS house, n.name, h.number, s.postcode, n.town, s.municipality, h.lon, h.lat, true AS found
FROM unnest($1::bigint[], $2::bigint[]) AS r (lo, hi) JOIN place_house h ON h.z BETWEEN r.lo AND r.hi
JOIN place_street s ON s.id = h.street_id JOIN place_street_name n ON n.street_id = s.id
ORDER BY sin(radians(h.lat - $4) / 2) ^ 2 + cos(radians(h.lat)) * cos(radians($4)) * sin(radians(h.lon - $3) / 2) ^ 2,
    n.language = $5 DESC, n.language LIMIT 1;

-- name: places_counts
-- How large the register is.
SELECT (SELECT count(*) FROM place_municipality) AS municipalities, (SELECT count(*) FROM place_street) AS streets,
    (SELECT count(*) FROM place_house) AS houses;
