-- name: inv_candidates_scored
-- title: 4 Every candidate pair has exactly one score
SELECT blocked.profile_id_l, blocked.profile_id_r, count(scored.decision) AS scores_n
FROM staging.identity_match_candidates_blocked AS blocked
LEFT JOIN staging.identity_match_candidates AS scored USING (profile_id_l, profile_id_r)
GROUP BY blocked.profile_id_l, blocked.profile_id_r
HAVING count(scored.decision) <> 1
