-- A doubt is not a merge: no row can say so, and no check has to look for one.

ALTER TABLE staging.identity_match_candidates
    ADD CONSTRAINT identity_match_candidates_veto CHECK (NOT is_vetoed OR decision = 'REJECT');
COMMENT ON CONSTRAINT identity_match_candidates_veto ON staging.identity_match_candidates IS 'A vetoed pair is never decided as a merge.';
