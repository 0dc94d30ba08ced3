-- name: rows_in_raw
-- How many rows of a source count in raw: those of its loaded objects (one row).
SELECT coalesce(sum(rows_n), 0)::bigint AS rows_n
FROM raw.lake_objects
WHERE source = :source AND state = 'LOADED'

-- name: payloads
-- One row in {step} of the loaded objects of a source, as it came. {table} is quoted and {step} an
-- integer, both by the caller, because COPY takes no parameters.
SELECT rows.payload
FROM {table} AS rows
JOIN raw.lake_objects AS objects USING (object_id)
WHERE objects.state = 'LOADED' AND (rows.line_no + rows.object_id) % {step} = 0
