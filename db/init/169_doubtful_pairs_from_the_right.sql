-- A doubtful pair is found from either side.

CREATE INDEX identity_match_candidates_doubtful_r ON staging.identity_match_candidates (profile_id_r)
    WHERE decision = 'FLAG_REVIEW' AND NOT is_vetoed;
COMMENT ON INDEX staging.identity_match_candidates_doubtful_r IS 'The doubtful pairs by their right side: among those that are not rejected they are one in twenty.';
