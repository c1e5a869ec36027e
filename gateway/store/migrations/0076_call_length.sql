-- How long each call was answered: what started minutes are counted from when its campaign closes. Found, as receipts are,
-- by provider and call id; of no entity until then.

CREATE TABLE call_length (
    provider smallint NOT NULL,
    call_id text NOT NULL,
    seconds int NOT NULL CHECK (seconds > 0),       -- from the answer to the end, begun ones counted whole
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, call_id)                 -- providers repeat themselves
);
CREATE INDEX call_length_at ON call_length (at);
GRANT SELECT, INSERT, DELETE ON call_length TO ${app_role};
