-- name: drop_superseded
-- Delete the rows of objects whose key came back with other content longer than an interval ago and
-- which no longer count in staging either. {table} is quoted by the caller.
DELETE FROM {table} AS rows
USING raw.lake_objects AS objects
WHERE objects.object_id = rows.object_id
  AND objects.state = 'SUPERSEDED'
  AND EXISTS (SELECT FROM raw.lake_objects AS later
              WHERE later.object_key = objects.object_key AND later.object_id > objects.object_id
                AND later.loaded_at < now() - %s)
  AND NOT EXISTS (SELECT FROM staging.staged_objects AS staged
                  WHERE staged.object_id = objects.object_id AND staged.state = 'LOADED')
  AND NOT EXISTS (SELECT FROM staging.live_records AS records
                  WHERE records.object_id = objects.object_id)
