-- Blocking: keys out, candidate pairs in. See docs/matching.md for the rules and their order.

-- name: fill
-- One row: how many profiles there are and how many have each kind of strong evidence.
SELECT count(*) AS profiles_n, count(email) AS email, count(phone) AS phone, count(street) AS street,
       count(date_of_birth) AS date_of_birth, count(tax_id) AS tax_id,
       count(customer_number) AS customer_number, count(organisation) AS organisation,
       count(postcode) AS postcode, count(city) AS city, count(given_name) AS given_name,
       count(extra) AS extra
FROM staging.profiles;

-- name: select_keys
-- For COPY: one row per profile and key of one rule, whose query goes in the braces.
SELECT k.key, k.profile_id FROM ({rule}) AS k

-- name: create_oversized_keys
-- One row per member of a block over the cap.
CREATE TEMPORARY TABLE oversized_keys
    (key bigint NOT NULL, profile_id bigint NOT NULL, rule_id smallint NOT NULL) ON COMMIT DROP;

-- name: analyse_oversized_keys
-- Tell the planner how many members there are.
ANALYZE pg_temp.oversized_keys;

-- name: drop_oversized_keys
-- Two runs may share a transaction.
DROP TABLE pg_temp.oversized_keys;

-- name: select_refined_keys
-- For COPY: one row per member of a block over the cap and further attribute, which cuts the block.
SELECT (k.key # hashtextextended(r.value, r.number)) AS key, k.profile_id, k.rule_id
FROM pg_temp.oversized_keys AS k
JOIN staging.profiles AS p ON p.profile_id = k.profile_id
CROSS JOIN LATERAL (VALUES
    (101, p.date_of_birth::text),
    (102, coalesce(p.given_name || ' ' || p.family_name, p.organisation)),
    (103, p.postcode),
    (104, p.city || coalesce(left(p.given_name, 1), ''))) AS r (number, value)
WHERE r.value IS NOT NULL

-- name: clear
-- Empty the outcome of the last blocking.
TRUNCATE staging.blocking_rules, staging.oversized_blocks,
    staging.identity_match_candidates_blocked;

-- name: consumed
-- One row: what blocking would work on now, and what it last worked on.
SELECT greatest((SELECT max(p.change_seq) FROM staging.profiles AS p),
                (SELECT max(r.change_seq) FROM staging.retired_profiles AS r), 0) AS change_seq,
       (SELECT concat(v.change_seq, ' ', v.config_hash) FROM staging.volatile_marker AS v
        WHERE v.layer = 'blocking') AS marker;

-- name: mark
-- Say what blocking has worked on.
INSERT INTO staging.volatile_marker (layer, change_seq, run_id, config_hash)
VALUES ('blocking', :change_seq, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET change_seq = excluded.change_seq, run_id = excluded.run_id,
    config_hash = excluded.config_hash;

-- name: insert_rules
-- One row per rule: its keys, blocks, pairs, and the pairs that no earlier rule found.
INSERT INTO staging.blocking_rules (rule_id, name, keys_n, blocks_n, pairs_n, new_pairs_n)
VALUES (:rule_id, :name, :keys_n, :blocks_n, :pairs_n, :new_pairs_n);

-- name: insert_oversized
-- One row per block over the cap (refined by further attributes) or over the budget (left out). A
-- refined key may be equal to one that a cut by another attribute gave: it counts once.
INSERT INTO staging.oversized_blocks
    (rule_id, key, profile_n, pairs_left_out, action, sample_profile_id, run_id)
SELECT :rule_id, b.key, b.profile_n, b.profile_n * (b.profile_n - 1) / 2,
       CASE WHEN b.profile_n > :cap THEN 'refined by further attributes' ELSE 'over the budget' END,
       b.sample, :run_id
FROM unnest(CAST(:keys AS bigint[]), CAST(:sizes AS bigint[]), CAST(:samples AS bigint[]))
    AS b (key, profile_n, sample);
