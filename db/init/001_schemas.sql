-- The five layers of the warehouse. Each has one room of the project as its writer (docs/design.md).
CREATE SCHEMA ops;
CREATE SCHEMA raw;
CREATE SCHEMA staging;
CREATE SCHEMA identity;
CREATE SCHEMA gold;

COMMENT ON SCHEMA ops      IS 'How the pipeline runs: migrations, runs, phases, match models.';
COMMENT ON SCHEMA raw      IS 'What the lake held, line by line, untouched, and the lines that were refused.';
COMMENT ON SCHEMA staging  IS 'Standardised records, profiles, blocking keys and scored pairs. All of it can be rebuilt from raw.';
COMMENT ON SCHEMA identity IS 'Who is who: one global customer id per record, for life.';
COMMENT ON SCHEMA gold     IS 'The golden customers, their history, change events, overrides, conflicts and metrics.';

CREATE TABLE ops.schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ops.schema_migrations IS 'One row per applied file of db/init. Writer: db.migrations.';
