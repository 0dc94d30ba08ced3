-- name: inv_raw_object_rows
-- title: 1 Each lake object is in quarantine exactly as its ledger row says
SELECT objects.object_id, objects.rejected_n, count(lines.object_id) AS lines_n
FROM raw.lake_objects AS objects
LEFT JOIN raw.rejected_lines AS lines USING (object_id)
GROUP BY objects.object_id, objects.rejected_n
HAVING objects.rejected_n <> count(lines.object_id)

-- name: inv_raw_one_live_object
-- title: 1 No lake key counts twice
SELECT object_key, count(*) AS n
FROM raw.lake_objects
WHERE state <> 'SUPERSEDED'
GROUP BY object_key
HAVING count(*) > 1
