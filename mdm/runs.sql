-- name: try_lock
-- Whether this session now holds the run lock of the warehouse.
SELECT pg_try_advisory_lock(:key)

-- name: has_lock
-- Whether this session holds an advisory lock: it is the one that took the run lock.
SELECT EXISTS (SELECT FROM pg_catalog.pg_locks
               WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted)

-- name: unlock
-- Let go of the run lock.
SELECT pg_advisory_unlock(:key)

-- name: running
-- The run that says it is under way (at most one row: the newest).
SELECT run_id, host, pid, started_at
FROM ops.runs
WHERE state = 'RUNNING'
ORDER BY run_id DESC
LIMIT 1

-- name: close_dead_runs
-- Called by the holder of the lock: whoever else says RUNNING died without saying so.
UPDATE ops.runs
SET state = 'FAILED', finished_at = clock_timestamp(),
    error = 'the process ended without a word (killed, or the machine went down)'
WHERE state = 'RUNNING'

-- name: start_run
-- A new run. Its boundary instant is later than that of every run before, even when the clock was
-- set back: history versions must follow one another.
INSERT INTO ops.runs (command, as_of, config_hash, code_version, host, pid)
SELECT :command,
       greatest(clock_timestamp(), max(runs.as_of) + interval '1 microsecond'),
       :config_hash, :code_version, :host, :pid
FROM ops.runs AS runs
RETURNING run_id, as_of

-- name: phase_done
-- One finished phase of a run; when it had to be done again, as it ended. It is not waited for,
-- because that would flush all that the open transaction of publishing has logged. The log is kept in
-- order, so with whatever commits next this is durable too; a phase whose row a crash of the server
-- took is done again.
WITH unhurried AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO ops.phase_runs
    (run_id, phase, position, started_at, seconds, rows_in, rows_out, rows_rejected, detail)
SELECT :run_id, :phase, :position, :started_at, :seconds, :rows_in, :rows_out, :rows_rejected,
       CAST(:detail AS jsonb)
FROM unhurried
ON CONFLICT (run_id, phase) DO UPDATE
SET started_at = excluded.started_at, seconds = excluded.seconds, rows_in = excluded.rows_in,
    rows_out = excluded.rows_out, rows_rejected = excluded.rows_rejected, detail = excluded.detail

-- name: finish_run
-- The end of a run and its report.
UPDATE ops.runs
SET state = :state, finished_at = clock_timestamp(), error = :error,
    report = CAST(:report AS jsonb)
WHERE run_id = :run_id

-- name: last_findings
-- The invariants as the newest ended run found them; none when it failed or did not look.
SELECT report -> 'invariants'
FROM ops.runs
WHERE state <> 'RUNNING'
ORDER BY run_id DESC
LIMIT 1

-- name: list
-- The newest runs, each with the position of the last phase it finished (NULL: none). A run that says
-- RUNNING while nobody holds the lock DIED without a word; the next run puts that on record.
SELECT runs.run_id,
       CASE WHEN runs.state = 'RUNNING' AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_locks AS locks
                WHERE locks.locktype = 'advisory' AND locks.granted AND locks.classid = 0
                  AND locks.objid = :key
                  AND locks.database = (SELECT oid FROM pg_catalog.pg_database
                                        WHERE datname = current_database()))
            THEN 'DIED' ELSE runs.state END AS state,
       runs.started_at, runs.finished_at - runs.started_at AS took,
       runs.command, runs.error, done.position AS finished_position,
       coalesce(done.retries_n, 0) AS retries_n
FROM ops.runs AS runs
LEFT JOIN LATERAL (
    SELECT max(phases.position) AS position,
           sum(coalesce(CAST(phases.detail ->> 'retries' AS bigint), 0)
               + coalesce(CAST(phases.detail ->> 'lake_retries' AS bigint), 0)) AS retries_n
    FROM ops.phase_runs AS phases
    WHERE phases.run_id = runs.run_id) AS done ON true
WHERE CAST(:run_id AS bigint) IS NULL OR runs.run_id = :run_id
ORDER BY runs.run_id DESC
LIMIT :limit

-- name: report
-- The report of a run: its own where it is DONE, else the phases it finished, as they are on record.
SELECT coalesce(runs.report, jsonb_build_object(
    'run_id', runs.run_id,
    'error', runs.error,
    'phases', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
                   'name', phases.phase, 'phase', CAST(phases.position AS text),
                   'seconds', round(CAST(phases.seconds AS numeric), 3), 'rows_in', phases.rows_in,
                   'rows_out', phases.rows_out, 'rows_rejected', phases.rows_rejected,
                   'retries', coalesce(CAST(phases.detail ->> 'retries' AS bigint), 0),
                   'lake_retries', coalesce(CAST(phases.detail ->> 'lake_retries' AS bigint), 0),
                   'detail', phases.detail) ORDER BY phases.position)
        FROM ops.phase_runs AS phases
        WHERE phases.run_id = runs.run_id), '[]')))
FROM ops.runs AS runs
WHERE runs.run_id = :run_id
