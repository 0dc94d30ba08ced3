CREATE TABLE ops.runs (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command      text NOT NULL,
    -- RUNNING -> DONE | FAILED; a process that died leaves RUNNING, the next run turns it to FAILED.
    state        text NOT NULL DEFAULT 'RUNNING' CHECK (state IN ('RUNNING', 'DONE', 'FAILED')),
    as_of        timestamptz NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz,
    config_hash  text NOT NULL,
    code_version text NOT NULL,
    host         text NOT NULL,
    pid          integer NOT NULL,
    error        text,
    report       jsonb,
    CHECK ((state = 'RUNNING') = (finished_at IS NULL))
);
COMMENT ON TABLE ops.runs IS 'One row per run of the pipeline or of a single phase. Writer: mdm.runs.';
COMMENT ON COLUMN ops.runs.as_of IS 'The one boundary instant of the run: history versions and events carry it. Never runs backwards.';
COMMENT ON COLUMN ops.runs.report IS 'The report that mdm run --json prints.';

CREATE TABLE ops.phase_runs (
    run_id        bigint NOT NULL REFERENCES ops.runs ON DELETE CASCADE,
    phase         text NOT NULL,
    position      numeric NOT NULL,
    started_at    timestamptz NOT NULL,
    seconds       double precision NOT NULL,
    rows_in       bigint NOT NULL,
    rows_out      bigint NOT NULL,
    rows_rejected bigint NOT NULL,
    detail        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, phase)
);
COMMENT ON TABLE ops.phase_runs IS 'One row per phase that a run finished, with what went in and came out. Writer: mdm.runs.';
COMMENT ON COLUMN ops.phase_runs.detail IS 'Counts by reason that only this phase knows, such as values nulled or pairs by rule.';

CREATE TABLE ops.standardisation_counts (
    run_id    bigint NOT NULL,
    source    text NOT NULL,
    attribute text NOT NULL,
    outcome   text NOT NULL,
    n         bigint NOT NULL,
    PRIMARY KEY (run_id, source, attribute, outcome)
);
COMMENT ON TABLE ops.standardisation_counts IS 'Per run, source and attribute: how many values were filled, changed, nulled as placeholder or found invalid, by reason. Writer: staging.';

CREATE TABLE ops.match_models (
    model_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version      text NOT NULL UNIQUE,
    kind         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    run_id       bigint,
    code_version text NOT NULL,
    parameters   jsonb NOT NULL,
    data_profile jsonb NOT NULL DEFAULT '{}',
    figures      jsonb NOT NULL DEFAULT '{}',
    is_current   boolean NOT NULL DEFAULT false
);
-- Runs use the one pinned model; two current ones would make a score ambiguous.
CREATE UNIQUE INDEX match_models_one_current ON ops.match_models (is_current) WHERE is_current;
COMMENT ON TABLE ops.match_models IS 'One row per trained or configured match model; the model is data. Writer: matching.';
