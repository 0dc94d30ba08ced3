-- name: two_records
-- Two records of different customers, for a steward to join: one row.
SELECT format('%s:%s', a.source, a.source_record_id) AS one,
       format('%s:%s', b.source, b.source_record_id) AS other
FROM identity.customer_identity_map AS a
JOIN identity.customer_identity_map AS b ON b.global_customer_id <> a.global_customer_id
LIMIT 1

-- name: outcome
-- What a run has come to: one row per customer with the digest of its records and golden values. Not
-- of its confidence: a counter that gold renews when it rebuilds the customer.
SELECT d.global_customer_id,
       md5(concat_ws(' ', to_jsonb(d) - 'created_at' - 'updated_at' - 'run_id' - 'match_confidence',
                     m.records)) AS digest
FROM gold.dim_customers AS d
JOIN (SELECT i.global_customer_id,
             string_agg(concat(i.source, ':', i.source_record_id), ' '
                        ORDER BY i.source, i.source_record_id) AS records
      FROM identity.customer_identity_map AS i
      GROUP BY i.global_customer_id) AS m USING (global_customer_id)

-- name: scored_pairs
-- One row: how many scored pairs there are, and a digest of them in no order.
SELECT count(*) AS pairs_n,
       sum(hashtextextended(concat_ws(' ', p.profile_id_l, p.profile_id_r, p.rule_id, p.decision,
                                      p.match_weight, p.match_probability), 0)::numeric) AS digest
FROM staging.identity_match_candidates AS p
