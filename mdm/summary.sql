-- name: totals
-- One row: records, customers and waiting decisions as they are now.
SELECT (SELECT count(*) FROM identity.customer_identity_map) AS records_n,
       (SELECT count(*) FROM gold.dim_customers) AS customers_n,
       (SELECT count(*) FROM gold.steward_review_queue WHERE state = 'OPEN') AS review_n

-- name: largest_customers
-- The five customers with the most records: the first place to look for a wrong merge.
SELECT record_count
FROM gold.dim_customers
ORDER BY record_count DESC, global_customer_id
LIMIT 5

-- name: refused_objects
-- Objects that this run refused as a whole, with the reason.
SELECT object_key, reason
FROM raw.lake_objects
WHERE run_id = :run_id AND state = 'REJECTED'
ORDER BY object_key
LIMIT 10

-- name: live_records
-- What each source had when gold was last published, a row per source that had something.
SELECT source, live_n
FROM gold.source_volumes
WHERE live_n > 0
ORDER BY source COLLATE "C"
