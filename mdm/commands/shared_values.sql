-- name: register
-- Entries of the shared-value register, the most shared first; one row per value.
SELECT attribute, value, state, record_n, name_n, is_ignored, reason, found_at, steward,
       steward_reason
FROM identity.shared_value_register
WHERE attribute = coalesce(:attribute, attribute) AND state = coalesce(:state, state)
ORDER BY name_n DESC, attribute, value
LIMIT :most
