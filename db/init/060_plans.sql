CREATE TABLE ops.plans (
    plan_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint NOT NULL,
    -- WAITING -> APPLIED | DISCARDED (a later run or plan made it moot).
    state       text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'APPLIED', 'DISCARDED')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at  timestamptz,
    config_hash text NOT NULL,
    digest      text NOT NULL,
    reasons     text[] NOT NULL DEFAULT '{}',
    difference  jsonb NOT NULL,
    CHECK ((state = 'WAITING') = (decided_at IS NULL))
);
COMMENT ON TABLE ops.plans IS 'One row per run that was worked out but not published: what it would change, and why it waits. Writer: mdm.plan.';
COMMENT ON COLUMN ops.plans.digest IS 'MD5 over all changes without times and new ids: apply publishes exactly these changes or says what moved.';
COMMENT ON COLUMN ops.plans.reasons IS 'The limits of [publish] that it passed; empty when mdm plan was called.';
COMMENT ON COLUMN ops.plans.difference IS 'Counts of changes and the strangest ten, as mdm plan shows them.';
