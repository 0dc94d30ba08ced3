-- name: indexes
-- How to drop each index of a table and how to make it again, constraints first (one row per index).
SELECT CASE WHEN constraints.oid IS NULL
            THEN format('DROP INDEX %s', indexes.indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I',
                        indexes.indrelid::regclass, constraints.conname)
       END AS drop_it,
       CASE WHEN constraints.oid IS NULL
            THEN pg_get_indexdef(indexes.indexrelid)
            ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', indexes.indrelid::regclass,
                        constraints.conname, pg_get_constraintdef(constraints.oid))
       END AS make_it
FROM pg_index AS indexes
LEFT JOIN pg_constraint AS constraints ON constraints.conindid = indexes.indexrelid
                                      AND constraints.conrelid = indexes.indrelid
WHERE indexes.indrelid = CAST(:table AS regclass)
ORDER BY constraints.oid IS NULL, indexes.indexrelid

-- name: records_are_empty
-- Whether staging.records has never held a row, not even one of another source.
SELECT NOT EXISTS (SELECT FROM staging.records)

-- name: empty_records
-- Give the empty table a file of its own in this transaction: what goes into it then needs no WAL
-- and can be frozen at once.
TRUNCATE staging.records
