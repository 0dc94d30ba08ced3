-- Blocking: from keys to candidate pairs. See docs/matching.md for the rules and their order.
-- Work tables are ordinary unlogged ones, not temporary: only those can be read by parallel workers.

-- name: drop_work
-- Remove the work tables of this or of an interrupted run.
DROP TABLE IF EXISTS staging.blocking_work_keys, staging.blocking_work_blocks,
    staging.blocking_work_members, staging.blocking_work_refined, staging.blocking_work_pairs;

-- name: fill
-- One row: how many profiles there are and how many have each kind of strong evidence.
SELECT count(*) AS profiles_n, count(email) AS email, count(phone) AS phone, count(street) AS street,
       count(date_of_birth) AS date_of_birth, count(tax_id) AS tax_id,
       count(customer_number) AS customer_number, count(organisation) AS organisation,
       count(postcode) AS postcode, count(city) AS city, count(given_name) AS given_name,
       count(extra) AS extra
FROM staging.profiles;

-- name: create_keys
-- One row per profile and key of the rules in use (the rules' queries follow).
CREATE UNLOGGED TABLE staging.blocking_work_keys AS

-- name: create_blocks
-- One row per key that two or more profiles share, with the action its size asks for.
CREATE UNLOGGED TABLE staging.blocking_work_blocks AS
SELECT key, min(rule_id) AS rule_id, count(*) AS profile_n
FROM staging.blocking_work_keys
GROUP BY key
HAVING count(*) > 1;

-- name: analyse_keys
-- Tell the planner how many rows the new table has and how often a key comes.
ANALYZE staging.blocking_work_keys;

-- name: analyse_blocks
-- Likewise for the blocks.
ANALYZE staging.blocking_work_blocks;

-- name: create_refined_keys
-- One row per member of a block over the cap and further attribute: the block cut by that attribute.
CREATE UNLOGGED TABLE staging.blocking_work_refined AS
SELECT k.profile_id, k.rule_id, (k.key # hashtextextended(r.value, r.number)) AS key
FROM staging.blocking_work_blocks AS b
JOIN staging.blocking_work_keys AS k USING (key)
JOIN staging.profiles AS p ON p.profile_id = k.profile_id
CROSS JOIN LATERAL (VALUES
    (101, p.date_of_birth::text),
    (102, coalesce(p.given_name || ' ' || p.family_name, p.organisation)),
    (103, p.postcode),
    (104, p.city || coalesce(left(p.given_name, 1), ''))) AS r (number, value)
WHERE b.profile_n > :cap AND r.value IS NOT NULL;

-- name: add_refined_blocks
-- One row per refined key that two or more profiles share.
INSERT INTO staging.blocking_work_blocks (key, rule_id, profile_n)
SELECT k.key, min(k.rule_id), count(*)
FROM staging.blocking_work_refined AS k
GROUP BY k.key
HAVING count(*) > 1;

-- name: add_refined_keys
-- The refined keys are keys from here on.
INSERT INTO staging.blocking_work_keys (profile_id, rule_id, key)
SELECT k.profile_id, k.rule_id, k.key FROM staging.blocking_work_refined AS k;

-- name: count_pairs
-- One row per block size: how many blocks and pairs it stands for, for the pair budget.
SELECT profile_n, count(*) AS blocks_n, count(*) * profile_n * (profile_n - 1) / 2 AS pairs_n
FROM staging.blocking_work_blocks
WHERE profile_n <= :cap
GROUP BY profile_n
ORDER BY profile_n;

-- name: create_members
-- One row per profile in a block that fits the cap and the budget.
CREATE UNLOGGED TABLE staging.blocking_work_members AS
SELECT k.key, k.profile_id, k.rule_id
FROM staging.blocking_work_keys AS k
JOIN staging.blocking_work_blocks AS b USING (key)
WHERE b.profile_n <= :largest;

-- name: create_pairs
-- One row per pair of profiles that share a block, with the first rule that found it.
CREATE UNLOGGED TABLE staging.blocking_work_pairs AS
SELECT l.profile_id AS profile_id_l, r.profile_id AS profile_id_r, min(l.rule_id) AS rule_id
FROM staging.blocking_work_members AS l
JOIN staging.blocking_work_members AS r ON r.key = l.key AND r.profile_id > l.profile_id
GROUP BY l.profile_id, r.profile_id;

-- name: publish_pairs
-- The pairs take their place by name, as copying millions of rows takes seconds.
ALTER TABLE staging.blocking_work_pairs
    ALTER COLUMN profile_id_l SET NOT NULL,
    ALTER COLUMN profile_id_r SET NOT NULL,
    ALTER COLUMN rule_id SET NOT NULL;
DROP TABLE staging.identity_match_candidates_blocked;
ALTER TABLE staging.blocking_work_pairs RENAME TO identity_match_candidates_blocked;
COMMENT ON TABLE staging.identity_match_candidates_blocked IS 'One row per candidate pair of profiles (smaller id left) with the first rule that found it. Writer: matching (blocking).';

-- name: clear
-- Empty the outcome of the last blocking.
TRUNCATE staging.blocking_keys, staging.blocking_rules, staging.oversized_blocks,
    staging.identity_match_candidates_blocked;

-- name: keep_keys
-- The keys stay for explanations; handed over by name, as copying ten million rows takes seconds.
DROP TABLE staging.blocking_keys;
ALTER TABLE staging.blocking_work_keys RENAME TO blocking_keys;
COMMENT ON TABLE staging.blocking_keys IS 'One row per profile and blocking rule it has a value for; key is a 64-bit hash of rule and value. Writer: matching (blocking).';

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
SELECT r.rule_id, r.name, coalesce(k.n, 0), coalesce(b.blocks_n, 0), coalesce(b.pairs_n, 0),
       coalesce(c.n, 0)
FROM unnest(CAST(:rule_ids AS smallint[]), CAST(:names AS text[])) AS r (rule_id, name)
LEFT JOIN (SELECT rule_id, count(*) AS n FROM staging.blocking_work_keys GROUP BY rule_id) AS k
       USING (rule_id)
LEFT JOIN (SELECT rule_id, count(*) AS blocks_n, sum(profile_n * (profile_n - 1) / 2) AS pairs_n
           FROM staging.blocking_work_blocks WHERE profile_n <= :largest
           GROUP BY rule_id) AS b USING (rule_id)
LEFT JOIN (SELECT rule_id, count(*) AS n FROM staging.identity_match_candidates_blocked
           GROUP BY rule_id) AS c USING (rule_id);

-- name: insert_oversized
-- One row per block over the cap (refined by further attributes) or over the budget (left out).
INSERT INTO staging.oversized_blocks
    (rule_id, key, profile_n, pairs_left_out, action, sample_profile_id, run_id)
SELECT b.rule_id, b.key, b.profile_n, b.profile_n * (b.profile_n - 1) / 2,
       CASE WHEN b.profile_n > :cap THEN 'refined by further attributes' ELSE 'over the budget' END,
       min(k.profile_id), :run_id
FROM staging.blocking_work_blocks AS b
JOIN staging.blocking_work_keys AS k USING (key)
WHERE b.profile_n > :largest
GROUP BY b.rule_id, b.key, b.profile_n;
