-- A pair that may merge something lies in a group, and the group of a profile is known from either side:
-- nobody seeks such pairs from the right any more.
DROP INDEX staging.identity_match_candidates_r;
