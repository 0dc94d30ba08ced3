-- What must hold of candidate pairs and scored pairs. At the end of a run (_since) they are looked at
-- where they have changed since the last check.

-- name: inv_pairs_of_live_profiles
-- title: 5 Every scored pair is of two profiles that exist
-- Ids come from a sequence, so those of all profiles are a few ranges: to search these costs less than
-- to look each id up among a million.
WITH present AS MATERIALIZED (
    SELECT coalesce(range_agg(int8range(stretch.first_id, stretch.last_id, '[]')), '{}') AS ids
    FROM (SELECT min(p.profile_id) AS first_id, max(p.profile_id) AS last_id
          FROM (SELECT profile_id, profile_id - row_number() OVER (ORDER BY profile_id) AS missing_n
                FROM staging.profiles) AS p
          GROUP BY p.missing_n) AS stretch
)
SELECT pairs.profile_id_l, pairs.profile_id_r
FROM staging.identity_match_candidates AS pairs
WHERE NOT (SELECT ids FROM present) @> pairs.profile_id_l
   OR NOT (SELECT ids FROM present) @> pairs.profile_id_r

-- name: inv_pairs_of_live_profiles_since
-- Of the profiles that have other pairs than at the last check or were retired, those that are not
-- there: their pairs (from the right side the group, in which is all that could still merge something,
-- and those of a left side with other pairs); of all pairs where matching has scored all since.
WITH touched AS MATERIALIZED (
    SELECT t.profile_id FROM staging.rescored_profiles AS t WHERE t.run_id > :since_run_id
), missing AS MATERIALIZED (
    SELECT DISTINCT named.profile_id
    FROM (SELECT t.profile_id FROM touched AS t
          UNION ALL
          SELECT retired.profile_id FROM staging.retired_profiles AS retired
          WHERE retired.change_seq > :since_change_seq) AS named
    -- in the order they are listed in, which is that of the ids: to look them up at random costs thrice
    WHERE NOT EXISTS (SELECT FROM staging.profiles AS p WHERE p.profile_id = named.profile_id)
), present AS MATERIALIZED (
    SELECT coalesce(range_agg(int8range(stretch.first_id, stretch.last_id, '[]')), '{}') AS ids
    FROM (SELECT min(p.profile_id) AS first_id, max(p.profile_id) AS last_id
          FROM (SELECT profile_id, profile_id - row_number() OVER (ORDER BY profile_id) AS missing_n
                FROM staging.profiles) AS p
          GROUP BY p.missing_n) AS stretch
)
SELECT pairs.profile_id_l, pairs.profile_id_r
FROM missing
JOIN staging.identity_match_candidates AS pairs ON pairs.profile_id_l = missing.profile_id
UNION ALL
SELECT missing.profile_id, kept.group_id
FROM missing
CROSS JOIN LATERAL (
    SELECT CAST(substr(g.group_ids, CAST(8 * (missing.profile_id & 127) + 1 AS integer), 8) AS bigint)
               AS group_id
    FROM staging.profile_groups AS g
    WHERE g.bucket = missing.profile_id >> 7) AS kept
WHERE kept.group_id <> 0
UNION ALL
SELECT pairs.profile_id_l, pairs.profile_id_r
FROM touched
JOIN staging.identity_match_candidates AS pairs ON pairs.profile_id_l = touched.profile_id
WHERE EXISTS (SELECT FROM missing) AND pairs.profile_id_r IN (SELECT m.profile_id FROM missing AS m)
UNION ALL
SELECT pairs.profile_id_l, pairs.profile_id_r
FROM staging.identity_match_candidates AS pairs
WHERE (SELECT run_id FROM staging.matching_state) > :since_run_id
  AND (NOT (SELECT ids FROM present) @> pairs.profile_id_l
       OR NOT (SELECT ids FROM present) @> pairs.profile_id_r)

-- name: inv_pairs_once
-- title: 5 Every pair of profiles is scored once
-- By structure: while the unique index is there and valid, nothing can be found and nothing is looked
-- for; otherwise all pairs are counted.
SELECT profile_id_l, profile_id_r, count(*) AS n
FROM staging.identity_match_candidates
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_index AS i
    WHERE i.indrelid = CAST('staging.identity_match_candidates' AS regclass)
      AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND ARRAY(SELECT CAST(a.attname AS text) FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                ORDER BY a.attname) = ARRAY['profile_id_l', 'profile_id_r'])
GROUP BY profile_id_l, profile_id_r
HAVING count(*) > 1

-- name: inv_candidates_scored
-- title: 5 Every candidate pair was scored
-- The scored pairs that a rule found are as many as the candidates and have the sum of their 64-bit
-- hashes: then they are the same, and only otherwise it is sought which are missing.
WITH blocked AS (
    SELECT count(*) AS n, sum(hashint8extended(profile_id_l, profile_id_r)) AS digest
    FROM staging.identity_match_candidates_blocked
), scored AS (
    SELECT count(*) AS n, sum(hashint8extended(profile_id_l, profile_id_r)) AS digest
    FROM staging.identity_match_candidates
    WHERE rule_id <> 0
)
SELECT blocked.profile_id_l, blocked.profile_id_r
FROM staging.identity_match_candidates_blocked AS blocked
LEFT JOIN staging.identity_match_candidates AS pairs USING (profile_id_l, profile_id_r)
WHERE pairs.profile_id_l IS NULL
  AND EXISTS (SELECT FROM ops.match_models WHERE is_current AND kind = 'probabilistic')
  AND (SELECT b.n <> s.n OR b.digest <> s.digest FROM blocked AS b CROSS JOIN scored AS s)

