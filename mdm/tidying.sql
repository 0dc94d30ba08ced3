-- What a publication leaves to do for those who read after it.

-- name: never_vacuumed
-- The large tables of what is published that were filled and never vacuumed since: as after a first load.
SELECT CAST(c.oid AS regclass)::text
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('identity', 'gold')
  AND c.relallvisible = 0 AND pg_relation_size(c.oid) > 8388608
ORDER BY pg_relation_size(c.oid) DESC, c.oid
