-- Whether a second connection sees what the first does.

-- name: has_written
-- Whether this transaction has written anything, which no other connection sees yet.
SELECT pg_current_xact_id_if_assigned() IS NOT NULL;
