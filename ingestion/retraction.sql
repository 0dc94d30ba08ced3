-- name: objects_of_key
-- The object versions that a key stands for now (at most one row).
SELECT object_id, object_key, state, rows_n
FROM raw.lake_objects
WHERE object_key = :object_key AND state <> 'SUPERSEDED'

-- name: objects_of_run
-- Every object that a run loaded and that still counts or was taken back.
SELECT object_id, object_key, state, rows_n
FROM raw.lake_objects
WHERE run_id = :run_id AND state IN ('LOADED', 'RETRACTED')
ORDER BY object_key

-- name: reach
-- What stands on the objects now: records whose current version they hold, their customers, and the
-- golden values those records won.
SELECT count(*) AS records_n,
       count(DISTINCT map.global_customer_id) AS customers_n,
       (SELECT count(*)
        FROM gold.customer_attribute_lineage AS lineage
        WHERE lineage.record_id IN (SELECT won.record_id
                                    FROM staging.live_records AS won
                                    WHERE won.object_id = ANY (:object_ids))) AS values_n
FROM staging.live_records AS records
LEFT JOIN identity.customer_identity_map AS map USING (record_id)
WHERE records.object_id = ANY (:object_ids)

-- name: set_state
-- Take objects out of what counts, or back in; one ledger row each, the rows themselves stay.
UPDATE raw.lake_objects
SET state = :state, reason = :reason
WHERE object_id = ANY (:object_ids) AND state <> :state

-- name: remember
-- Who decided what about which object, and why.
INSERT INTO raw.object_decisions (object_id, verdict, decided_by, reason, run_id)
SELECT object_id, :verdict, :decided_by, :reason, :run_id
FROM unnest(CAST(:object_ids AS bigint[])) AS object_id
