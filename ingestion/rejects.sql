-- name: by_reason
-- What stands in quarantine, grouped: one row per source and reason, with the first line as example.
SELECT source, reason, count(*) AS lines_n, count(DISTINCT object_id) AS objects_n,
       max(run_id) AS last_run_id,
       (array_agg(object_id || ':' || line_no ORDER BY object_id DESC, line_no))[1] AS example
FROM raw.quarantine
WHERE (CAST(:source AS text) IS NULL OR source = :source)
  AND (CAST(:reason AS text) IS NULL OR strpos(reason, :reason) > 0)
  AND (CAST(:run_id AS bigint) IS NULL OR run_id = :run_id)
GROUP BY source, reason
ORDER BY source, lines_n DESC, reason

-- name: lines
-- The single lines that stand in quarantine, newest objects first (at most :limit rows).
SELECT object_id || ':' || line_no AS line, source, run_id, reason, detail
FROM raw.quarantine
WHERE (CAST(:source AS text) IS NULL OR source = :source)
  AND (CAST(:reason AS text) IS NULL OR strpos(reason, :reason) > 0)
  AND (CAST(:run_id AS bigint) IS NULL OR run_id = :run_id)
ORDER BY object_id DESC, line_no
LIMIT :limit

-- name: refused_objects
-- Objects that were refused as a whole (one row each), newest first.
SELECT object_id, source, object_key, run_id, rows_n + rejected_n AS lines_n, reason
FROM raw.lake_objects
WHERE state = 'REJECTED'
  AND (CAST(:source AS text) IS NULL OR source = :source)
  AND (CAST(:reason AS text) IS NULL OR strpos(reason, :reason) > 0
       OR EXISTS (SELECT FROM raw.rejected_lines AS lines
                  WHERE lines.object_id = lake_objects.object_id
                    AND strpos(lines.reason, :reason) > 0))
  AND (CAST(:run_id AS bigint) IS NULL OR run_id = :run_id)
ORDER BY object_id DESC

-- name: show
-- One rejected line with its bytes (at most one row).
SELECT objects.object_key, objects.state, lines.*
FROM raw.rejected_lines AS lines
JOIN raw.lake_objects AS objects USING (object_id)
WHERE lines.object_id = :object_id AND lines.line_no = :line_no

-- name: waiting_objects
-- The objects that hold what waits (one row each): lines in quarantine, or all of it where the object
-- was refused.
SELECT objects.object_id, objects.object_key, objects.source, objects.state, objects.rows_n,
       objects.rejected_n
FROM raw.lake_objects AS objects
WHERE objects.state IN ('LOADED', 'REJECTED')
  AND (CAST(:source AS text) IS NULL OR objects.source = :source)
  AND (CAST(:run_id AS bigint) IS NULL OR objects.run_id = :run_id)
  AND (CAST(:object_ids AS bigint[]) IS NULL OR objects.object_id = ANY (:object_ids))
  AND (EXISTS (SELECT FROM raw.rejected_lines AS lines
               WHERE lines.object_id = objects.object_id
                 AND (CAST(:reason AS text) IS NULL OR strpos(lines.reason, :reason) > 0))
       OR (objects.state = 'REJECTED'
           AND (CAST(:reason AS text) IS NULL OR strpos(objects.reason, :reason) > 0)))
ORDER BY objects.object_key

-- name: ask_again
-- Have the objects read anew by the next ingestion, whether or not they changed.
UPDATE raw.lake_objects SET judge_again = true WHERE object_id = ANY (:object_ids)

-- name: still_asked
-- Which of the objects are still to be read anew (one row each).
SELECT object_id, object_key FROM raw.lake_objects
WHERE judge_again AND object_id = ANY (:object_ids)
ORDER BY object_key

-- name: stop_asking
-- Objects that the lake has no more cannot be read anew: they stay as they are.
UPDATE raw.lake_objects SET judge_again = false WHERE object_id = ANY (:object_ids)

-- name: present
-- What keys stand for now (one row per key).
SELECT object_id, object_key, state, rows_n, rejected_n, reason
FROM raw.lake_objects
WHERE object_key = ANY (:keys) AND state <> 'SUPERSEDED'
ORDER BY object_key
