-- The shared-value register: values that many different names hold, found from the data.

-- name: known_values
-- One row per value that is registered or that stewards judged: its key, and whether the register
-- does not follow the stewards' words yet.
SELECT staging.value_key(attribute, value) AS key,
       known.value IS NULL
       OR known.is_ignored <> CASE live.verdict WHEN 'CONFIRM' THEN true WHEN 'LIFT' THEN false
                                                ELSE known.is_found END AS is_waiting
FROM identity.shared_values AS known
FULL JOIN (SELECT DISTINCT attribute, value FROM identity.shared_value_decisions) AS said
    USING (attribute, value)
LEFT JOIN identity.live_shared_value_decisions AS live USING (attribute, value)

-- name: suspect
-- Temporary, one row each: the keys of values that may be shared, or were, and the records that
-- may hold one.
CREATE TEMPORARY TABLE suspects ON COMMIT DROP AS
SELECT found.key FROM unnest(CAST(:keys AS integer[])) AS found (key);
CREATE TEMPORARY TABLE value_holders ON COMMIT DROP AS
SELECT found.record_id FROM unnest(CAST(:record_ids AS bigint[])) AS found (record_id);
ANALYZE pg_temp.suspects, pg_temp.value_holders

-- name: judge
-- Temporary, one row per value that is or was shared: by how many names, what the data and stewards
-- say of it, and whether it is ignored now and was until now.
CREATE TEMPORARY TABLE judged_values ON COMMIT DROP AS
WITH found AS (
    SELECT attribute, value, count(*) AS record_n, count(DISTINCT initials) AS name_n
    FROM pg_temp.value_holders
    JOIN staging.shareable_values USING (record_id)
    GROUP BY attribute, value
), asked AS (
    SELECT attribute, value FROM found WHERE name_n >= :names
    UNION
    SELECT attribute, value FROM identity.shared_values
    UNION
    SELECT attribute, value FROM identity.shared_value_decisions
)
SELECT attribute, value, coalesce(found.record_n, 0) AS record_n,
       coalesce(found.name_n, 0) AS name_n, judged.is_found,
       CASE said.verdict WHEN 'CONFIRM' THEN true WHEN 'LIFT' THEN false ELSE judged.is_found END
           AS is_ignored,
       coalesce(known.is_ignored, false) AS was_ignored
FROM asked
JOIN pg_temp.suspects ON suspects.key = staging.value_key(asked.attribute, asked.value)
LEFT JOIN found USING (attribute, value)
CROSS JOIN LATERAL (VALUES (coalesce(found.name_n >= :names, false))) AS judged (is_found)
LEFT JOIN identity.shared_values AS known USING (attribute, value)
LEFT JOIN identity.live_shared_value_decisions AS said USING (attribute, value)
WHERE judged.is_found OR known.value IS NOT NULL OR said.verdict IS NOT NULL;
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

-- name: drop_temporary
-- Two runs may share a transaction.
DROP TABLE IF EXISTS pg_temp.suspects, pg_temp.value_holders, pg_temp.judged_values

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
