-- Test messages to one telephone of each operator, on which the way through that operator is watched.

CREATE TABLE canary (
    name text NOT NULL,
    provider smallint NOT NULL REFERENCES provider,
    msg_id text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,                         -- when its receipt came
    kind smallint,                                  -- what it said: delivery.state
    PRIMARY KEY (provider, msg_id)
);
CREATE INDEX canary_by_name ON canary (name, sent_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON canary TO ${app_role};
