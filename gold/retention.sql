-- name: count_work
-- How much stands in the tables by which phases of gold leave each other word: one row.
SELECT (SELECT count(*) FROM gold.customer_changes) AS customer_changes,
       (SELECT count(*) FROM gold.touched_customers) AS touched_customers
