-- Steward overrides: said here, in psql or in the console, checked by the same trigger.

-- name: add
-- One override; the database checks and completes it.
INSERT INTO gold.customer_steward_overrides
    (global_customer_id, attribute, value, action, steward, reason, valid_from, valid_to)
VALUES (:customer_id, :attribute, :value, :action, :steward, :reason,
        coalesce(:valid_from, now()), :valid_to)
RETURNING override_id, global_customer_id, attribute, value, action, steward, reason, valid_from,
          valid_to, created_at

-- name: find
-- The override with an id.
SELECT override_id, global_customer_id, attribute, action
FROM gold.customer_steward_overrides
WHERE override_id = :override_id

-- name: list_all
-- Overrides, the newest first, each with the customer it is on today and whether it is in force.
SELECT o.override_id,
       coalesce(m.global_customer_id, identity.resolve(o.global_customer_id)) AS global_customer_id,
       o.attribute, o.value, o.action, o.steward, o.reason, o.valid_from, o.valid_to, o.created_at,
       e.override_id IS NOT NULL AS is_in_force
FROM gold.customer_steward_overrides AS o
LEFT JOIN identity.customer_identity_map AS m
       ON m.source = o.anchor_source AND m.source_record_id = o.anchor_source_record_id
LEFT JOIN gold.effective_overrides(now()) AS e ON e.override_id = o.override_id
WHERE CAST(:customer_id AS uuid) IS NULL
   OR coalesce(m.global_customer_id, identity.resolve(o.global_customer_id)) = identity.resolve(:customer_id)
ORDER BY o.override_id DESC
