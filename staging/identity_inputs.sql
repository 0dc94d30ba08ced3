-- name: consumed
-- The change feed number of staging.records up to which identity inputs are made; no row after a
-- crash of the server, which empties marker and layer together.
SELECT change_seq, config_hash FROM staging.volatile_marker WHERE layer = 'identity_inputs'

-- name: present
-- The last number in the change feed of staging.records (0 when there is none).
SELECT coalesce(max(change_seq), 0) FROM staging.records

-- name: empty_profiles
-- What a run left that did not come to its end.
TRUNCATE staging.profiles

-- name: empty_inputs
-- The same.
TRUNCATE staging.identity_inputs

-- name: let_workers_help
-- Have the fingerprints of many records made by parallel workers. The planner takes a hash for as
-- cheap as a comparison, and so the handing over of its rows for dearer than the work itself.
SET LOCAL parallel_tuple_cost = 0

-- name: take_change_number
-- The number in the change feed for the profiles that this run makes or retires.
SELECT nextval('staging.change_seq')

-- name: fingerprint
-- An expression over the columns of staging.records or staging.evidence_records: 128 bits of SHA-256
-- over PostgreSQL's own text of the row, which quotes what it must and tells null from empty; the
-- date is a number, because its text depends on the session. No statement.
substring(sha256(convert_to(CAST(ROW(
    std_name, std_given_name, std_middle_name, std_family_name, std_name_suffix,
    std_organisation, std_email, std_phone, std_date_of_birth - DATE '2000-01-01',
    std_gender, std_street, std_city, std_region, std_postcode, std_country,
    std_tax_id, std_customer_number, std_extra
) AS text), 'UTF8')) FOR 16)

-- name: changed_records
-- A query, no statement: one row per record that changed after a number, with its input, the
-- fingerprint of its profile (null for a tombstone) and the profile that has it already, if one does.
-- The fingerprints are made once, and sought in the order of their index.
WITH changed AS MATERIALIZED (
    SELECT record_id, source, source_record_id, event_at, change_seq,
           CASE WHEN NOT is_deleted THEN CAST(encode({fingerprint}, 'hex') AS uuid) END
               AS fingerprint
    FROM staging.evidence_records
    WHERE change_seq > %s
    ORDER BY fingerprint
)
SELECT changed.*, known.profile_id
FROM changed
LEFT JOIN staging.profiles AS known USING (fingerprint)

-- name: find_changed_records
-- Temporary: these rows.
DROP TABLE IF EXISTS pg_temp.changed_records;
CREATE TEMPORARY TABLE changed_records ON COMMIT DROP AS {changed_records}

-- name: forget_moved_records
-- What was found of records that have changed again since, after :change_seq.
DELETE FROM pg_temp.changed_records AS changed
USING staging.records
WHERE records.change_seq > :change_seq AND records.record_id = changed.record_id

-- name: find_moved_records
-- The same rows of these.
INSERT INTO pg_temp.changed_records {changed_records}

-- name: find_made_profiles
-- Temporary: the fingerprints that no profile has, each with an id, one of its records and how many it
-- has; to be filled from what counts of the record (is_curtailed).
ANALYZE pg_temp.changed_records (record_id, fingerprint, profile_id);
DROP TABLE IF EXISTS pg_temp.made_profiles;
CREATE TEMPORARY TABLE made_profiles ON COMMIT DROP AS
SELECT nextval((SELECT CAST(pg_get_serial_sequence('staging.profiles', 'profile_id') AS regclass)))
           AS profile_id,
       found.fingerprint, found.record_n, CAST(:change_seq AS bigint) AS change_seq,
       found.record_id, true AS is_curtailed
FROM (
    SELECT fingerprint, min(record_id) AS record_id, count(*) AS record_n
    FROM pg_temp.changed_records
    WHERE fingerprint IS NOT NULL AND profile_id IS NULL
    GROUP BY fingerprint
    ORDER BY record_id
) AS found;
ANALYZE pg_temp.made_profiles

