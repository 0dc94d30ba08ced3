-- Phase 9: changes into change events.

-- name: write_events
-- One event per change that events have not told, under the number of the change. What a change led
-- to is what the next change of the same customer found, or what gold holds now.
WITH pending AS (
    SELECT c.*, lead(c.old_row) OVER (PARTITION BY c.global_customer_id ORDER BY c.change_id) AS next_old_row
    FROM gold.customer_changes AS c
    WHERE c.change_id > :change_id
)
INSERT INTO gold.customer_change_events
    (event_seq, run_id, event_type, global_customer_id, related_customer_id, occurred_at,
     changed_attributes, old_values, new_values)
SELECT p.change_id, p.run_id, p.change_type, p.global_customer_id, p.related_customer_id, p.occurred_at,
       p.changed_columns,
       CASE WHEN p.change_type = 'UPDATE' THEN
                (SELECT jsonb_object_agg(c.name, p.old_row -> c.name) FROM unnest(p.changed_columns) AS c (name))
            ELSE p.old_row END,
       CASE WHEN p.change_type IN ('MERGE', 'DELETE') THEN NULL
            WHEN p.change_type = 'UPDATE' THEN
                (SELECT jsonb_object_agg(c.name, coalesce(p.next_old_row, gold.meaning(d)) -> c.name)
                 FROM unnest(p.changed_columns) AS c (name))
            ELSE coalesce(p.next_old_row, gold.meaning(d)) END
FROM pending AS p
LEFT JOIN gold.dim_customers AS d USING (global_customer_id)
