-- The first load of a table: what takes its keys away and what makes them again.

-- name: keys
-- One row per index and foreign key of some tables, and per foreign key that leans on them: what
-- drops it, what makes it again, and when that is its turn (primary keys, indexes, foreign keys).
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', f.conrelid::regclass, f.conname) AS drop_it,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', f.conrelid::regclass, f.conname,
              pg_get_constraintdef(f.oid)) AS make_it,
       3 AS turn, f.oid
FROM pg_constraint AS f
WHERE f.contype = 'f'
  AND (f.conrelid = ANY (CAST(:tables AS regclass[])) OR f.confrelid = ANY (CAST(:tables AS regclass[])))
UNION ALL
SELECT CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, k.conname) END,
       CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
            ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', i.indrelid::regclass, k.conname,
                        pg_get_constraintdef(k.oid)) END,
       CASE WHEN i.indisprimary THEN 1 ELSE 2 END, i.indexrelid
FROM pg_index AS i
LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
WHERE i.indrelid = ANY (CAST(:tables AS regclass[]))
ORDER BY turn, oid