-- name: open_made_profiles
-- Empty, for COPY: the same of the first profiles.
DROP TABLE IF EXISTS pg_temp.made_profiles;
CREATE TEMPORARY TABLE made_profiles (
    profile_id bigint, fingerprint uuid, record_n integer, change_seq bigint, record_id bigint,
    is_curtailed boolean
) ON COMMIT DROP

-- name: analyze_made_profiles
-- Tell the planner how many there are.
ANALYZE pg_temp.made_profiles

-- name: open_first_inputs
-- Empty, for COPY: the profile of each live record.
DROP TABLE IF EXISTS pg_temp.record_profiles;
CREATE TEMPORARY TABLE record_profiles (record_id bigint, profile_id bigint) ON COMMIT DROP

-- name: take_profile_ids
-- The first of :ids_n ids for profiles.
SELECT nextval(found.ids) AS first_id,
       setval(found.ids, currval(found.ids) + :ids_n - 1)
FROM (SELECT pg_get_serial_sequence('staging.profiles', 'profile_id') AS ids) AS found

-- name: curtailed_fingerprints
-- What records count for without the values of the register, among those that may hold one.
SELECT record_id, {fingerprint} AS fingerprint
FROM staging.evidence_records
JOIN pg_temp.value_holders USING (record_id)
WHERE NOT is_deleted

-- name: join_in_order
-- All records are joined in the order of their ids, in which the other side lies too. The planner
-- would make a hash of one of them.
SET LOCAL enable_hashjoin = off

-- name: join_as_planned
-- What is joined behind a first load is joined as the planner wants it.
SET LOCAL enable_hashjoin = on

-- name: add_profiles
-- Profiles with the values of one of their records: they are the same in all of them. A record that
-- the register leaves nothing out of is its own evidence.
INSERT INTO staging.profiles
    (profile_id, fingerprint, record_n, change_seq,
     name, given_name, middle_name, family_name, name_suffix, organisation, email, phone,
     date_of_birth, gender, street, city, region, postcode, country, tax_id, customer_number,
     extra)
OVERRIDING SYSTEM VALUE
SELECT found.profile_id, found.fingerprint, found.record_n, found.change_seq,
       records.std_name, records.std_given_name, records.std_middle_name, records.std_family_name,
       records.std_name_suffix, records.std_organisation, records.std_email, records.std_phone,
       records.std_date_of_birth, records.std_gender, records.std_street, records.std_city,
       records.std_region, records.std_postcode, records.std_country, records.std_tax_id,
       records.std_customer_number, records.std_extra
FROM pg_temp.made_profiles AS found
JOIN {records} AS records USING (record_id)
WHERE found.is_curtailed = %s

-- name: add_first_inputs
-- The first inputs of all: nothing to compare with.
ANALYZE pg_temp.record_profiles;
INSERT INTO staging.identity_inputs
    (record_id, source, source_record_id, profile_id, event_at, change_seq)
SELECT records.record_id, records.source, records.source_record_id, found.profile_id,
       records.event_at, records.change_seq
FROM pg_temp.record_profiles AS found
JOIN staging.records AS records USING (record_id)

-- name: last_input
-- The last record that has an input: what is newer has none (0 when there is none at all).
SELECT coalesce(max(record_id), 0) FROM staging.identity_inputs

-- name: merge_inputs
-- Each changed record's input shows its present profile; that of a tombstone goes. Records behind
-- :last are new. Temporary: how many records profiles of before gained or lost by it; those just made
-- know how many they have.
DROP TABLE IF EXISTS pg_temp.touched_profiles;
CREATE TEMPORARY TABLE touched_profiles (profile_id bigint NOT NULL, gained_n bigint NOT NULL)
    ON COMMIT DROP;
INSERT INTO staging.identity_inputs
    (record_id, source, source_record_id, profile_id, event_at, change_seq)
