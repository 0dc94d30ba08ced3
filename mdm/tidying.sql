-- What a publication leaves to do for those who read after it.

-- name: vacuum_statements
-- A statement for each large table of what is published that was filled and never vacuumed since, as after a
-- first load. In the buffers where the rows still are, and without workers: both cores are busy.
SELECT format('VACUUM (BUFFER_USAGE_LIMIT 0, PARALLEL 0) %s', CAST(c.oid AS regclass))
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ('identity', 'gold')
  AND c.relallvisible = 0 AND pg_relation_size(c.oid) > 8388608
ORDER BY pg_relation_size(c.oid) DESC, c.oid
