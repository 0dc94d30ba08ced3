-- name: drop_plans
-- Delete plans that were applied or discarded longer ago; a waiting plan is never deleted.
DELETE FROM ops.plans
WHERE state IN ('APPLIED', 'DISCARDED') AND decided_at < now() - CAST(:older_than AS interval)

-- name: drop_phase_runs
-- Delete the figures per phase of runs that ended longer ago; their report stays with the run.
DELETE FROM ops.phase_runs AS phases
USING ops.runs AS runs
WHERE runs.run_id = phases.run_id AND runs.finished_at < now() - CAST(:older_than AS interval)
