-- Requests that may be sent again: one claim for each credential and key, and the answer that was given.

-- name: repeat_claim
-- Take a key for this request; no row comes back when it is taken. It is free again after a day ($5 seconds), and to the
-- same request when nobody answered within $6 seconds: who was at it is gone.
INSERT INTO idempotency AS i (credential, entity_id, name, asked) VALUES ($1, $2, $3, $4)
ON CONFLICT (credential, entity_id, name) DO UPDATE SET asked = EXCLUDED.asked, at = now(), status = NULL, sealed = NULL
WHERE i.at < now() - make_interval(secs => $5)
   OR (i.status IS NULL AND i.asked = EXCLUDED.asked AND i.at < now() - make_interval(secs => $6))
RETURNING 1;

-- name: repeat_known
-- What is kept under a key.
SELECT asked, status, sealed FROM idempotency WHERE credential = $1 AND entity_id = $2 AND name = $3;

-- name: repeat_answer
-- Keep the answer that was given.
UPDATE idempotency SET status = $4, sealed = $5 WHERE credential = $1 AND entity_id = $2 AND name = $3;

-- name: repeat_release
-- Nothing was done: the key is free again.
DELETE FROM idempotency WHERE credential = $1 AND entity_id = $2 AND name = $3 AND status IS NULL;

-- name: repeat_forget
-- Answers older than $1 seconds.
WITH gone AS (DELETE FROM idempotency WHERE at < now() - make_interval(secs => $1) RETURNING 1) SELECT count(*) FROM gone;
