-- The search for shared values reads all records once; workers in parallel see no temporary table.

CREATE UNLOGGED TABLE staging.suspect_values (
    attribute text NOT NULL,
    value     text NOT NULL
);
COMMENT ON TABLE staging.suspect_values IS 'Work table of a run, empty between runs: one row or more per value that may be shared by many names. Writer: staging (identity inputs).';
