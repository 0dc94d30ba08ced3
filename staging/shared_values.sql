-- The shared-value register: values that many different names hold, found from the data.

-- name: suspect_known
-- One row per value that may be shared, or was: to begin with the registered ones and those that
-- stewards judged.
INSERT INTO staging.suspect_values (attribute, value)
SELECT attribute, value FROM identity.shared_values
UNION
SELECT attribute, value FROM identity.shared_value_decisions

-- name: suspects
-- The suspect values so far.
SELECT attribute, value FROM staging.suspect_values

-- name: select_values
-- For COPY: one row per live record, its columns named as the attributes of staging.shareable_values
-- (which has a row for each value).
SELECT record_id,
       coalesce(least(left(std_given_name, 1), left(std_family_name, 1))
                || greatest(left(std_given_name, 1), left(std_family_name, 1)),
                left(std_organisation, 3)) AS initials,
       std_email AS email, std_phone AS phone,
       std_street || ', ' || coalesce(std_postcode, std_city, '') AS address,
       std_tax_id AS tax_id, std_customer_number AS customer_number
FROM staging.live_records

-- name: suspect
-- Values of an attribute that many names hold.
INSERT INTO staging.suspect_values (attribute, value)
SELECT :attribute, found.value FROM unnest(CAST(:values AS text[])) AS found (value)

-- name: hold
-- Temporary, one row per live record with any suspect value: those that are told.
CREATE TEMPORARY TABLE value_holders ON COMMIT DROP AS
SELECT DISTINCT found.record_id FROM unnest(CAST(:record_ids AS bigint[])) AS found (record_id)

-- name: suspect_changed
-- All values of records that changed after :consumed.
INSERT INTO staging.suspect_values (attribute, value)
SELECT DISTINCT attribute, value FROM staging.shareable_values WHERE change_seq > :consumed

-- name: find_holders
-- Temporary, one row per live record with any suspected value. One scan for all attributes, in
-- parallel: a join by attribute would read the records five times.
ANALYZE staging.suspect_values;
CREATE TEMPORARY TABLE value_holders ON COMMIT DROP AS
SELECT record_id FROM staging.live_records
WHERE std_email IN (SELECT value FROM staging.suspect_values WHERE attribute = 'email')
   OR std_phone IN (SELECT value FROM staging.suspect_values WHERE attribute = 'phone')
   OR std_street || ', ' || coalesce(std_postcode, std_city, '')
      IN (SELECT value FROM staging.suspect_values WHERE attribute = 'address')
   OR std_tax_id IN (SELECT value FROM staging.suspect_values WHERE attribute = 'tax_id')
   OR std_customer_number
      IN (SELECT value FROM staging.suspect_values WHERE attribute = 'customer_number')

-- name: judge
-- Temporary, one row per value that is or was shared: by how many names, what the data and stewards
-- say of it, and whether it is ignored now and was until now.
ANALYZE pg_temp.value_holders;
CREATE TEMPORARY TABLE judged_values ON COMMIT DROP AS
SELECT found.attribute, found.value, found.record_n, found.name_n, found.is_found,
       CASE said.verdict WHEN 'CONFIRM' THEN true WHEN 'LIFT' THEN false ELSE found.is_found END
           AS is_ignored,
       coalesce(known.is_ignored, false) AS was_ignored
FROM (
    SELECT suspects.attribute, suspects.value, count(held.record_id) AS record_n,
           count(DISTINCT held.initials) AS name_n,
           count(DISTINCT held.initials) >= :names AS is_found
    FROM (SELECT DISTINCT attribute, value FROM staging.suspect_values) AS suspects
    LEFT JOIN (pg_temp.value_holders
               JOIN staging.shareable_values USING (record_id)) AS held USING (attribute, value)
    GROUP BY suspects.attribute, suspects.value
) AS found
LEFT JOIN identity.shared_values AS known USING (attribute, value)
LEFT JOIN identity.live_shared_value_decisions AS said USING (attribute, value)
WHERE found.is_found OR known.value IS NOT NULL OR said.verdict IS NOT NULL;
ANALYZE pg_temp.judged_values

-- name: register
-- Write what was judged into the register, where it says anything new.
INSERT INTO identity.shared_values AS known
    (attribute, value, record_n, name_n, reason, is_found, is_ignored, found_at, run_id)
SELECT attribute, value, record_n, name_n,
       format('%s different names on %s records', name_n, record_n), is_found, is_ignored,
       :as_of, :run_id
FROM pg_temp.judged_values
ON CONFLICT (attribute, value) DO UPDATE
SET record_n = excluded.record_n, name_n = excluded.name_n, reason = excluded.reason,
    is_found = excluded.is_found, is_ignored = excluded.is_ignored,
    found_at = CASE WHEN excluded.is_ignored AND NOT known.is_ignored THEN excluded.found_at
                    ELSE known.found_at END,
    run_id = excluded.run_id
WHERE (known.record_n, known.name_n, known.is_found, known.is_ignored)
      IS DISTINCT FROM (excluded.record_n, excluded.name_n, excluded.is_found, excluded.is_ignored)

-- name: touch_holders
-- Records whose value counts anew, or no more, take a number in the change feed.
UPDATE staging.records AS records
SET change_seq = :change_seq
FROM pg_temp.value_holders
JOIN staging.shareable_values AS holders USING (record_id)
JOIN pg_temp.judged_values AS judged USING (attribute, value)
WHERE records.record_id = holders.record_id AND judged.is_ignored <> judged.was_ignored

-- name: count_ignored
-- How many values profiles are made without.
SELECT count(*) FROM identity.shared_values WHERE is_ignored

-- name: forget_suspects
-- No suspects, as between runs.
TRUNCATE staging.suspect_values

-- name: drop_temporary
-- Two runs may share a transaction.
DROP TABLE IF EXISTS pg_temp.value_holders, pg_temp.judged_values

-- name: words_are_waiting
-- Whether a steward said something of a value that profiles do not follow yet.
SELECT EXISTS (
    SELECT FROM identity.shared_value_decisions AS said
    LEFT JOIN identity.live_shared_value_decisions AS live USING (attribute, value)
    LEFT JOIN identity.shared_values AS known USING (attribute, value)
    WHERE coalesce(known.is_ignored, false)
          <> CASE live.verdict WHEN 'CONFIRM' THEN true WHEN 'LIFT' THEN false
                  ELSE coalesce(known.is_found, false) END
)

-- name: insert_decision
-- A steward's word on a value, of which the data or the register must know.
INSERT INTO identity.shared_value_decisions (attribute, value, verdict, steward, reason)
SELECT :attribute, :value, :verdict, :steward, :reason
WHERE EXISTS (SELECT FROM staging.shareable_values AS holders
              WHERE holders.attribute = :attribute AND holders.value = :value)
   OR EXISTS (SELECT FROM identity.shared_values AS known
              WHERE known.attribute = :attribute AND known.value = :value)
RETURNING decision_id
