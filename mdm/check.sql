-- What the check at the end of a run must know.

-- name: scope
-- The run that is being checked (the lock allows one run at a time, so it is the newest), the run
-- that was found in order last, and the change feed as of its end: one row. Zeros where there was
-- none, or where layers behind raw were made anew since: by order, after a crash (then no profile is
-- older than the news, or profiles were made without any news), or gold by other rules.
WITH checked AS (
    SELECT coalesce(max(r.run_id), 0) AS run_id
    FROM ops.runs AS r
    WHERE r.state = 'DONE' AND jsonb_array_length(r.report -> 'invariants') > 0 AND NOT :anew
), seen AS (
    SELECT c.run_id,
           coalesce((SELECT r.change_seq FROM staging.records AS r
                     WHERE c.run_id > 0 AND r.run_id <= c.run_id
                     ORDER BY r.change_seq DESC LIMIT 1), 0) AS change_seq
    FROM checked AS c
), layers AS (
    SELECT s.*, (SELECT min(r.change_seq) FROM staging.records AS r WHERE r.change_seq > s.change_seq) AS first_news,
           (SELECT min(p.change_seq) FROM staging.profiles AS p) AS oldest_profile,
           (SELECT v.run_id FROM staging.volatile_marker AS v WHERE v.layer = 'identity_inputs') AS profiles_run_id
    FROM seen AS s
), kept AS (
    SELECT l.run_id, l.change_seq
    FROM layers AS l
    WHERE coalesce(l.oldest_profile < l.first_news, l.profiles_run_id <= l.run_id)
      AND NOT EXISTS (SELECT FROM gold.touched_customers AS t
                      WHERE t.global_customer_id IS NULL AND t.run_id > l.run_id)
)
SELECT (SELECT max(run_id) FROM ops.runs) AS run_id,
       coalesce((SELECT run_id FROM kept), 0) AS since_run_id,
       coalesce((SELECT change_seq FROM kept), 0) AS since_change_seq

-- name: stay_on_one_core
-- Work beside a run that publishes takes the core that is idle, and none from what waits for it.
SET max_parallel_workers_per_gather = 0;
SET max_parallel_maintenance_workers = 0;

-- name: expect_nothing
-- Where everything is looked at: the planner fears that most rows break an invariant, and that a core
-- which hands them over is no help; none does.
SET LOCAL parallel_tuple_cost = 0

-- name: expect_little
-- Where only what changed is looked at, every query has an index to find it by. Statistics are often older
-- than what changed: then the planner takes half a table for new, reads all of it, or starts workers for a
-- handful of rows, which takes longer than the query.
SET LOCAL enable_seqscan = off;
SET LOCAL max_parallel_workers_per_gather = 0

-- name: expect_as_always
-- What follows is planned as always.
SET LOCAL parallel_tuple_cost TO DEFAULT;
SET LOCAL enable_seqscan TO DEFAULT;
SET LOCAL max_parallel_workers_per_gather TO DEFAULT
