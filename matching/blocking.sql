-- Blocking: keys out, candidate pairs in. See docs/matching.md for the rules and their order.

-- name: fill
-- One row: how many profiles there are and how many have each kind of strong evidence.
SELECT count(*) AS profiles_n, count(email) AS email, count(phone) AS phone, count(street) AS street,
       count(date_of_birth) AS date_of_birth, count(tax_id) AS tax_id,
       count(customer_number) AS customer_number, count(organisation) AS organisation,
       count(postcode) AS postcode, count(city) AS city, count(given_name) AS given_name,
       count(extra) AS extra
FROM :profiles;

-- name: select_keys
-- For COPY: all keys of one rule, whose query goes in the braces, with their profiles, as a column in
-- binary form, in one value: millions of rows would cost both sides more than the keys. Each number is
-- the upper half of a key and, below, a profile id.
SELECT coalesce(string_agg(int8send((k.key & -4294967296) | k.profile_id), ''), '') AS entries
FROM ({rule}) AS k

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
-- Empty the outcome of the last blocking, and what waits to be taken out of it.
TRUNCATE staging.gone_profiles, staging.blocking_rules, staging.oversized_blocks, staging.blocking_state,
    staging.blocked_pair_changes, staging.identity_match_candidates_blocked;

-- name: consumed
-- One row: what blocking would work on now, and what it last worked on.
SELECT greatest((SELECT max(p.change_seq) FROM staging.profiles AS p),
                (SELECT max(r.change_seq) FROM staging.retired_profiles AS r), 0) AS change_seq,
       v.change_seq AS consumed_seq, v.config_hash
FROM (SELECT) AS one_row
LEFT JOIN staging.volatile_marker AS v ON v.layer = 'blocking';

-- name: state
-- The one row of what the last blocking left to build on, with the rules it used.
SELECT s.largest_block, s.fill,
       ARRAY(SELECT r.rule_id FROM staging.blocking_rules AS r ORDER BY r.rule_id) AS rule_ids
FROM staging.blocking_state AS s;

-- name: size_of_delta
-- One row: how many profiles came and went behind :consumed_seq, and the largest id of any.
SELECT (SELECT count(*) FROM staging.profiles AS p WHERE p.change_seq > :consumed_seq) AS new_n,
       (SELECT count(*) FROM staging.retired_profiles AS r
        WHERE r.change_seq > :consumed_seq AND r.change_seq <= :change_seq) AS retired_n,
       greatest((SELECT max(p.profile_id) FROM staging.profiles AS p),
                (SELECT max(r.profile_id) FROM staging.retired_profiles AS r)) AS last_profile_id;

-- name: retired
-- The profiles that were retired behind one change number, until another.
SELECT r.profile_id FROM staging.retired_profiles AS r
WHERE r.change_seq > :behind AND r.change_seq <= :until;

-- name: create_new_profiles
-- The profiles that no blocking has seen, for the queries of the rules.
CREATE TEMPORARY TABLE new_profiles ON COMMIT DROP AS
SELECT p.* FROM staging.profiles AS p WHERE p.change_seq > :consumed;

-- name: forget_unblocked
-- Profiles that went before any blocking saw them were never in its blocks.
DELETE FROM staging.gone_profiles AS g WHERE g.change_seq > :consumed;

-- name: create_stirred_profiles
-- The profiles that live on in blocks which are treated otherwise, for the queries of the rules.
CREATE TEMPORARY TABLE stirred_profiles ON COMMIT DROP AS
SELECT p.* FROM staging.profiles AS p WHERE p.profile_id = ANY (CAST(:profile_ids AS bigint[]));

-- name: drop_profiles
-- Two runs may share a transaction.
DROP TABLE IF EXISTS pg_temp.new_profiles, pg_temp.stirred_profiles;

-- name: forget_gone_profiles
-- They are out of their blocks.
DELETE FROM staging.gone_profiles;

-- name: drop_pair_index
-- An index made after its rows costs a fraction of one kept up to date.
DROP INDEX IF EXISTS staging.identity_match_candidates_blocked_l;

-- name: has_pair_index
-- Whether somebody has made it since.
SELECT to_regclass('staging.identity_match_candidates_blocked_l') IS NOT NULL;

-- name: create_pair_index
-- By it a night finds the pairs that go.
CREATE INDEX identity_match_candidates_blocked_l
    ON staging.identity_match_candidates_blocked (profile_id_l);

-- name: analyse_pairs
-- Tell the planner how many there are.
ANALYZE staging.identity_match_candidates_blocked (profile_id_l, profile_id_r);

-- name: next_generation
-- The number of a whole blocking.
SELECT nextval('staging.change_seq');

-- name: write_state
-- What the next blocking builds on.
INSERT INTO staging.blocking_state AS state (generation, largest_block, pair_budget, fill)
VALUES (coalesce(:generation, (SELECT s.generation FROM staging.blocking_state AS s)),
        :largest_block, :pair_budget, CAST(:fill AS jsonb))
ON CONFLICT (only_row) DO UPDATE SET generation = excluded.generation, fill = excluded.fill,
    largest_block = excluded.largest_block, pair_budget = excluded.pair_budget;

-- name: create_left_pairs
-- One row per candidate pair that goes or gets another rule; filled by COPY.
CREATE TEMPORARY TABLE left_pairs
    (profile_id_l bigint NOT NULL, profile_id_r bigint NOT NULL) ON COMMIT DROP;

-- name: delete_left_pairs
-- These pairs are no candidates any more, or come again with another rule. Mostly whole blocks go, with
-- many pairs of one profile: its pairs are looked through once.
ANALYZE pg_temp.left_pairs;
DELETE FROM staging.identity_match_candidates_blocked AS b
USING (SELECT l.profile_id_l, array_agg(l.profile_id_r) AS others
       FROM pg_temp.left_pairs AS l GROUP BY l.profile_id_l ORDER BY l.profile_id_l) AS g
WHERE b.profile_id_l = g.profile_id_l AND b.profile_id_r = ANY (g.others);

-- name: drop_left_pairs
-- Two runs may share a transaction.
DROP TABLE pg_temp.left_pairs;

-- name: forget_followed_changes
-- Drop from the log of changes what matching has followed.
DELETE FROM staging.blocked_pair_changes AS c
USING staging.volatile_marker AS v
WHERE v.layer = 'matching' AND c.change_seq <= v.change_seq;

-- name: mark
-- Say what blocking has worked on.
INSERT INTO staging.volatile_marker (layer, change_seq, run_id, config_hash)
VALUES ('blocking', :change_seq, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET change_seq = excluded.change_seq, run_id = excluded.run_id,
    config_hash = excluded.config_hash;

-- name: select_rules
-- One row per rule in use, as counted when it was last used.
SELECT r.rule_id, r.name, r.keys_n, r.new_pairs_n, r.blocks_by_size
FROM staging.blocking_rules AS r
ORDER BY r.rule_id;

-- name: clear_rules
-- Make room for the present counts.
DELETE FROM staging.blocking_rules;

-- name: insert_rules
-- One row per rule: its keys, blocks, pairs, and the pairs that no earlier rule found.
INSERT INTO staging.blocking_rules
    (rule_id, name, keys_n, blocks_n, pairs_n, new_pairs_n, blocks_by_size)
VALUES (:rule_id, :name, :keys_n, :blocks_n, :pairs_n, :new_pairs_n, :blocks_by_size);

-- name: delete_oversized
-- Forget what was done about blocks of a rule that have changed.
DELETE FROM staging.oversized_blocks AS o
WHERE o.rule_id = :rule_id AND o.key = ANY (CAST(:keys AS bigint[]));

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
