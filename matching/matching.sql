-- Matching: profiles and candidate pairs in, scored pairs and the model out.

-- name: select_profiles
-- For COPY: every profile. Nothing asks for an order, so that wide rows are never sorted.
SELECT profile_id, fingerprint, given_name, middle_name, family_name, name_suffix, organisation,
       email, phone, date_of_birth, gender, street, city, region, postcode, country, tax_id,
       customer_number, extra
FROM staging.profiles

-- name: select_candidates
-- For COPY: every candidate pair with the rule that found it.
SELECT profile_id_l, profile_id_r, rule_id FROM staging.identity_match_candidates_blocked

-- name: clear
-- Empty the outcome of the last matching.
TRUNCATE staging.identity_match_candidates, staging.rescored_profiles, staging.matching_state;

-- name: drop_pair_indexes
-- An index made after its rows costs a fraction of one kept up to date.
DROP INDEX staging.identity_match_candidates_pair, staging.identity_match_candidates_r;

-- name: create_pair_indexes
-- No pair is there twice. By these a night finds the pairs of a profile; from the right side only
-- those worth following.
CREATE UNIQUE INDEX identity_match_candidates_pair
    ON staging.identity_match_candidates (profile_id_l, profile_id_r);
CREATE INDEX identity_match_candidates_r ON staging.identity_match_candidates (profile_id_r)
    WHERE decision <> 'REJECT';

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

-- name: drop_temporary
-- Two runs may share a transaction.
DROP TABLE IF EXISTS pg_temp.changed_pairs, pg_temp.wanted_profiles, pg_temp.group_seeds,
    pg_temp.stirred_profiles, pg_temp.closing_pairs;

-- name: create_changed_pairs
-- One row per candidate pair that came, went (rule 0) or changed its rule, as it stands now; is_new
-- where an end is a new profile, so that no score can be there.
CREATE TEMPORARY TABLE changed_pairs ON COMMIT DROP AS
SELECT c.profile_id_l, c.profile_id_r, c.rule_id,
       -- subqueries that do not hang on the row are hashed, whatever the planner knows
       c.profile_id_l IN (SELECT p.profile_id FROM staging.profiles AS p
                          WHERE p.change_seq > :behind)
       OR c.profile_id_r IN (SELECT p.profile_id FROM staging.profiles AS p
                             WHERE p.change_seq > :behind) AS is_new
FROM (SELECT DISTINCT ON (l.profile_id_l, l.profile_id_r) l.profile_id_l, l.profile_id_r, l.rule_id
      FROM staging.blocked_pair_changes AS l
      WHERE l.change_seq > :behind
      ORDER BY l.profile_id_l, l.profile_id_r, l.change_seq DESC) AS c;
CREATE TEMPORARY TABLE group_seeds (profile_id bigint NOT NULL) ON COMMIT DROP;
CREATE TEMPORARY TABLE closing_pairs
    (profile_id_l bigint NOT NULL, profile_id_r bigint NOT NULL) ON COMMIT DROP;
ANALYZE pg_temp.changed_pairs;

-- name: create_wanted_profiles
-- The profiles to compare, and all new ones for what is filled in them.
CREATE TEMPORARY TABLE wanted_profiles ON COMMIT DROP AS
SELECT c.profile_id_l AS profile_id FROM pg_temp.changed_pairs AS c WHERE c.rule_id > 0
UNION
SELECT c.profile_id_r FROM pg_temp.changed_pairs AS c WHERE c.rule_id > 0
UNION
SELECT p.profile_id FROM staging.profiles AS p WHERE p.change_seq > :behind;
ANALYZE pg_temp.wanted_profiles;

-- name: empty_wanted_profiles
-- Make room for others.
TRUNCATE pg_temp.wanted_profiles;

-- name: select_wanted_profiles
-- For COPY: the wanted profiles.
SELECT p.profile_id, p.fingerprint, p.given_name, p.middle_name, p.family_name, p.name_suffix,
       p.organisation, p.email, p.phone, p.date_of_birth, p.gender, p.street, p.city, p.region,
       p.postcode, p.country, p.tax_id, p.customer_number, p.extra
FROM pg_temp.wanted_profiles AS w
JOIN staging.profiles AS p ON p.profile_id = w.profile_id

-- name: select_changed_candidates
-- For COPY: the changed pairs that are candidates.
SELECT c.profile_id_l, c.profile_id_r, c.rule_id FROM pg_temp.changed_pairs AS c
WHERE c.rule_id > 0

