-- name: two_records
-- Two records of different customers, for a steward to join: one row.
SELECT format('%s:%s', a.source, a.source_record_id) AS one,
       format('%s:%s', b.source, b.source_record_id) AS other
FROM identity.customer_identity_map AS a
JOIN identity.customer_identity_map AS b ON b.global_customer_id <> a.global_customer_id
LIMIT 1
