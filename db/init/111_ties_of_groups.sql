-- A night follows the ties of a group from profile to profile without meeting the pairs that tie nothing.

CREATE INDEX identity_match_candidates_ties ON staging.identity_match_candidates (profile_id_l)
    WHERE decision <> 'REJECT';
COMMENT ON INDEX staging.identity_match_candidates_ties IS 'The pairs of a profile that are not rejected, one in four: groups are walked by them. Dropped and made anew by matching when all pairs are scored.';

-- With the other end in the index the row itself is not looked up.
DROP INDEX staging.identity_match_candidates_r;
CREATE INDEX identity_match_candidates_r ON staging.identity_match_candidates (profile_id_r)
    INCLUDE (profile_id_l) WHERE decision <> 'REJECT';
COMMENT ON INDEX staging.identity_match_candidates_r IS 'By the right side the pairs that are not rejected, and whom they lead to. Dropped and made anew by matching when all pairs are scored.';
