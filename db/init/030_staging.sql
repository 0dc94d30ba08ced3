-- One feed number for every change of a record, so that each later phase can ask "what is new since
-- the last number I consumed" by index instead of comparing everything every night.
CREATE SEQUENCE staging.change_seq;

CREATE TABLE staging.staged_objects (
    object_id bigint PRIMARY KEY,
    state     text NOT NULL,
    run_id    bigint NOT NULL
);
COMMENT ON TABLE staging.staged_objects IS 'Ledger of staging: which state of which lake object has reached staging.records. Writer: staging.';

CREATE TABLE staging.records (
    record_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text NOT NULL,
    source_record_id text NOT NULL,
    object_id        bigint NOT NULL,
    line_no          integer NOT NULL,
    event_at         timestamptz NOT NULL,
    is_deleted       boolean NOT NULL DEFAULT false,
    change_seq       bigint NOT NULL,
    run_id           bigint NOT NULL,
    -- as the source spelled it (trimmed)
    full_name text, given_name text, middle_name text, family_name text, email text, phone text,
    date_of_birth text, gender text, street text, city text, region text, postcode text, country text,
    tax_id text, customer_number text, organisation text, extra jsonb,
    -- standardised, for comparison
    std_name text, std_given_name text, std_middle_name text, std_family_name text,
    std_name_suffix text, std_email text, std_phone text, std_date_of_birth date, std_gender text,
    std_street text, std_city text, std_region text, std_postcode text, std_country text,
    std_tax_id text, std_customer_number text, std_organisation text, std_extra jsonb,
    UNIQUE (source, source_record_id)
);
CREATE INDEX records_change_seq ON staging.records (change_seq);
CREATE INDEX records_object ON staging.records (object_id);
COMMENT ON TABLE staging.records IS 'One row per source record in its current state: original and standardised values side by side. A deleted record stays as a tombstone (is_deleted). Writer: staging.';
COMMENT ON COLUMN staging.records.event_at IS 'When the source says this state holds; else the time of its lake object.';
COMMENT ON COLUMN staging.records.change_seq IS 'Number of its last change in the feed staging.change_seq.';

CREATE VIEW staging.live_records AS SELECT * FROM staging.records WHERE NOT is_deleted;
COMMENT ON VIEW staging.live_records IS 'staging.records without tombstones.';

-- From here on UNLOGGED: all of it is recomputed from staging.records when a crash has emptied it,
-- which the marker shows by being empty too.
CREATE UNLOGGED TABLE staging.volatile_marker (
    layer      text PRIMARY KEY,
    change_seq bigint NOT NULL,
    run_id     bigint NOT NULL,
    config_hash text
);
COMMENT ON TABLE staging.volatile_marker IS 'Per rebuildable layer (identity_inputs, blocking, matching): the change feed number it has consumed. Empty after a crash of the server, as are the layers; then they are recomputed whole. Writer: each layer its own row.';

CREATE UNLOGGED TABLE staging.profiles (
    profile_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint uuid NOT NULL UNIQUE,
    record_n    integer NOT NULL,
    change_seq  bigint NOT NULL,
    name text, given_name text, middle_name text, family_name text, name_suffix text,
    organisation text, email text, phone text, date_of_birth date, gender text,
    street text, city text, region text, postcode text, country text,
    tax_id text, customer_number text, extra jsonb
);
CREATE INDEX profiles_change_seq ON staging.profiles (change_seq);
COMMENT ON TABLE staging.profiles IS 'One row per distinct tuple of standardised attributes; immutable but for record_n. Matching works on these. Writer: staging (identity inputs).';
COMMENT ON COLUMN staging.profiles.fingerprint IS '128 bits of SHA-256 over the tuple: the same content has the same fingerprint in every database.';

CREATE UNLOGGED TABLE staging.retired_profiles (
    profile_id bigint PRIMARY KEY,
    change_seq bigint NOT NULL
);
CREATE INDEX retired_profiles_change_seq ON staging.retired_profiles (change_seq);
COMMENT ON TABLE staging.retired_profiles IS 'Profiles that no record has any more, for the phases behind to drop their rows. Writer: staging (identity inputs).';

CREATE UNLOGGED TABLE staging.identity_inputs (
    record_id        bigint PRIMARY KEY,
    source           text NOT NULL,
    source_record_id text NOT NULL,
    profile_id       bigint NOT NULL,
    event_at         timestamptz NOT NULL,
    change_seq       bigint NOT NULL
);
CREATE INDEX identity_inputs_profile ON staging.identity_inputs (profile_id);
CREATE INDEX identity_inputs_change_seq ON staging.identity_inputs (change_seq);
COMMENT ON TABLE staging.identity_inputs IS 'One row per live source record (touchpoint) with the profile it shows. Writer: staging (identity inputs).';
