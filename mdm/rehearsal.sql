-- name: customers_of_records
-- One row per customer that holds some of the given records (source:record_id): which of them, its
-- golden values by attribute (empty ones left out), and whether its id is one that :run_id made.
WITH records AS (
    SELECT given.record, map.global_customer_id
    FROM unnest(CAST(:records AS text[])) AS given (record)
    JOIN identity.customer_identity_map AS map
      ON map.source = split_part(given.record, ':', 1)
     AND map.source_record_id = substr(given.record, strpos(given.record, ':') + 1)
), customers AS (
    SELECT global_customer_id, array_agg(record ORDER BY record COLLATE "C") AS records
    FROM records
    GROUP BY global_customer_id
)
SELECT customers.global_customer_id, customers.records,
       jsonb_strip_nulls((gold.meaning(golden) - 'extra') || golden.extra) AS golden,
       ids.created_run_id = :run_id AS is_new
FROM customers
JOIN gold.dim_customers AS golden USING (global_customer_id)
JOIN identity.customers AS ids USING (global_customer_id)
ORDER BY ids.customer_seq
