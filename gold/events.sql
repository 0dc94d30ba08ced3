-- Phase 9: changes into change events.

-- name: write_events
-- One event per change that events have not told, under the number of the change. What a change led
-- to is what the next change of the same customer found, or what gold holds now.
WITH pending AS (
    SELECT c.*, lead(c.old_row) OVER (PARTITION BY c.global_customer_id ORDER BY c.change_id) AS next_old_row
    FROM gold.customer_changes AS c
    WHERE c.change_id > :change_id
), told AS (
    SELECT p.*, CASE WHEN p.change_type IN ('INSERT', 'UPDATE', 'SPLIT')
                     THEN coalesce(p.next_old_row, gold.meaning(d)) END AS new_row
    FROM pending AS p
    LEFT JOIN gold.dim_customers AS d USING (global_customer_id)
    OFFSET 0  -- a fence: each new row is made once, however often it is asked for below
)
INSERT INTO gold.customer_change_events
    (event_seq, run_id, event_type, global_customer_id, related_customer_id, occurred_at,
     changed_attributes, old_values, new_values)
SELECT t.change_id, t.run_id, t.change_type, t.global_customer_id, t.related_customer_id, t.occurred_at,
       t.changed_columns,
       CASE WHEN t.change_type = 'UPDATE' THEN
                (SELECT jsonb_object_agg(c.name, t.old_row -> c.name) FROM unnest(t.changed_columns) AS c (name))
            ELSE t.old_row END,
       CASE WHEN t.change_type = 'UPDATE' THEN
                (SELECT jsonb_object_agg(c.name, t.new_row -> c.name) FROM unnest(t.changed_columns) AS c (name))
            ELSE t.new_row END
FROM told AS t

-- name: write_first_events
-- One event per customer, where events begin: the row as it came.
INSERT INTO gold.customer_change_events
    (event_seq, run_id, event_type, global_customer_id, related_customer_id, occurred_at, new_values)
SELECT c.change_id, c.run_id, c.change_type, c.global_customer_id, c.related_customer_id, c.occurred_at,
       gold.meaning(d)
FROM gold.customer_changes AS c
JOIN gold.dim_customers AS d USING (global_customer_id)

-- name: analyze_events
-- What comes behind plans by it, and autovacuum sees nothing before the commit.
ANALYZE gold.customer_change_events (event_seq, global_customer_id)
