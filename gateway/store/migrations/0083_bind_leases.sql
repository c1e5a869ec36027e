-- Binds are leased: a provider allows so many of them, however many nodes there are.

CREATE TABLE bind_taker (                           -- who would hold binds of a provider, as long as it says so
    provider text NOT NULL,
    node int NOT NULL REFERENCES node,
    leads boolean NOT NULL,                         -- has the first place: one bind of every provider
    lease_until timestamptz NOT NULL,
    PRIMARY KEY (provider, node)
) WITH (fillfactor = 50);

CREATE TABLE bind_lease (
    provider text NOT NULL,
    ordinal smallint NOT NULL,                      -- 1 to sms.providers.binds
    node int REFERENCES node,                       -- NULL: given back
    epoch int NOT NULL DEFAULT 1,                   -- one more for each holder
    lease_until timestamptz,
    PRIMARY KEY (provider, ordinal)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON bind_taker, bind_lease TO ${app_role};
