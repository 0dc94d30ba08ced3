-- Who won each golden value in the past: what customer_lineage said before it was written over.

CREATE TABLE gold.customer_lineage_history (
    lineage_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    global_customer_id uuid NOT NULL,
    record_ids         bigint[],
    rule_set_id        integer,
    extra_records      jsonb,
    overrides          jsonb,
    valid_to           timestamptz,
    run_id             bigint,
    CHECK ((record_ids IS NULL) = (rule_set_id IS NULL)),
    CHECK ((valid_to IS NULL) = (run_id IS NULL))
);
CREATE INDEX customer_lineage_history_customer ON gold.customer_lineage_history (global_customer_id, valid_to);
-- What phase 8 has to date: the few rows of the run under way.
CREATE INDEX customer_lineage_history_undated ON gold.customer_lineage_history (lineage_id) WHERE valid_to IS NULL;
COMMENT ON TABLE gold.customer_lineage_history IS 'One row per state of gold.customer_lineage that has ended: who won each value until valid_to. What holds now is in gold.customer_lineage alone, so a first load writes nothing here. Writer: gold (the trigger on customer_lineage, phase 8 for valid_to).';
COMMENT ON COLUMN gold.customer_lineage_history.record_ids IS 'As in gold.customer_lineage; NULL: nobody kept what was before valid_to.';
COMMENT ON COLUMN gold.customer_lineage_history.valid_to IS 'as_of of the run that ended this state (run_id); it began where the state before it of the same customer ended. NULL until phase 8 of that run.';

-- What was written over before this table was there is not known.
INSERT INTO gold.customer_lineage_history (global_customer_id, valid_to, run_id)
SELECT l.global_customer_id, clock_timestamp(), (SELECT max(r.run_id) FROM ops.runs AS r)
FROM gold.customer_lineage AS l
WHERE EXISTS (SELECT FROM ops.runs);

-- A trigger and not a statement of phase 7, so that no way of writing lineage can lose what was there.
CREATE FUNCTION gold.keep_past_lineage() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gold.customer_lineage_history (
        global_customer_id, record_ids, rule_set_id, extra_records, overrides)
    SELECT o.global_customer_id, o.record_ids, o.rule_set_id, o.extra_records, o.overrides
    FROM old_lineage AS o;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION gold.keep_past_lineage() IS 'Trigger: puts rows of customer_lineage that are changed or deleted into customer_lineage_history.';
CREATE TRIGGER keep_changed_lineage AFTER UPDATE ON gold.customer_lineage
    REFERENCING OLD TABLE AS old_lineage FOR EACH STATEMENT EXECUTE FUNCTION gold.keep_past_lineage();
CREATE TRIGGER keep_deleted_lineage AFTER DELETE ON gold.customer_lineage
    REFERENCING OLD TABLE AS old_lineage FOR EACH STATEMENT EXECUTE FUNCTION gold.keep_past_lineage();
