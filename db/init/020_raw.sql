-- The object ledger. A row commits together with the rows of its object, so an object is in raw
-- completely or not at all, whatever is killed.
CREATE TABLE raw.lake_objects (
    object_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source        text NOT NULL,
    object_key    text NOT NULL,
    etag          text NOT NULL,
    size_bytes    bigint NOT NULL,
    last_modified timestamptz NOT NULL,
    object_at     timestamptz NOT NULL,
    -- LOADED: its rows count. REJECTED: too many bad lines, none of its rows count.
    -- SUPERSEDED: the key came back with other content; the newer object counts.
    -- RETRACTED: taken back by a person; stays so when listed again.
    state         text NOT NULL CHECK (state IN ('LOADED', 'REJECTED', 'SUPERSEDED', 'RETRACTED')),
    reason        text,
    rows_n        bigint NOT NULL,
    rejected_n    bigint NOT NULL,
    run_id        bigint NOT NULL,
    loaded_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- One state of the truth per key: what is not superseded.
CREATE UNIQUE INDEX lake_objects_live_key ON raw.lake_objects (object_key) WHERE state <> 'SUPERSEDED';
CREATE INDEX lake_objects_source ON raw.lake_objects (source, object_at);
COMMENT ON TABLE raw.lake_objects IS 'The ledger: one row per lake object version ever read. Writer: ingestion.';
COMMENT ON COLUMN raw.lake_objects.object_at IS 'The hour its key names (dt=/hr=), else its last modification: the time of records that carry none.';
COMMENT ON COLUMN raw.lake_objects.rows_n IS 'Valid lines; a REJECTED object keeps the number it would have had.';

CREATE TABLE raw.object_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    object_id   bigint NOT NULL REFERENCES raw.lake_objects,
    verdict     text NOT NULL CHECK (verdict IN ('RETRACT', 'RESTORE')),
    decided_by  text NOT NULL CHECK (btrim(decided_by) <> ''),
    reason      text NOT NULL CHECK (btrim(reason) <> ''),
    decided_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id      bigint NOT NULL
);
CREATE INDEX object_decisions_object ON raw.object_decisions (object_id);
COMMENT ON TABLE raw.object_decisions IS 'One row per decision to take a delivery back or to restore it; append-only. Writer: ingestion.';

CREATE TABLE raw.rejected_lines (
    object_id   bigint NOT NULL REFERENCES raw.lake_objects,
    line_no     integer NOT NULL,
    source      text NOT NULL,
    reason      text NOT NULL,
    detail      text,
    line        bytea NOT NULL,
    run_id      bigint NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (object_id, line_no)
);
COMMENT ON TABLE raw.rejected_lines IS 'The quarantine: one row per lake line that is no valid record, with the reason and its bytes. Writer: ingestion.';

CREATE TABLE identity.ingestion_watermarks (
    source        text PRIMARY KEY,
    watermark     timestamptz NOT NULL,
    listed_all_at timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id        bigint NOT NULL
);
COMMENT ON TABLE identity.ingestion_watermarks IS 'Per source the newest object hour read. It only narrows the listing of a very large lake; what is loaded is decided by raw.lake_objects. Writer: ingestion.';
COMMENT ON COLUMN identity.ingestion_watermarks.listed_all_at IS 'When the source was last listed without narrowing, so that a file however late is found.';

-- A source has its own table raw.<table> (object_id, line_no, run_id, source_record_id, event_at,
-- is_deleted, payload), created by ingestion when the source appears in mdm.toml.
