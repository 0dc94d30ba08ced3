-- What blocking and matching keep, so that a night works on what is new and not on what is stored.
-- All of it UNLOGGED: with the marker and the layers it is emptied by a crash of the server, and
-- then made anew from staging.profiles.

CREATE UNLOGGED TABLE staging.blocking_state (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    generation    bigint NOT NULL,
    largest_block integer NOT NULL,
    pair_budget   bigint NOT NULL
);
COMMENT ON TABLE staging.blocking_state IS 'The last blocking, in one row; no row where the next must be whole. Writer: matching (blocking).';
COMMENT ON COLUMN staging.blocking_state.generation IS 'Number of the last whole blocking (from staging.change_seq): when it is new, all candidate pairs are.';
COMMENT ON COLUMN staging.blocking_state.largest_block IS 'Profiles in the largest block whose pairs are candidates.';

CREATE UNLOGGED TABLE staging.blocking_keys (
    rule_id     smallint NOT NULL,
    is_refined  boolean NOT NULL,
    change_seq  bigint NOT NULL,
    part        integer NOT NULL,
    entries_n   integer NOT NULL,
    keys        bytea NOT NULL,
    profile_ids bytea NOT NULL,
    PRIMARY KEY (rule_id, is_refined, change_seq, part)
);
-- Hashes do not compress, and a slice of them should not cost the whole.
ALTER TABLE staging.blocking_keys
    ALTER COLUMN keys SET STORAGE EXTERNAL,
    ALTER COLUMN profile_ids SET STORAGE EXTERNAL;
COMMENT ON TABLE staging.blocking_keys IS 'The blocking keys of all profiles as arrays of 8-byte big-endian numbers, ordered by key; one row per rule and blocking that added to them. Entries of retired profiles count no more. A B-tree over as many rows would cost more to build than all blocking. Writer: matching (blocking).';
COMMENT ON COLUMN staging.blocking_keys.is_refined IS 'Whether these keys are those by which further attributes cut blocks over the cap.';
COMMENT ON COLUMN staging.blocking_keys.change_seq IS 'The change feed number up to which the blocking that wrote it had consumed staging.profiles.';
COMMENT ON COLUMN staging.blocking_keys.part IS 'Long arrays are stored in several parts.';

CREATE VIEW staging.blocking_key_entries AS
SELECT k.rule_id, k.is_refined, CAST(substr(k.keys, 8 * i + 1, 8) AS bigint) AS key,
       CAST(substr(k.profile_ids, 8 * i + 1, 8) AS bigint) AS profile_id
FROM staging.blocking_keys AS k
CROSS JOIN generate_series(0, k.entries_n - 1) AS i;
COMMENT ON VIEW staging.blocking_key_entries IS 'staging.blocking_keys with a row per rule, key and profile, for people who look into blocks.';

ALTER TABLE staging.blocking_rules ADD COLUMN blocks_by_size bigint[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN staging.blocking_rules.blocks_by_size IS 'How many blocks there are of 1, 2, 3 … profiles, up to the cap; blocks of one are not counted.';

CREATE UNLOGGED TABLE staging.blocked_pair_changes (
    profile_id_l bigint NOT NULL,
    profile_id_r bigint NOT NULL,
    rule_id      smallint NOT NULL,
    change_seq   bigint NOT NULL
);
COMMENT ON TABLE staging.blocked_pair_changes IS 'Candidate pairs that came (with their rule), changed their rule or went (rule 0) in blockings that were not whole, for matching to follow; kept until it has. Writer: matching (blocking).';

CREATE UNLOGGED TABLE staging.rescored_profiles (
    profile_id bigint NOT NULL,
    run_id     bigint NOT NULL
);
COMMENT ON TABLE staging.rescored_profiles IS 'Profiles at the ends of scored pairs that came, went or changed in a run whose matching was not whole, for identity to look at. Writer: matching.';

CREATE UNLOGGED TABLE staging.matching_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    run_id   bigint NOT NULL
);
COMMENT ON TABLE staging.matching_state IS 'The run whose matching last scored all pairs, in one row: who has seen nothing since must look at all of them. Writer: matching.';

CREATE INDEX identity_match_candidates_blocked_l
    ON staging.identity_match_candidates_blocked (profile_id_l);
CREATE INDEX identity_match_candidates_l ON staging.identity_match_candidates (profile_id_l);
CREATE INDEX identity_match_candidates_r ON staging.identity_match_candidates (profile_id_r)
    WHERE decision <> 'REJECT';
