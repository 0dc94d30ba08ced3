-- name: consumed
-- The change feed number of staging.records up to which identity inputs are made; no row after a
-- crash of the server, which empties marker and layer together.
SELECT change_seq, config_hash FROM staging.volatile_marker WHERE layer = 'identity_inputs'

-- name: present
-- The last number in the change feed of staging.records (0 when there is none).
SELECT coalesce(max(change_seq), 0) FROM staging.records

-- name: let_workers_help
-- Have the fingerprints of many records made by parallel workers. The planner takes a hash for as
-- cheap as a comparison, and so the handing over of its rows for dearer than the work itself.
SET LOCAL parallel_tuple_cost = 0

-- name: take_change_number
-- The number in the change feed for the profiles that this run makes or retires.
SELECT nextval('staging.change_seq')

-- name: find_changed_records
-- Temporary: one row per record that changed after :consumed: its input and the fingerprint of its profile
-- (null for a tombstone). The fingerprint is 128 bits of SHA-256 over PostgreSQL's own text of the
-- row, which quotes what it must and tells null from empty; the date is a number, because its text
-- depends on the session.
DROP TABLE IF EXISTS pg_temp.changed_records;
CREATE TEMPORARY TABLE changed_records ON COMMIT DROP AS
SELECT record_id, source, source_record_id, event_at, is_deleted, change_seq,
       CASE WHEN NOT is_deleted THEN
           CAST(encode(substring(sha256(convert_to(CAST(ROW(
               std_name, std_given_name, std_middle_name, std_family_name, std_name_suffix,
               std_organisation, std_email, std_phone, std_date_of_birth - DATE '2000-01-01',
               std_gender, std_street, std_city, std_region, std_postcode, std_country,
               std_tax_id, std_customer_number, std_extra
           ) AS text), 'UTF8')) FOR 16), 'hex') AS uuid)
       END AS fingerprint
FROM staging.evidence_records
WHERE change_seq > :consumed;
ANALYZE pg_temp.changed_records (record_id, is_deleted);
SELECT count(*) FROM pg_temp.changed_records

-- name: find_left_profiles
-- Temporary: the profiles that changed records had until now (one row per profile).
DROP TABLE IF EXISTS pg_temp.touched_profiles;
CREATE TEMPORARY TABLE touched_profiles ON COMMIT DROP AS
SELECT DISTINCT inputs.profile_id
FROM staging.identity_inputs AS inputs
JOIN pg_temp.changed_records USING (record_id)

-- name: add_profiles
-- A profile for each fingerprint that has none, with the values of one of its records: they are the
-- same in all of them.
INSERT INTO staging.profiles
    (fingerprint, record_n, change_seq,
     name, given_name, middle_name, family_name, name_suffix, organisation, email, phone,
     date_of_birth, gender, street, city, region, postcode, country, tax_id, customer_number,
     extra)
SELECT found.fingerprint, found.record_n, :change_seq,
       records.std_name, records.std_given_name, records.std_middle_name, records.std_family_name,
       records.std_name_suffix, records.std_organisation, records.std_email, records.std_phone,
       records.std_date_of_birth, records.std_gender, records.std_street, records.std_city,
       records.std_region, records.std_postcode, records.std_country, records.std_tax_id,
       records.std_customer_number, records.std_extra
FROM (
    SELECT fingerprint, min(record_id) AS record_id, count(*) AS record_n
    FROM pg_temp.changed_records
    WHERE NOT is_deleted
    GROUP BY fingerprint
) AS found
JOIN staging.evidence_records AS records USING (record_id)
ORDER BY found.record_id
ON CONFLICT (fingerprint) DO NOTHING

-- name: find_first_records
-- Temporary: one row per fingerprint, with one of its records: if it can be, one without a value that
-- the register knows (pg_temp.value_holders has the others).
DROP TABLE IF EXISTS pg_temp.first_records;
CREATE TEMPORARY TABLE first_records ON COMMIT DROP AS
SELECT coalesce(min(changed.record_id) FILTER (WHERE holders.record_id IS NULL),
                min(changed.record_id)) AS record_id,
       changed.fingerprint, count(*) AS record_n, bool_or(holders.record_id IS NULL) AS is_whole
FROM pg_temp.changed_records AS changed
LEFT JOIN pg_temp.value_holders AS holders USING (record_id)
WHERE NOT changed.is_deleted
GROUP BY changed.fingerprint;
ANALYZE pg_temp.first_records (record_id, is_whole)

-- name: add_first_profiles
-- The first profiles of all, one per fingerprint, of records whose values all count. Nothing asks
-- for an order, so that wide rows are never sorted; nor may the planner know that a record is there
-- once only (+ 0), or it would make a hash of the wide rows instead of the narrow ones.
INSERT INTO staging.profiles
    (fingerprint, record_n, change_seq,
     name, given_name, middle_name, family_name, name_suffix, organisation, email, phone,
     date_of_birth, gender, street, city, region, postcode, country, tax_id, customer_number,
     extra)
SELECT found.fingerprint, found.record_n, :change_seq,
       records.std_name, records.std_given_name, records.std_middle_name, records.std_family_name,
       records.std_name_suffix, records.std_organisation, records.std_email, records.std_phone,
       records.std_date_of_birth, records.std_gender, records.std_street, records.std_city,
       records.std_region, records.std_postcode, records.std_country, records.std_tax_id,
       records.std_customer_number, records.std_extra