SELECT changed.record_id, changed.source, changed.source_record_id,
       coalesce(changed.profile_id, made.profile_id), changed.event_at, changed.change_seq
FROM pg_temp.changed_records AS changed
LEFT JOIN pg_temp.made_profiles AS made USING (fingerprint)
WHERE changed.record_id > :last AND changed.fingerprint IS NOT NULL
ORDER BY changed.record_id;
WITH merged AS (
    MERGE INTO staging.identity_inputs AS inputs
    USING (
        SELECT changed.record_id, changed.source, changed.source_record_id,
               coalesce(changed.profile_id, made.profile_id) AS profile_id,
               changed.profile_id AS known_profile_id, changed.event_at, changed.change_seq
        FROM pg_temp.changed_records AS changed
        LEFT JOIN pg_temp.made_profiles AS made USING (fingerprint)
        WHERE changed.record_id <= :last
        ORDER BY changed.record_id
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
    RETURNING old.profile_id AS was, present.known_profile_id AS became
), moves (profile_id, n) AS (
    SELECT was, -1 FROM merged
    UNION ALL
    SELECT became, 1 FROM merged
    UNION ALL
    SELECT profile_id, 1 FROM pg_temp.changed_records WHERE record_id > :last
)
INSERT INTO pg_temp.touched_profiles (profile_id, gained_n)
SELECT profile_id, sum(n)
FROM moves
WHERE profile_id IS NOT NULL
GROUP BY profile_id
HAVING sum(n) <> 0;
ANALYZE pg_temp.touched_profiles

-- name: drop_inputs_of_nobody
-- With --full: inputs whose record is gone or a tombstone, however that came about.
DELETE FROM staging.identity_inputs AS inputs
WHERE NOT EXISTS (SELECT FROM staging.live_records AS records
                  WHERE records.record_id = inputs.record_id)

-- name: count_all_profiles
-- With --full: what every profile has gained or lost is counted anew, however that came about.
TRUNCATE pg_temp.touched_profiles;
INSERT INTO pg_temp.touched_profiles (profile_id, gained_n)
SELECT profiles.profile_id, count(inputs.record_id) - profiles.record_n
FROM staging.profiles AS profiles
LEFT JOIN staging.identity_inputs AS inputs USING (profile_id)
GROUP BY profiles.profile_id
HAVING count(inputs.record_id) <> profiles.record_n OR count(inputs.record_id) = 0

-- name: recount_profiles
-- How many records each touched profile has. One that no record has any more goes, on record for the
-- phases behind; a content that comes back later is a new profile.
WITH recounted AS (
    MERGE INTO staging.profiles AS profiles
    USING (SELECT profile_id, gained_n FROM pg_temp.touched_profiles ORDER BY profile_id) AS touched
    ON profiles.profile_id = touched.profile_id
    WHEN MATCHED AND profiles.record_n + touched.gained_n = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET record_n = profiles.record_n + touched.gained_n
    RETURNING merge_action() AS action, touched.profile_id
)
INSERT INTO staging.retired_profiles (profile_id, change_seq)
SELECT recounted.profile_id, :change_seq FROM recounted WHERE recounted.action = 'DELETE'

-- name: mark_consumed
-- Identity inputs have consumed the change feed up to :consumed.
INSERT INTO staging.volatile_marker AS marker (layer, change_seq, run_id, config_hash)
VALUES ('identity_inputs', :consumed, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET change_seq = excluded.change_seq, run_id = excluded.run_id,
    config_hash = excluded.config_hash

-- name: analyze_profiles
-- Statistics for the phases that join what was just filled.
ANALYZE staging.profiles

-- name: analyze_inputs
-- The same. Records are found by their keys only; to sort samples of their forty columns of values
-- takes longer than all the rest.
ANALYZE staging.records (record_id, source, source_record_id, object_id, event_at, is_deleted,
                         change_seq),
        staging.identity_inputs
