-- name: relations
-- One row per table and view of the five layers, with what its comment says.
SELECT namespaces.nspname AS schema, classes.relname AS name,
       CASE classes.relkind WHEN 'v' THEN 'view' WHEN 'r' THEN 'table' END
           || CASE WHEN classes.relpersistence = 'u' THEN ', unlogged' ELSE '' END AS kind,
       obj_description(classes.oid, 'pg_class') AS comment
FROM pg_class AS classes
JOIN pg_namespace AS namespaces ON namespaces.oid = classes.relnamespace
WHERE namespaces.nspname IN ('ops', 'raw', 'staging', 'identity', 'gold')
  AND classes.relkind IN ('r', 'v')
ORDER BY array_position(ARRAY['raw', 'staging', 'identity', 'gold', 'ops']::name[], namespaces.nspname),
         classes.relname

-- name: columns
-- One row per column of those, in their order.
SELECT namespaces.nspname AS schema, classes.relname AS relation, attributes.attname AS name,
       format_type(attributes.atttypid, attributes.atttypmod) AS type,
       attributes.attnotnull AS is_required,
       EXISTS (SELECT FROM pg_constraint AS keys
               WHERE keys.conrelid = classes.oid AND keys.contype = 'p'
                 AND attributes.attnum = ANY (keys.conkey)) AS is_key,
       col_description(classes.oid, attributes.attnum) AS comment
FROM pg_class AS classes
JOIN pg_namespace AS namespaces ON namespaces.oid = classes.relnamespace
JOIN pg_attribute AS attributes ON attributes.attrelid = classes.oid
WHERE namespaces.nspname IN ('ops', 'raw', 'staging', 'identity', 'gold')
  AND classes.relkind IN ('r', 'v') AND attributes.attnum > 0 AND NOT attributes.attisdropped
ORDER BY 1, 2, attributes.attnum

-- name: functions
-- One row per function a user may call, with what its comment says.
SELECT namespaces.nspname AS schema, procs.proname AS name,
       pg_get_function_identity_arguments(procs.oid) AS arguments,
       pg_get_function_result(procs.oid) AS result,
       obj_description(procs.oid, 'pg_proc') AS comment
FROM pg_proc AS procs
JOIN pg_namespace AS namespaces ON namespaces.oid = procs.pronamespace
WHERE namespaces.nspname IN ('ops', 'raw', 'staging', 'identity', 'gold')
  AND procs.prorettype <> 'trigger'::regtype AND procs.prokind = 'f'
ORDER BY 1, 2, 3
