-- name: try_lock
-- Whether this session now holds the run lock of the warehouse.
SELECT pg_try_advisory_lock(:key)

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
-- One finished phase of a run.
INSERT INTO ops.phase_runs
    (run_id, phase, position, started_at, seconds, rows_in, rows_out, rows_rejected, detail)
VALUES
    (:run_id, :phase, :position, :started_at, :seconds, :rows_in, :rows_out, :rows_rejected,
     CAST(:detail AS jsonb))

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