-- name: inv_candidates_scored_since
-- Of the pairs that blocking has told matching of since the last check: those that came are scored,
-- those that went are no candidates. Its log is kept until the next blocking; where that has come
-- since, all pairs of profiles that have other pairs than at the last check. Of all pairs where
-- matching has scored all since.
WITH blocked AS (
    SELECT count(*) AS n, sum(hashint8extended(profile_id_l, profile_id_r)) AS digest
    FROM staging.identity_match_candidates_blocked
), scored AS (
    SELECT count(*) AS n, sum(hashint8extended(profile_id_l, profile_id_r)) AS digest
    FROM staging.identity_match_candidates
    WHERE rule_id <> 0
), followed AS MATERIALIZED (
    SELECT m.run_id, m.change_seq
    FROM staging.volatile_marker AS m
    JOIN staging.volatile_marker AS b ON b.layer = 'blocking' AND b.change_seq = m.change_seq
    WHERE m.layer = 'matching' AND m.run_id > :since_run_id
), told AS MATERIALIZED (
    SELECT DISTINCT ON (l.profile_id_l, l.profile_id_r) l.profile_id_l, l.profile_id_r, l.rule_id
    FROM staging.blocked_pair_changes AS l
    WHERE l.change_seq <= (SELECT f.change_seq FROM followed AS f)
    ORDER BY l.profile_id_l, l.profile_id_r, l.change_seq DESC
), still AS MATERIALIZED (  -- all candidates of a left side that lost some, each side searched once
    SELECT b.profile_id_l, b.profile_id_r
    FROM (SELECT DISTINCT t.profile_id_l FROM told AS t WHERE t.rule_id = 0) AS side
    JOIN staging.identity_match_candidates_blocked AS b USING (profile_id_l)
), unscored AS (
    SELECT told.profile_id_l, told.profile_id_r
    FROM told
    WHERE told.rule_id <> 0
      -- NOT IN (ids are never NULL) is asked row by row in the order of the index
      AND told.profile_id_r NOT IN (
        SELECT pairs.profile_id_r FROM staging.identity_match_candidates AS pairs
        WHERE pairs.profile_id_l = told.profile_id_l AND pairs.profile_id_r = told.profile_id_r
          AND pairs.rule_id <> 0)
    UNION ALL
    SELECT told.profile_id_l, told.profile_id_r
    FROM still
    JOIN told ON told.profile_id_l = still.profile_id_l AND told.profile_id_r = still.profile_id_r
    WHERE told.rule_id = 0
    UNION ALL
    SELECT touched.profile_id, missing.profile_id_r
    FROM (SELECT DISTINCT t.profile_id FROM staging.rescored_profiles AS t
          WHERE t.run_id > :since_run_id
            AND t.run_id IS DISTINCT FROM (SELECT f.run_id FROM followed AS f)) AS touched
    CROSS JOIN LATERAL (
        SELECT b.profile_id_r FROM staging.identity_match_candidates_blocked AS b
        WHERE b.profile_id_l = touched.profile_id
        EXCEPT
        SELECT pairs.profile_id_r FROM staging.identity_match_candidates AS pairs
        WHERE pairs.profile_id_l = touched.profile_id) AS missing
    UNION ALL
    SELECT b.profile_id_l, b.profile_id_r
    FROM staging.identity_match_candidates_blocked AS b
    LEFT JOIN staging.identity_match_candidates AS pairs USING (profile_id_l, profile_id_r)
    WHERE pairs.profile_id_l IS NULL
      AND (SELECT run_id FROM staging.matching_state) > :since_run_id
      AND (SELECT b.n <> s.n OR b.digest <> s.digest FROM blocked AS b CROSS JOIN scored AS s)
)
SELECT unscored.profile_id_l, unscored.profile_id_r
FROM unscored
WHERE EXISTS (SELECT FROM ops.match_models WHERE is_current AND kind = 'probabilistic')

-- name: inv_groups_hold_ties
-- title: 5 The groups that clustering reads hold the scored pairs that are not rejected
-- But where matching will make all anew.
SELECT t.grouped_n, t.scored_n
FROM staging.tie_totals AS t
WHERE NOT t.agree AND EXISTS (SELECT FROM staging.volatile_marker WHERE layer = 'matching')

-- name: inv_groups_hold_ties_since
-- A night makes groups anew of the very pairs that it has read and written; so these are looked at where
-- matching has scored all since.
SELECT t.grouped_n, t.scored_n
FROM staging.tie_totals AS t
WHERE (SELECT run_id FROM staging.matching_state) > :since_run_id AND NOT t.agree

-- name: inv_doubt_is_no_merge
-- title: 6 A vetoed pair is never decided as a merge
-- By structure: while the constraint is there and all rows were held against it, nothing can be found
-- and nothing is looked for.
SELECT profile_id_l, profile_id_r
FROM staging.identity_match_candidates
WHERE is_vetoed AND decision <> 'REJECT'
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS c
    WHERE c.conrelid = CAST('staging.identity_match_candidates' AS regclass)
      AND c.conname = 'identity_match_candidates_veto' AND c.contype = 'c'
      AND c.convalidated AND c.conenforced)
