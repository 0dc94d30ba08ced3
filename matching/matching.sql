-- Matching: profiles and candidate pairs in, scored pairs and the model out.

-- name: select_profiles
-- For COPY: every profile. Nothing asks for an order, so that wide rows are never sorted.
SELECT profile_id, fingerprint, given_name, middle_name, family_name, name_suffix, organisation,
       email, phone, date_of_birth, gender, street, city, region, postcode, country, tax_id,
       customer_number, extra
FROM staging.profiles

-- name: last_profile_id
-- The greatest profile id, 0 without profiles.
SELECT coalesce(max(p.profile_id), 0) FROM staging.profiles AS p;

-- name: candidate_blocks
-- How many blocks of the table of candidate pairs there are to read.
SELECT pg_relation_size('staging.identity_match_candidates_blocked')
       / current_setting('block_size')::bigint;

-- name: select_candidates
-- For COPY: the candidate pairs between two block numbers with the rules that found them, as one column
-- in binary form: left, right and rule in bits of their own. Each column would cost as much again, and
-- to group the rows twice that.
SELECT string_agg(int8send((c.profile_id_l << {left_at}) | (c.profile_id_r << {right_at})
                           | c.rule_id), '')
FROM staging.identity_match_candidates_blocked AS c
WHERE c.ctid >= {first}::tid AND c.ctid < {behind}::tid

-- name: clear
-- Empty the outcome of the last matching.
TRUNCATE staging.identity_match_candidates, staging.match_groups, staging.profile_groups,
    staging.rescored_profiles, staging.matching_state;

-- name: drop_pair_index
-- It is made anew when the pairs are written.
DROP INDEX IF EXISTS staging.identity_match_candidates_pair;

-- name: has_pair_index
-- Whether somebody has made it since.
SELECT to_regclass('staging.identity_match_candidates_pair') IS NOT NULL;

-- name: create_pair_index
-- By it a night finds all pairs of a profile. No pair is there twice.
CREATE UNIQUE INDEX identity_match_candidates_pair
    ON staging.identity_match_candidates (profile_id_l, profile_id_r);

-- name: analyse_pairs
-- Tell the planner how many there are.
ANALYZE staging.identity_match_candidates (profile_id_l, profile_id_r, decision, is_vetoed, rule_id);

-- name: all_rescored
-- Say that in this run all pairs were scored.
INSERT INTO staging.matching_state (run_id) VALUES (:run_id);

-- name: consumed
-- One row: what matching would work on now, and what it last worked on.
SELECT b.change_seq, state.generation AS blocking_generation, m.model_id,
       v.change_seq AS consumed_seq, v.config_hash
FROM (SELECT) AS one_row
LEFT JOIN staging.volatile_marker AS b ON b.layer = 'blocking'
LEFT JOIN staging.blocking_state AS state ON true
LEFT JOIN ops.match_models AS m ON m.is_current
LEFT JOIN staging.volatile_marker AS v ON v.layer = 'matching';

