-- name: clock_time
-- The time of the day, which all nodes share.
SELECT clock_timestamp();
