-- Whether another session sees what this one sees.

-- name: has_written
-- Whether this transaction has written anything, which other sessions would not see.
SELECT pg_current_xact_id_if_assigned() IS NOT NULL
