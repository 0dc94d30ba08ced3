-- How far each incremental extract of a database has come.
CREATE TABLE raw.extract_cursors (
    source          text NOT NULL,
    extract_id      text NOT NULL,
    database        text NOT NULL,
    query           text NOT NULL,
    cursor_column   text NOT NULL,
    value_type      text NOT NULL
        CHECK (value_type IN ('instant', 'date', 'integer', 'decimal', 'float', 'text')),
    value           text NOT NULL,
    boundary        text[] NOT NULL,
    records_n       bigint NOT NULL CHECK (records_n >= 0),
    moved_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, extract_id)
);
COMMENT ON TABLE raw.extract_cursors IS 'One row per incremental extract of a database: the highest cursor value whose records are in the lake. Moves only after they are. Writer: mdm load (extracts).';
COMMENT ON COLUMN raw.extract_cursors.extract_id IS 'Fingerprint of database, query and cursor column: another query begins anew.';
COMMENT ON COLUMN raw.extract_cursors.database IS 'Where it is read from, without user and password.';
COMMENT ON COLUMN raw.extract_cursors.value IS 'The highest value seen, as text of its value_type.';
COMMENT ON COLUMN raw.extract_cursors.boundary IS 'Digests of the records that have this very value or none: they are read again next time, and only put into the lake where they are new.';
COMMENT ON COLUMN raw.extract_cursors.records_n IS 'Records put into the lake by this extract so far.';
