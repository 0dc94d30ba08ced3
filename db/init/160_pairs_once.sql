-- A pair of profiles is scored once: by an index that finds the pairs of a profile as well.

DROP INDEX staging.identity_match_candidates_l;
CREATE UNIQUE INDEX identity_match_candidates_pair
    ON staging.identity_match_candidates (profile_id_l, profile_id_r);
COMMENT ON INDEX staging.identity_match_candidates_pair IS 'No pair twice; and by its first column the pairs of a profile are found. Dropped and made anew by matching when all pairs are scored.';
