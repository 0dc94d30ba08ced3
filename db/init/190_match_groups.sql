-- What belongs together is kept together: the pairs of a proposed group in one row, which matching and
-- identity read instead of walking from profile to profile.

CREATE UNLOGGED TABLE staging.match_groups (
    group_id   bigint NOT NULL,
    part       integer NOT NULL,
    tie_n      integer NOT NULL,
    tie_digest bigint NOT NULL,
    pairs      bytea NOT NULL,
    PRIMARY KEY (group_id, part)
);
-- Numbers do not compress.
ALTER TABLE staging.match_groups ALTER COLUMN pairs SET STORAGE EXTERNAL;
COMMENT ON TABLE staging.match_groups IS 'The groups of profiles that scored pairs tie together which are not rejected, with all scored pairs inside them: what clustering works on, packed. A row per group, more where it has over a million pairs. Other scored pairs, most of those rejected, are in none. Writer: matching.';
COMMENT ON COLUMN staging.match_groups.group_id IS 'The smallest id of the profiles in the group.';
COMMENT ON COLUMN staging.match_groups.part IS 'From 0.';
COMMENT ON COLUMN staging.match_groups.tie_n IS 'How many of the pairs are not rejected.';
COMMENT ON COLUMN staging.match_groups.tie_digest IS 'Of these bit_xor(profile_id_l * 1000003 # profile_id_r): over all groups it must be that of all scored pairs that are not rejected.';
COMMENT ON COLUMN staging.match_groups.pairs IS '26 bytes per pair, numbers with the high byte first: left and right profile (8 each), match weight and probability (real, 4 each), decision (1: 0 REJECT, 1 FLAG_REVIEW, 2 AUTO_MERGE, -1 vetoed), whether the pair only closes the group, found by no blocking rule (1).';

CREATE UNLOGGED TABLE staging.profile_groups (
    bucket    integer PRIMARY KEY,
    group_ids bytea NOT NULL
);
COMMENT ON TABLE staging.profile_groups IS 'The group of each profile: a row per 128 profile ids. Writer: matching.';
COMMENT ON COLUMN staging.profile_groups.bucket IS 'The profile ids divided by 128.';
COMMENT ON COLUMN staging.profile_groups.group_ids IS 'For each of the 128 ids an 8-byte number, high byte first: the group in staging.match_groups, 0 without one.';

CREATE VIEW staging.match_group_pairs AS
SELECT g.group_id, CAST(substr(g.pairs, 26 * i + 1, 8) AS bigint) AS profile_id_l,
       CAST(substr(g.pairs, 26 * i + 9, 8) AS bigint) AS profile_id_r,
       CASE get_byte(g.pairs, 26 * i + 24) WHEN 2 THEN 'AUTO_MERGE' WHEN 1 THEN 'FLAG_REVIEW'
                                           ELSE 'REJECT' END AS decision,
       get_byte(g.pairs, 26 * i + 25) = 1 AS closes_group
FROM staging.match_groups AS g
CROSS JOIN generate_series(0, length(g.pairs) / 26 - 1) AS i;
COMMENT ON VIEW staging.match_group_pairs IS 'staging.match_groups with a row per pair, for people who look into groups.';

-- Groups are not walked by this any more.
DROP INDEX staging.identity_match_candidates_ties;
-- What was scored before has no groups yet: matching makes all anew.
DELETE FROM staging.volatile_marker WHERE layer = 'matching';
