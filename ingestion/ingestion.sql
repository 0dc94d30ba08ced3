-- name: live_objects
-- The state of the truth per key of one source: one row per key that was read and not superseded. It
-- is due to be read again when a person asked for it or the rules that refused it have changed.
SELECT object_key, etag, state = 'RETRACTED' AS is_retracted,
       state <> 'RETRACTED'
           AND (judge_again OR coalesce(state = 'REJECTED' AND judged_by <> :judged_by, false)) AS is_due
FROM raw.lake_objects
WHERE source = :source AND state <> 'SUPERSEDED'

-- name: watermark
-- How far the listing of a source has come (at most one row).
SELECT watermark, listed_all_at
FROM identity.ingestion_watermarks
WHERE source = :source

-- name: move_watermark
-- Record what was listed; the mark never moves backwards.
INSERT INTO identity.ingestion_watermarks AS marks (source, watermark, listed_all_at, run_id)
VALUES (:source, :watermark, :listed_all_at, :run_id)
ON CONFLICT (source) DO UPDATE
SET watermark = greatest(marks.watermark, excluded.watermark),
    listed_all_at = greatest(marks.listed_all_at, excluded.listed_all_at),
    updated_at = clock_timestamp(),
    run_id = excluded.run_id

-- name: commit_later
-- Do not wait for the disk at the end of this transaction. A power cut may forget the last objects,
-- rows and ledger together, and the next run loads them again.
SET LOCAL synchronous_commit = off

-- name: supersede
-- The key came back with other content, or is judged anew: what was read of it no longer counts.
UPDATE raw.lake_objects
SET state = 'SUPERSEDED', judge_again = false,
    reason = CASE WHEN etag = :etag THEN 'judged again' ELSE 'content changed' END
             || ' in run ' || :run_id
WHERE object_key = :object_key AND state <> 'SUPERSEDED'

-- name: number_objects
-- Ids for objects that are about to be loaded (one row per object), so that rows can be made before
-- the transaction of their object begins.
SELECT nextval(pg_get_serial_sequence('raw.lake_objects', 'object_id'))
FROM generate_series(1, :objects_n)

-- name: open_object
-- The ledger row of an object, in the transaction that loads its rows; counts follow.
INSERT INTO raw.lake_objects
    (object_id, source, object_key, etag, size_bytes, last_modified, object_at, state, rows_n,
     rejected_n, run_id, judged_by)
OVERRIDING SYSTEM VALUE
VALUES
    (:object_id, :source, :object_key, :etag, :size_bytes, :last_modified, :object_at, 'LOADED', 0,
     0, :run_id, :judged_by)

-- name: close_object
-- The counts and the final state of an object.
UPDATE raw.lake_objects
SET state = :state, reason = :reason, rows_n = :rows_n, rejected_n = :rejected_n
WHERE object_id = :object_id

-- name: drop_rows
-- Take the good lines of an object out again when it is refused as a whole; its bad ones stay in
-- quarantine to be looked at. {table} is quoted by the caller.
DELETE FROM {table} WHERE object_id = %s

-- name: source_table_exists
-- Whether the table of a source is there.
SELECT to_regclass('raw.' || quote_ident(:table)) IS NOT NULL

-- name: create_source_table
-- The raw table of a source: one row per valid line of each of its objects, payload untouched. Its
-- key and its index follow behind the first load.
-- Whether a row counts is its object's state in raw.lake_objects, so that superseding or retracting
-- an object is one row's change. {table} is quoted by the caller.
CREATE TABLE {table} (
    object_id        bigint NOT NULL,
    line_no          integer NOT NULL,
    run_id           bigint NOT NULL,
    source_record_id text NOT NULL,
    event_at         timestamptz NOT NULL,
    is_deleted       boolean NOT NULL,
    payload          json NOT NULL
);
COMMENT ON TABLE {table} IS
    'One row per valid line of each lake object of this source, payload as it came. Writer: ingestion.';

-- name: source_table_has_key
-- Whether the table of a source has its key already.
SELECT EXISTS (
    SELECT
    FROM pg_constraint
    WHERE conrelid = to_regclass('raw.' || quote_ident(:table)) AND contype = 'p'
)

-- name: add_source_key
-- The key of a raw table. It is made behind the first load, by one sort; the next run makes it where
-- a fault came between. {table} is quoted by the caller.
ALTER TABLE {table} ADD PRIMARY KEY (object_id, line_no)

-- name: index_source_table
-- The index by which staging finds the versions of a record. It is made behind the first load, by one
-- sort; the next run makes it where a fault came between. {table} and {index} are quoted by the caller.
CREATE INDEX IF NOT EXISTS {index} ON {table} (source_record_id)
