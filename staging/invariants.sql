-- name: inv_objects_staged
-- title: 1 Every lake object has reached staging in its present state
SELECT objects.object_id, objects.state
FROM raw.lake_objects AS objects
LEFT JOIN staging.staged_objects AS staged USING (object_id)
WHERE (objects.state = 'LOADED' AND staged.state IS DISTINCT FROM 'LOADED')
   OR (objects.state <> 'LOADED' AND staged.state = 'LOADED')

-- name: inv_records_from_live_objects
-- title: 1 No record stands on an object that no longer counts
SELECT records.record_id, records.object_id
FROM staging.records AS records
JOIN raw.lake_objects AS objects USING (object_id)
WHERE NOT records.is_deleted AND objects.state <> 'LOADED'

-- name: inv_records_have_profiles
-- title: 2 Every live record is an identity input with a profile
-- Ids come from a sequence, so those of all profiles are a few ranges: to search these costs less than
-- to look each id up among a million.
WITH present AS MATERIALIZED (
    SELECT coalesce(range_agg(int8range(stretch.first_id, stretch.last_id, '[]')), '{}') AS ids
    FROM (SELECT min(p.profile_id) AS first_id, max(p.profile_id) AS last_id
          FROM (SELECT profile_id, profile_id - row_number() OVER (ORDER BY profile_id) AS missing_n
                FROM staging.profiles) AS p
          GROUP BY p.missing_n) AS stretch
)
SELECT records.record_id
FROM staging.live_records AS records
LEFT JOIN staging.identity_inputs AS inputs USING (record_id)
WHERE inputs.change_seq IS DISTINCT FROM records.change_seq
   OR NOT (SELECT ids FROM present) @> inputs.profile_id

-- name: inv_records_have_profiles_since
-- Of the records that changed, and of the profiles that were retired.
SELECT records.record_id
FROM staging.live_records AS records
LEFT JOIN staging.identity_inputs AS inputs USING (record_id)
LEFT JOIN staging.profiles AS profiles ON profiles.profile_id = inputs.profile_id
WHERE records.change_seq > :since_change_seq
  AND (profiles.profile_id IS NULL OR inputs.change_seq IS DISTINCT FROM records.change_seq)
UNION ALL
SELECT inputs.record_id
FROM staging.retired_profiles AS retired
JOIN staging.identity_inputs AS inputs USING (profile_id)
WHERE NOT EXISTS (SELECT FROM staging.profiles AS p WHERE p.profile_id = retired.profile_id)

-- name: inv_inputs_have_records
-- title: 2 No identity input outlives its record
-- A record has one input at most (the key), a live one has one (above): where there are as many of
-- these as of those, none is left over.
SELECT inputs.record_id
FROM staging.identity_inputs AS inputs
WHERE (SELECT count(*) FROM staging.identity_inputs) <> (SELECT count(*) FROM staging.live_records)
  AND NOT EXISTS (SELECT FROM staging.live_records AS records
                  WHERE records.record_id = inputs.record_id)

-- name: inv_inputs_have_records_since
-- Of the records that changed. None ever goes: a deleted one stays as a tombstone.
SELECT records.record_id
FROM staging.records AS records
JOIN staging.identity_inputs AS inputs USING (record_id)
WHERE records.is_deleted AND records.change_seq > :since_change_seq
