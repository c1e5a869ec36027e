-- Which database this was when a node last looked: one that came back from a backup knows less than what was sent.

CREATE TABLE database_home (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    place text NOT NULL,                            -- the cluster and the database in it: another one after a dump was read
    timeline text NOT NULL,                         -- another one after a recovery to a point in time, and after a failover
    seen_at timestamptz NOT NULL,
    restored_at timestamptz                         -- alerts that were sent before it wait for an operator
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE ON database_home TO ${app_role};
