-- name: inv_raw_object_rows
-- title: 1 Each lake object is in quarantine exactly as its ledger row says
SELECT objects.object_id, objects.rejected_n, count(lines.object_id) AS lines_n
FROM raw.lake_objects AS objects
LEFT JOIN raw.rejected_lines AS lines USING (object_id)
GROUP BY objects.object_id, objects.rejected_n
HAVING objects.rejected_n <> count(lines.object_id)

-- name: inv_raw_rows
-- title: 1 Each valid line of each lake object is in raw once
-- No line can be there twice (its object and number are the key), so it is enough to count. What was
-- refused has no rows; `mdm vacuum` takes all rows of an object whose key holds other content.
SELECT object_id, objects.state, objects.rows_n, counted.row_n
FROM raw.lake_objects AS objects
FULL JOIN raw.count_rows(0) AS counted USING (object_id)
WHERE coalesce(counted.row_n, 0) IS DISTINCT FROM CASE objects.state WHEN 'REJECTED' THEN 0 ELSE objects.rows_n END
  AND NOT (coalesce(objects.state = 'SUPERSEDED', false) AND counted.row_n IS NULL)

-- name: inv_raw_rows_since
-- Of the objects read since the last check: rows are written with their object and never after.
SELECT objects.object_id, objects.state, objects.rows_n, counted.row_n
FROM raw.lake_objects AS objects
LEFT JOIN raw.count_rows(:since_run_id) AS counted USING (object_id)
WHERE objects.run_id > :since_run_id
  AND coalesce(counted.row_n, 0) <> CASE objects.state WHEN 'REJECTED' THEN 0 ELSE objects.rows_n END
  AND NOT (objects.state = 'SUPERSEDED' AND counted.row_n IS NULL)

-- name: inv_raw_one_live_object
-- title: 1 No lake key counts twice
SELECT object_key, count(*) AS n
FROM raw.lake_objects
WHERE state <> 'SUPERSEDED'
GROUP BY object_key
HAVING count(*) > 1