-- name: drop_changed_pairs
-- Drop the scores of changed pairs, those to be scored anew too: how many were there. The ends of
-- those that tied a group, and of those that may now have to close one, are where groups change.
WITH dropped AS (
    DELETE FROM staging.identity_match_candidates AS p
    USING pg_temp.changed_pairs AS c
    WHERE p.profile_id_l = c.profile_id_l AND p.profile_id_r = c.profile_id_r AND NOT c.is_new
    RETURNING p.profile_id_l, p.profile_id_r, p.rule_id, p.decision, c.rule_id = 0 AS is_gone
), seeds AS (
    INSERT INTO pg_temp.group_seeds (profile_id)
    SELECT side.profile_id
    FROM dropped AS d
    CROSS JOIN LATERAL (VALUES (d.profile_id_l), (d.profile_id_r)) AS side (profile_id)
    WHERE d.rule_id <> 0
      AND (d.decision <> 'REJECT'
           OR d.is_gone
              AND EXISTS (SELECT FROM staging.profiles AS l WHERE l.profile_id = d.profile_id_l)
              AND EXISTS (SELECT FROM staging.profiles AS r WHERE r.profile_id = d.profile_id_r))
)
SELECT count(*) FROM dropped;

-- name: create_stirred_profiles
-- The profiles of the groups that change, with the step that reached each: the seeds are step 0.
CREATE TEMPORARY TABLE stirred_profiles
    (profile_id bigint PRIMARY KEY, step integer NOT NULL) ON COMMIT DROP;
INSERT INTO pg_temp.stirred_profiles (profile_id, step)
SELECT DISTINCT s.profile_id, 0 FROM pg_temp.group_seeds AS s;

-- name: stir_partners
-- The profiles that pairs which are not rejected tie to those of step :step, as the next step. (A
-- recursive query makes room for all the rows that the planner fears, which takes seconds.)
INSERT INTO pg_temp.stirred_profiles (profile_id, step)
SELECT partner.profile_id, CAST(:step AS integer) + 1
FROM pg_temp.stirred_profiles AS r
CROSS JOIN LATERAL (
    SELECT p.profile_id_r FROM staging.identity_match_candidates AS p
    WHERE p.profile_id_l = r.profile_id AND p.decision <> 'REJECT' AND p.rule_id <> 0
    UNION ALL
    SELECT p.profile_id_l FROM staging.identity_match_candidates AS p
    WHERE p.profile_id_r = r.profile_id AND p.decision <> 'REJECT' AND p.rule_id <> 0
    OFFSET 0  -- keeps it a search per profile, whatever the planner believes of the temporary table
) AS partner (profile_id)
WHERE r.step = :step
ON CONFLICT (profile_id) DO NOTHING;

-- name: analyse_stirred_profiles
-- Temporary tables are analysed by nobody else.
ANALYZE pg_temp.stirred_profiles;

-- name: select_inner_pairs
-- For COPY: all scored pairs within stirred groups, and whether they tie one.
SELECT p.profile_id_l, p.profile_id_r, p.rule_id, p.match_weight, p.decision <> 'REJECT' AS proposes
FROM pg_temp.stirred_profiles AS l
JOIN staging.identity_match_candidates AS p ON p.profile_id_l = l.profile_id
JOIN pg_temp.stirred_profiles AS r ON r.profile_id = p.profile_id_r

-- name: drop_closing_pairs
-- Drop the pairs that close no group any more.
DELETE FROM staging.identity_match_candidates AS p
USING pg_temp.closing_pairs AS c
WHERE p.profile_id_l = c.profile_id_l AND p.profile_id_r = c.profile_id_r;

-- name: some_rescored
-- Tell which profiles have other scored pairs than before, and where that may regroup customers: not
-- where a profile that came or went is or was somebody else; forget what identity has looked at and
-- the check of a run has passed.
DELETE FROM staging.rescored_profiles AS r
USING identity.consumption AS i
WHERE r.run_id <= i.run_id
  AND r.run_id <= (SELECT max(o.run_id) FROM ops.runs AS o
                   WHERE o.state = 'DONE' AND jsonb_array_length(o.report -> 'invariants') > 0);
INSERT INTO staging.rescored_profiles (profile_id, run_id, may_regroup)
SELECT side.profile_id, :run_id, bool_or(side.may_regroup)
FROM (SELECT c.profile_id_l, c.profile_id_r,
             NOT c.is_new
             AND (c.rule_id > 0
                  OR c.profile_id_l IN (SELECT p.profile_id FROM staging.profiles AS p)
                     AND c.profile_id_r IN (SELECT p.profile_id FROM staging.profiles AS p)) AS may_regroup
      FROM pg_temp.changed_pairs AS c
      UNION ALL
      SELECT c.profile_id_l, c.profile_id_r, true FROM pg_temp.closing_pairs AS c
      UNION ALL
      SELECT s.profile_id, s.profile_id, true FROM pg_temp.group_seeds AS s) AS c
CROSS JOIN LATERAL (VALUES (c.profile_id_l, c.may_regroup),
                           (c.profile_id_r, c.may_regroup)) AS side (profile_id, may_regroup)
GROUP BY side.profile_id;
