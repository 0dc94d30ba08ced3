-- name: last_run
-- The newest run (at most one row).
SELECT run_id, state, command, started_at, finished_at, error FROM ops.runs ORDER BY run_id DESC LIMIT 1

-- name: counts
-- How much stands in each layer and what waits for a person: one row.
SELECT (SELECT coalesce(sum(rows_n), 0) FROM raw.lake_objects WHERE state = 'LOADED') AS raw_rows,
       (SELECT count(*) FROM raw.lake_objects WHERE state = 'LOADED') AS objects,
       (SELECT count(*) FROM staging.live_records) AS records,
       (SELECT count(*) FROM staging.profiles) AS profiles,
       (SELECT count(*) FROM staging.identity_match_candidates) AS scored_pairs,
       (SELECT count(*) FROM gold.dim_customers) AS customers,
       (SELECT count(*) FROM gold.dim_customers_history) AS versions,
       (SELECT count(*) FROM gold.customer_change_events) AS events,
       (SELECT count(*) FROM gold.steward_review_queue WHERE state = 'OPEN') AS to_review,
       (SELECT count(*) FROM raw.quarantine) AS quarantined_lines,
       (SELECT count(*) FROM raw.lake_objects WHERE state = 'REJECTED') AS refused_objects,
       (SELECT max(plan_id) FROM ops.plans WHERE state = 'WAITING') AS waiting_plan

-- name: sizes
-- Bytes per schema with indexes and TOAST: one row each.
SELECT c.relnamespace::regnamespace::text AS name,
       CAST(sum(pg_total_relation_size(c.oid)) AS bigint) AS size_bytes
FROM pg_catalog.pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('ops', 'raw', 'staging', 'identity', 'gold')
GROUP BY c.relnamespace
ORDER BY size_bytes DESC, name

-- name: largest_tables
-- The largest tables with indexes and TOAST, one row each.
SELECT c.relnamespace::regnamespace || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS size_bytes
FROM pg_catalog.pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('ops', 'raw', 'staging', 'identity', 'gold')
ORDER BY size_bytes DESC, name
LIMIT :tables_n
