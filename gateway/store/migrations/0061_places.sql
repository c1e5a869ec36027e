-- An open address register: municipalities, streets by their names in each language, and where each house number lies.
-- Public reference data, imported whole (`gateway import addresses`); citizens keep copies of what they chose.

CREATE EXTENSION IF NOT EXISTS pg_trgm;             -- trusted: the owner of the database may

CREATE TABLE place_municipality (
    code text PRIMARY KEY,
    lon double precision NOT NULL,                  -- of the house in its middle
    lat double precision NOT NULL
);

CREATE TABLE place_municipality_name (
    code text NOT NULL,
    language text NOT NULL,
    name text NOT NULL,
    words text NOT NULL,
    PRIMARY KEY (code, language)
);

CREATE TABLE place_street (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    municipality text NOT NULL,
    postcode text NOT NULL,
    street text NOT NULL,                           -- as the register numbers it
    UNIQUE (municipality, postcode, street)
);

CREATE TABLE place_street_name (
    street_id int NOT NULL,
    language text NOT NULL,
    name text NOT NULL,
    town text NOT NULL,
    words text NOT NULL,                            -- name, postcode and town in plain lower case
    PRIMARY KEY (street_id, language)
);
CREATE INDEX place_street_name_words ON place_street_name USING gin (words gin_trgm_ops);

CREATE TABLE place_house (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    street_id int NOT NULL,
    number text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    z bigint NOT NULL,                              -- Morton code, as addresses have it
    UNIQUE (street_id, number)
);
CREATE INDEX place_house_z ON place_house (z);

GRANT SELECT, INSERT, UPDATE, DELETE ON place_municipality, place_municipality_name, place_street, place_street_name,
    place_house TO ${app_role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${app_role};
