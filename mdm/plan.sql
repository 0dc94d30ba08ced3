-- name: last_event
-- The newest change event: what a run adds comes after it. (Found by the key, not by a scan.)
SELECT coalesce(max(event_seq), 0) FROM gold.customer_change_events

-- name: counts
-- One row: what the run of this transaction changes, beside what stood before it. The largest is that
-- of the customers whose records it has linked anew: one that a person let pass is not held again.
SELECT count(*) FILTER (WHERE events.event_type = 'INSERT') AS inserted_n,
       count(*) FILTER (WHERE events.event_type = 'UPDATE') AS updated_n,
       count(*) FILTER (WHERE events.event_type = 'MERGE') AS merged_n,
       count(*) FILTER (WHERE events.event_type = 'SPLIT') AS split_n,
       count(*) FILTER (WHERE events.event_type = 'DELETE') AS deleted_n,
       (SELECT count(*) FROM gold.dim_customers) AS customers_n,
       (SELECT coalesce(max(touched.record_count), 0)
        FROM gold.dim_customers AS touched
        WHERE touched.global_customer_id IN (
            SELECT map.global_customer_id FROM identity.customer_identity_map AS map
            WHERE map.run_id = (SELECT max(runs.run_id) FROM ops.runs AS runs))) AS largest_n
FROM gold.customer_change_events AS events
WHERE events.event_seq > :after_seq

-- name: changed_attributes
-- Customers whose value of an attribute changes, one row per attribute.
SELECT attribute, count(*) AS n
FROM gold.customer_change_events AS events, unnest(events.changed_attributes) AS attribute
WHERE events.event_seq > :after_seq
GROUP BY attribute
ORDER BY n DESC, attribute

-- name: strangest
-- The ten changes a person should look at first: merges into and splits out of the largest
-- customers, then deletions and updates of the largest. Ids and counts only.
SELECT events.event_type, events.global_customer_id, events.related_customer_id,
       events.changed_attributes,
       coalesce(touched.record_count, 0) AS record_n
FROM gold.customer_change_events AS events
LEFT JOIN gold.dim_customers AS touched
       ON touched.global_customer_id
          = CASE WHEN events.event_type = 'MERGE' THEN events.related_customer_id
                 ELSE events.global_customer_id END
WHERE events.event_seq > :after_seq AND events.event_type <> 'INSERT'
ORDER BY array_position(ARRAY['MERGE', 'SPLIT', 'DELETE', 'UPDATE'], events.event_type),
         record_n DESC, cardinality(events.changed_attributes) DESC NULLS LAST, events.event_seq
LIMIT 10

-- name: digest
-- One value that two runs share exactly when they change the same: without times, and without the
-- ids that customers get at birth.
WITH signatures AS (
    SELECT md5(concat_ws('|', events.event_type,
                         CASE WHEN events.event_type NOT IN ('INSERT', 'SPLIT')
                              THEN events.global_customer_id END,
                         events.related_customer_id,
                         CAST(events.old_values AS text),
                         CAST(events.new_values AS text))) AS signature
    FROM gold.customer_change_events AS events
    WHERE events.event_seq > :after_seq
)
SELECT md5(coalesce(string_agg(signature, '' ORDER BY signature), '')) FROM signatures

-- name: save
-- A plan that waits. Older ones that still waited are moot: the world they were made in is gone.
WITH discarded_plans AS (
    UPDATE ops.plans SET state = 'DISCARDED', decided_at = clock_timestamp()
    WHERE state = 'WAITING'
)
INSERT INTO ops.plans (run_id, config_hash, digest, reasons, difference)
VALUES (:run_id, :config_hash, :digest, :reasons, CAST(:difference AS jsonb))
RETURNING plan_id

-- name: find
-- One plan by its number.
SELECT plan_id, run_id, state, created_at, config_hash, digest, reasons, difference
FROM ops.plans
WHERE plan_id = :plan_id

-- name: mark_applied
-- In the transaction that publishes what the plan said.
UPDATE ops.plans SET state = 'APPLIED', decided_at = clock_timestamp() WHERE plan_id = :plan_id
