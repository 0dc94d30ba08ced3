-- What the check at the end of a run must know.

-- name: run_under_way
-- The run that is being checked: one row. The lock allows one run at a time, so it is the newest.
SELECT max(run_id) FROM ops.runs