-- name: mark
-- Say what matching has worked on.
INSERT INTO staging.volatile_marker (layer, change_seq, run_id, config_hash)
VALUES ('matching', :change_seq, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET change_seq = excluded.change_seq, run_id = excluded.run_id,
    config_hash = excluded.config_hash;

-- name: create_changed_pairs
-- Of the candidate pairs that changed those that may have a score, as they stand now (rule 0: gone); to
-- be filled by COPY. Two runs may share a transaction.
DROP TABLE IF EXISTS pg_temp.changed_pairs;
CREATE TEMPORARY TABLE changed_pairs (
    profile_id_l bigint NOT NULL,
    profile_id_r bigint NOT NULL,
    rule_id      smallint NOT NULL
) ON COMMIT DROP;

-- name: select_changes
-- For COPY: what blocking has told of candidate pairs behind one change number, in columns (rule 0:
-- the pair went), in parts of a size that a value may have.
SELECT string_agg(int8send(l.profile_id_l), ''), string_agg(int8send(l.profile_id_r), ''),
       string_agg(int2send(l.rule_id), ''), string_agg(int8send(l.change_seq), '')
FROM staging.blocked_pair_changes AS l
WHERE l.change_seq > {behind}
GROUP BY l.profile_id_l >> 22

-- name: select_new_profiles
-- For COPY: the profiles that are new behind one change number.
SELECT string_agg(int8send(p.profile_id), '' ORDER BY p.profile_id)
FROM staging.profiles AS p
WHERE p.change_seq > {behind}

-- name: select_retired
-- For COPY: the profiles that were retired behind one change number.
SELECT string_agg(int8send(r.profile_id), '' ORDER BY r.profile_id)
FROM staging.retired_profiles AS r
WHERE r.change_seq > {behind}

-- name: select_wanted_profiles
-- For COPY: the wanted profiles, in the order of the ids, in which the server walks the index by itself:
-- of so few as it expects of a list it does not know it never reads the whole table.
SELECT p.profile_id, p.fingerprint, p.given_name, p.middle_name, p.family_name, p.name_suffix,
       p.organisation, p.email, p.phone, p.date_of_birth, p.gender, p.street, p.city, p.region,
       p.postcode, p.country, p.tax_id, p.customer_number, p.extra
FROM staging.profiles AS p
WHERE p.profile_id = ANY (ARRAY(SELECT unnest(CAST({wanted} AS bigint[]))))
ORDER BY p.profile_id

-- name: analyse_changed_pairs
-- Or the planner may read all scored pairs for a few.
ANALYZE pg_temp.changed_pairs

-- name: drop_changed_pairs
-- For COPY: the changed pairs that had a score, and what it was; it is dropped, of those to be scored
-- anew too. (A pair that closes a group, and came and went as a candidate meanwhile, stays.)
DELETE FROM staging.identity_match_candidates AS p
USING pg_temp.changed_pairs AS c
WHERE p.profile_id_l = c.profile_id_l AND p.profile_id_r = c.profile_id_r
  AND (c.rule_id > 0 OR p.rule_id > 0)
RETURNING p.profile_id_l, p.profile_id_r, p.match_weight, p.match_probability,
          CAST(CASE p.decision WHEN 'REJECT' THEN 0 WHEN 'FLAG_REVIEW' THEN 1 ELSE 2 END AS smallint),
          p.rule_id = 0

-- name: select_rejected_of
-- For COPY: the rejected pairs of which one of some profiles is the left side.
SELECT p.profile_id_l, p.profile_id_r, p.match_weight, p.match_probability,
       CAST(CASE WHEN p.is_vetoed THEN -1 ELSE 0 END AS smallint), p.rule_id = 0
FROM staging.identity_match_candidates AS p
WHERE p.profile_id_l = ANY (ARRAY(SELECT unnest(CAST({profiles} AS bigint[]))))
  AND p.decision = 'REJECT'

-- name: select_rejected_among
-- For COPY: of some pairs those that were scored and rejected, as above.
SELECT p.profile_id_l, p.profile_id_r, p.match_weight, p.match_probability,
       CAST(CASE WHEN p.is_vetoed THEN -1 ELSE 0 END AS smallint), p.rule_id = 0
FROM unnest(CAST({left} AS bigint[]), CAST({right} AS bigint[])) AS listed (left_id, right_id)
CROSS JOIN LATERAL (
    SELECT * FROM staging.identity_match_candidates AS s
    WHERE s.profile_id_l = listed.left_id AND s.profile_id_r = listed.right_id
      AND s.decision = 'REJECT'
    OFFSET 0  -- keeps it a search per pair, whatever the planner believes
) AS p

-- name: select_same_profiles
-- For COPY: the profiles with a record that a steward called the same as another.
SELECT DISTINCT i.profile_id
FROM identity.live_link_decisions AS d
CROSS JOIN LATERAL (VALUES (d.source_l, d.source_record_id_l),
                           (d.source_r, d.source_record_id_r)) AS side (source, record)
JOIN staging.records AS r ON r.source = side.source AND r.source_record_id = side.record
JOIN staging.identity_inputs AS i ON i.record_id = r.record_id
WHERE d.verdict = 'SAME'

-- name: drop_closing_pairs
-- Drop the pairs that close no group any more; what a rule found is not theirs to drop.
DELETE FROM staging.identity_match_candidates AS p
USING unnest(CAST(:left AS bigint[]), CAST(:right AS bigint[])) AS c (left_id, right_id)
WHERE p.profile_id_l = c.left_id AND p.profile_id_r = c.right_id AND p.rule_id = 0;

-- name: forget_rescored
-- Forget what identity has looked at and the check of a run has passed.
DELETE FROM staging.rescored_profiles AS r
USING identity.consumption AS i
WHERE r.run_id <= i.run_id
  AND r.run_id <= (SELECT max(o.run_id) FROM ops.runs AS o
                   WHERE o.state = 'DONE' AND jsonb_array_length(o.report -> 'invariants') > 0);
