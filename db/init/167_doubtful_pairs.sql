-- What a steward may be asked is found without a look at all pairs.

CREATE INDEX identity_match_candidates_doubtful ON staging.identity_match_candidates (profile_id_l)
    WHERE decision = 'FLAG_REVIEW' AND NOT is_vetoed;
COMMENT ON INDEX staging.identity_match_candidates_doubtful IS 'The doubtful pairs, one in sixty: all of them, or those of a profile. So few that it is kept while all pairs are written.';
