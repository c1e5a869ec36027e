-- name: clock_time
-- The time of the day, which all nodes share.
SELECT clock_timestamp();

-- name: transaction_time
-- What every other statement of this transaction takes for the time.
SELECT now();
