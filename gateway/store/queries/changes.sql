-- Turns of those who change one thing.

-- name: change_turn
-- Nobody else takes this turn until the transaction ends; two things of one hash only wait for each other.
SELECT pg_advisory_xact_lock(7230072, hashtext($1));
