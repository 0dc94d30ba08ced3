-- name: crosswalk
-- Every live record with its profile and customer; one row per record.
SELECT source, source_record_id AS record_id, profile_id AS profile, global_customer_id AS customer
FROM identity.customer_identity_map

-- name: scored_pairs
-- Every scored pair of profiles; one row per pair. Each pair that blocking proposed has a score
-- (an invariant), so a pair that is not here was never proposed.
SELECT profile_id_l AS l, profile_id_r AS r, match_probability AS probability, decision,
       is_vetoed::int AS vetoed, rule_id AS rule
FROM staging.identity_match_candidates

-- name: rules
-- The blocking rules in their order; one row per rule.
SELECT rule_id, name FROM staging.blocking_rules ORDER BY rule_id
