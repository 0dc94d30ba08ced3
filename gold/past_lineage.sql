-- Who won the golden values of the past, and on which line of the lake they stood.

-- name: date
-- What this run wrote over, dated by it (phase 8).
UPDATE gold.customer_lineage_history AS h
SET valid_to = :as_of, run_id = :run_id
WHERE h.valid_to IS NULL

-- name: lineage_at
-- Who won an attribute of a customer as of an instant: the first state that ended later, else the one
-- that holds (at most one row; none for what nobody kept). `run_id` is the last run done by then.
WITH states AS (
    SELECT h.record_ids, h.rule_set_id, h.extra_records, h.overrides, h.valid_to, h.lineage_id
    FROM gold.customer_lineage_history AS h
    WHERE h.global_customer_id = :customer_id AND h.valid_to > :at
    UNION ALL
    SELECT l.record_ids, l.rule_set_id, l.extra_records, l.overrides, 'infinity', NULL
    FROM gold.customer_lineage AS l
    WHERE l.global_customer_id = :customer_id
), state AS (
    SELECT s.* FROM states AS s ORDER BY s.valid_to, s.lineage_id LIMIT 1
)
SELECT coalesce(rules.rules -> 'attributes' ->> :attribute, rules.rules ->> 'default') AS rule,
       r.record_id, r.source, r.source_record_id,
       (SELECT coalesce(max(runs.run_id), CAST(:version_run_id AS bigint)) FROM ops.runs AS runs
        WHERE runs.as_of <= :at AND runs.state = 'DONE') AS run_id,
       o.override_id, o.action, o.steward, o.reason, o.created_at AS decided_at
FROM state AS s
JOIN gold.survivorship_rule_sets AS rules USING (rule_set_id)
LEFT JOIN staging.records AS r
       ON r.record_id = CASE WHEN CAST(:is_extra AS boolean)
                             THEN CAST(s.extra_records ->> :attribute AS bigint)
                             ELSE s.record_ids[:position] END
LEFT JOIN gold.customer_steward_overrides AS o
       ON o.override_id = CAST(s.overrides ->> :attribute AS bigint)

-- name: current_line
-- Where a record stands now, if it has stood there since a run (at most one row).
SELECT o.object_key, r.line_no, r.event_at, r.run_id
FROM staging.records AS r
LEFT JOIN raw.lake_objects AS o USING (object_id)
WHERE r.record_id = :record_id AND r.run_id <= :run_id AND NOT r.is_deleted

-- name: raw_tables
-- The tables of the sources: one row each.
SELECT c.relname
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'payload'
WHERE c.relnamespace = 'raw'::regnamespace AND c.relkind = 'r'
ORDER BY c.relname

-- name: line_at
-- The line that a record was read from as of a run, by the rule of staging: the latest of objects that
-- counted then (at most one row). {table} is quoted by the caller.
SELECT o.object_key, l.line_no, l.event_at, l.run_id
FROM {table} AS l
JOIN raw.lake_objects AS o USING (object_id)
WHERE l.source_record_id = %(source_record_id)s AND o.source = %(source)s
  AND o.run_id <= %(run_id)s AND o.state <> 'REJECTED'
  -- neither superseded by then
  AND NOT EXISTS (SELECT FROM raw.lake_objects AS later
                  WHERE later.object_key = o.object_key AND later.object_id > o.object_id
                    AND later.run_id <= %(run_id)s)
  -- nor taken back
  AND 'RETRACT' IS DISTINCT FROM (SELECT d.verdict FROM raw.object_decisions AS d
                                  WHERE d.object_id = o.object_id AND d.run_id <= %(run_id)s
                                  ORDER BY d.decision_id DESC LIMIT 1)
ORDER BY l.event_at DESC, o.object_key COLLATE "C" DESC, l.line_no DESC
LIMIT 1
