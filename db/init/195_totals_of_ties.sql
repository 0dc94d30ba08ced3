-- What groups hold and what scored pairs say is held together in one place, for the checks.

CREATE VIEW staging.tie_totals AS
SELECT grouped.n AS grouped_n, scored.n AS scored_n,
       grouped.n = scored.n AND grouped.digest = scored.digest AS agree
FROM (SELECT coalesce(sum(g.tie_n), 0) AS n, coalesce(bit_xor(g.tie_digest), 0) AS digest
      FROM staging.match_groups AS g) AS grouped
CROSS JOIN (SELECT count(*) AS n,
                   coalesce(bit_xor(p.profile_id_l * 1000003 # p.profile_id_r), 0) AS digest
            FROM staging.identity_match_candidates AS p
            WHERE p.decision <> 'REJECT') AS scored;
COMMENT ON VIEW staging.tie_totals IS 'One row: how many pairs that are not rejected staging.match_groups holds, how many were scored, and whether they are the same by count and digest.';
