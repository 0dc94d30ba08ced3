-- name: cursor
-- How far one extract of a source has come (at most one row).
SELECT value_type, value, boundary
FROM raw.extract_cursors
WHERE source = :source AND extract_id = :extract_id

-- name: move
-- Record how far an extract has come; one row per extract, written after its objects are in the lake.
INSERT INTO raw.extract_cursors AS cursors
    (source, extract_id, database, query, cursor_column, value_type, value, boundary, records_n)
VALUES
    (:source, :extract_id, :database, :query, :cursor_column, :value_type, :value,
     CAST(:boundary AS text[]), :records_n)
ON CONFLICT (source, extract_id) DO UPDATE
SET value_type = excluded.value_type,
    value = excluded.value,
    boundary = excluded.boundary,
    records_n = cursors.records_n + excluded.records_n,
    moved_at = clock_timestamp()
