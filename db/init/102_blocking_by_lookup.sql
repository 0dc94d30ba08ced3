-- What a night's blocking looks up by index, where it would else read or count what is stored whole.

CREATE UNLOGGED TABLE staging.blocking_key_buckets (
    rule_id smallint NOT NULL,
    bucket  integer NOT NULL,
    entries bytea NOT NULL
);
-- Hashes do not compress.
ALTER TABLE staging.blocking_key_buckets ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX blocking_key_buckets_bucket ON staging.blocking_key_buckets (rule_id, bucket);
COMMENT ON TABLE staging.blocking_key_buckets IS 'The long arrays of staging.blocking_keys (those with bucket_bits), cut into buckets of a few keys that begin with the same bits: as small an index as can be built in a moment leads to them. Writer: matching (blocking).';
COMMENT ON COLUMN staging.blocking_key_buckets.bucket IS 'The first bits of the keys, as many as staging.blocking_keys.bucket_bits says of the rule.';
COMMENT ON COLUMN staging.blocking_key_buckets.entries IS 'Key and profile, both 8-byte big-endian, one entry after the other, ordered by key.';

ALTER TABLE staging.blocking_keys ADD COLUMN bucket_bits smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN staging.blocking_keys.bucket_bits IS 'Above 0 the entries are in staging.blocking_key_buckets, by so many first bits of their keys, and both arrays are empty.';
COMMENT ON TABLE staging.blocking_keys IS 'The blocking keys of all profiles as arrays of 8-byte big-endian numbers, ordered by key; one row per rule and blocking that added to them. The first, long arrays are in staging.blocking_key_buckets. Entries of retired profiles count no more. A B-tree over as many rows would cost more to build than all blocking. Writer: matching (blocking).';

CREATE OR REPLACE VIEW staging.blocking_key_entries AS
SELECT k.rule_id, k.is_refined, CAST(substr(k.keys, 8 * i + 1, 8) AS bigint) AS key,
       CAST(substr(k.profile_ids, 8 * i + 1, 8) AS bigint) AS profile_id
FROM staging.blocking_keys AS k
CROSS JOIN generate_series(0, k.entries_n - 1) AS i
WHERE k.bucket_bits = 0
UNION ALL
SELECT b.rule_id, false, CAST(substr(b.entries, 16 * i + 1, 8) AS bigint),
       CAST(substr(b.entries, 16 * i + 9, 8) AS bigint)
FROM staging.blocking_key_buckets AS b
CROSS JOIN generate_series(0, length(b.entries) / 16 - 1) AS i;
COMMENT ON VIEW staging.blocking_key_entries IS 'staging.blocking_keys and staging.blocking_key_buckets with a row per rule, key and profile, for people who look into blocks.';

ALTER TABLE staging.blocking_state ADD COLUMN fill jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN staging.blocking_state.fill IS 'How many profiles the last blocking had, and how many of them each attribute that rules need: the next adds what came and takes off what went.';

CREATE UNLOGGED TABLE staging.gone_profiles (LIKE staging.profiles);
COMMENT ON TABLE staging.gone_profiles IS 'Profiles as they were when they were retired, until blocking has taken them out of their blocks: their keys are made of their values. Columns as in staging.profiles. Writer: the trigger on staging.profiles; matching (blocking) empties it.';

-- A trigger and not a statement of identity inputs, so that no way of retiring profiles can leave them in
-- their blocks. A table of columns that are not those of staging.profiles would make it fail, not go astray.
CREATE FUNCTION staging.keep_gone_profiles() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO staging.gone_profiles SELECT * FROM gone;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION staging.keep_gone_profiles() IS 'Trigger: keeps profiles that are deleted in gone_profiles for blocking.';
CREATE TRIGGER keep_gone_profiles AFTER DELETE ON staging.profiles
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION staging.keep_gone_profiles();
