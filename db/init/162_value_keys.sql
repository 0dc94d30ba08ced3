-- Who holds a value is looked up, not searched for in all records.

CREATE FUNCTION staging.value_key(attribute text, value text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CAST(hashtextextended(value, hashtext(attribute)) >> 32 AS integer) | 1;
COMMENT ON FUNCTION staging.value_key IS 'The key of a shareable value in staging.value_keys: 31 bits of a hash, never 0. Few values share one.';

CREATE UNLOGGED TABLE staging.value_keys (
    change_seq bigint NOT NULL,
    part       integer NOT NULL,
    entries_n  integer NOT NULL,
    keys       bytea NOT NULL,
    record_ids bytea NOT NULL,
    names      bytea NOT NULL,
    PRIMARY KEY (change_seq, part)
);
-- Hashes do not compress, and a slice of what belongs to them should not cost the whole.
ALTER TABLE staging.value_keys
    ALTER COLUMN keys SET STORAGE EXTERNAL,
    ALTER COLUMN record_ids SET STORAGE EXTERNAL,
    ALTER COLUMN names SET STORAGE EXTERNAL;
COMMENT ON TABLE staging.value_keys IS 'Which records hold which shareable value under which name, as arrays of big-endian numbers ordered by key; one row or more per run that added to them. What a record held before it changed stays in: who is found here is looked at before anything is said of him. Writer: staging (identity inputs).';
COMMENT ON COLUMN staging.value_keys.change_seq IS 'The number in the change feed of the run that wrote the row.';
COMMENT ON COLUMN staging.value_keys.part IS 'Long arrays are stored in several parts.';
COMMENT ON COLUMN staging.value_keys.keys IS 'staging.value_key of rows of staging.shareable_values, in 4 bytes.';
COMMENT ON COLUMN staging.value_keys.record_ids IS 'Their records, in 8 bytes.';
COMMENT ON COLUMN staging.value_keys.names IS 'Hashes of their initials, in 8 bytes; 0 where there are none.';

DROP TABLE staging.suspect_values;

-- The next run looks at all records once, as after a change of the rules: profiles keep their ids.
UPDATE staging.volatile_marker SET config_hash = NULL WHERE layer = 'identity_inputs';
