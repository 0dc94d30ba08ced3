-- name: record_fields
-- The fields of one object: one row per path.
INSERT INTO raw.object_fields (object_id, path, filled_n, records_n)
SELECT :object_id, found.path, found.filled_n, :records_n
FROM unnest(CAST(:paths AS text[]), CAST(:filled AS bigint[])) AS found (path, filled_n)

-- name: drift
-- What changed among the fields of a source (one row per field): NEW was in no counted object of a
-- run before, VANISHED was in those of the run that delivered last. Objects that the run refused
-- are looked at too: a field that was renamed is often why. Of the first run there is nothing to say.
WITH now_there AS (
    SELECT DISTINCT fields.path
    FROM raw.object_fields AS fields
    JOIN raw.lake_objects AS objects USING (object_id)
    WHERE objects.source = :source AND objects.run_id = :run_id
), before AS (
    SELECT fields.path, objects.run_id, max(objects.run_id) OVER () AS last_run_id
    FROM raw.object_fields AS fields
    JOIN raw.lake_objects AS objects USING (object_id)
    WHERE objects.source = :source AND objects.run_id < :run_id AND objects.state <> 'REJECTED'
)
SELECT 'new' AS change, path
FROM now_there
WHERE EXISTS (SELECT FROM before)
  AND NOT EXISTS (SELECT FROM before WHERE before.path = now_there.path)
UNION
SELECT 'vanished', path
FROM before
WHERE run_id = last_run_id AND EXISTS (SELECT FROM now_there)
  AND NOT EXISTS (SELECT FROM now_there WHERE now_there.path = before.path)
ORDER BY change, path

-- name: newest_delivery
-- When a source was last delivered to (one row; null for never).
SELECT max(object_at) AS delivered_at
FROM raw.lake_objects
WHERE source = :source AND state = 'LOADED'