FROM staging.records AS records
JOIN pg_temp.first_records AS found ON found.record_id = records.record_id + 0
WHERE found.is_whole

-- name: add_first_curtailed_profiles
-- The other first profiles: of records that the register may have left a value out of.
INSERT INTO staging.profiles
    (fingerprint, record_n, change_seq,
     name, given_name, middle_name, family_name, name_suffix, organisation, email, phone,
     date_of_birth, gender, street, city, region, postcode, country, tax_id, customer_number,
     extra)
SELECT found.fingerprint, found.record_n, :change_seq,
       records.std_name, records.std_given_name, records.std_middle_name, records.std_family_name,
       records.std_name_suffix, records.std_organisation, records.std_email, records.std_phone,
       records.std_date_of_birth, records.std_gender, records.std_street, records.std_city,
       records.std_region, records.std_postcode, records.std_country, records.std_tax_id,
       records.std_customer_number, records.std_extra
FROM pg_temp.first_records AS found
JOIN staging.evidence_records AS records USING (record_id)
WHERE NOT found.is_whole

-- name: add_first_inputs
-- The first inputs of all: nothing to compare with.
INSERT INTO staging.identity_inputs
    (record_id, source, source_record_id, profile_id, event_at, change_seq)
SELECT changed.record_id, changed.source, changed.source_record_id, profiles.profile_id,
       changed.event_at, changed.change_seq
FROM pg_temp.changed_records AS changed
JOIN staging.profiles AS profiles USING (fingerprint)

-- name: merge_inputs
-- Each changed record's input shows its present profile; that of a tombstone goes.
MERGE INTO staging.identity_inputs AS inputs
USING (
    SELECT changed.record_id, changed.source, changed.source_record_id, profiles.profile_id,
           changed.event_at, changed.change_seq
    FROM pg_temp.changed_records AS changed
    LEFT JOIN staging.profiles AS profiles USING (fingerprint)
) AS present
ON inputs.record_id = present.record_id
WHEN MATCHED AND present.profile_id IS NULL THEN DELETE
WHEN MATCHED AND (inputs.profile_id, inputs.event_at, inputs.change_seq)
                 IS DISTINCT FROM (present.profile_id, present.event_at, present.change_seq)
    THEN UPDATE SET profile_id = present.profile_id, event_at = present.event_at,
                    change_seq = present.change_seq
WHEN NOT MATCHED AND present.profile_id IS NOT NULL
    THEN INSERT (record_id, source, source_record_id, profile_id, event_at, change_seq)
    VALUES (present.record_id, present.source, present.source_record_id, present.profile_id,
            present.event_at, present.change_seq)

-- name: drop_inputs_of_nobody
-- With --full: inputs whose record is gone or a tombstone, however that came about.
DELETE FROM staging.identity_inputs AS inputs
WHERE NOT EXISTS (SELECT FROM staging.live_records AS records
                  WHERE records.record_id = inputs.record_id)

-- name: touch_present_profiles
-- The profiles that changed records have now belong to the touched ones too.
INSERT INTO pg_temp.touched_profiles (profile_id)
SELECT DISTINCT inputs.profile_id
FROM staging.identity_inputs AS inputs
JOIN pg_temp.changed_records USING (record_id)

-- name: touch_all_profiles
-- With --full: every profile is looked at.
INSERT INTO pg_temp.touched_profiles (profile_id) SELECT profile_id FROM staging.profiles

-- name: recount_profiles
-- How many records each touched profile has.
ANALYZE pg_temp.touched_profiles;
UPDATE staging.profiles AS profiles
SET record_n = counted.record_n
FROM (
    SELECT touched.profile_id, count(inputs.record_id) AS record_n
    FROM (SELECT DISTINCT profile_id FROM pg_temp.touched_profiles) AS touched
    LEFT JOIN staging.identity_inputs AS inputs USING (profile_id)
    GROUP BY touched.profile_id
) AS counted
WHERE profiles.profile_id = counted.profile_id AND profiles.record_n <> counted.record_n

-- name: retire_profiles
-- Profiles that no record has any more go, on record for the phases behind. A content that comes
-- back later is a new profile.
WITH retired AS (
    DELETE FROM staging.profiles AS profiles
    USING (SELECT DISTINCT profile_id FROM pg_temp.touched_profiles) AS touched
    WHERE profiles.profile_id = touched.profile_id AND profiles.record_n = 0
    RETURNING profiles.profile_id
)
INSERT INTO staging.retired_profiles (profile_id, change_seq)
SELECT profile_id, :change_seq FROM retired

-- name: mark_consumed
-- Identity inputs have consumed the change feed up to :consumed.
INSERT INTO staging.volatile_marker AS marker (layer, change_seq, run_id, config_hash)
VALUES ('identity_inputs', :consumed, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET change_seq = excluded.change_seq, run_id = excluded.run_id,
    config_hash = excluded.config_hash

-- name: analyze
-- Statistics for the phases that join what was just filled. Records are found by their keys only; to
-- sort samples of their forty columns of values takes longer than all the rest.
ANALYZE staging.records (record_id, source, source_record_id, object_id, event_at, is_deleted,
                         change_seq),
        staging.profiles,
        staging.identity_inputs
