-- Applying the new assignment as a difference: a row that says the same already is not written.

-- name: create_next
-- The rows of the identity map that are not as they should be, one per live record: as they should.
CREATE TEMP TABLE identity_next ON COMMIT DROP AS
SELECT n.record_id, n.profile_id, n.global_customer_id, n.match_confidence, n.decision,
       n.mapped_record_id
FROM (SELECT x.record_id, x.profile_id, t.global_customer_id, x.confidence AS match_confidence,
             (CAST(:decisions AS text[]))[x.decision] AS decision, x.mapped_record_id,
             x.mapped_profile_id, x.mapped_customer_id, x.mapped_confidence, x.mapped_decision
      FROM pg_temp.identity_members AS x
      JOIN pg_temp.identity_target AS t USING (cluster)) AS n
WHERE (n.record_id, n.profile_id, n.global_customer_id, n.match_confidence, n.decision)
      IS DISTINCT FROM
      (n.mapped_record_id, n.mapped_profile_id, n.mapped_customer_id, n.mapped_confidence,
       n.mapped_decision)
UNION ALL
SELECT k.record_id, k.profile_id, k.global_customer_id, k.confidence,
       (CAST(:decisions AS text[]))[k.decision], nullif(k.mapped_record_id, -1)
FROM pg_temp.identity_kept AS k;
ANALYZE pg_temp.identity_next;

-- name: insert_new_customers
-- One row per id that is born, oldest staged record first.
INSERT INTO identity.customers (global_customer_id, created_at, created_run_id)
SELECT t.global_customer_id, :as_of, :run_id
FROM pg_temp.identity_target AS t
WHERE t.former_state IS NULL
ORDER BY t.global_customer_id;

-- name: insert_events
-- One row per change, with its cause: a steward's new word on one of the records, else other rules
-- over unchanged records, else what became of the records. Splits before merges before deletions,
-- then by age, so that the log reads the same however the rows lay. What the cause is told by is
-- worked out once (MATERIALIZED), not per change.
INSERT INTO identity.identity_events (
    run_id, event_type, global_customer_id, related_customer_id, record_n, cause, detail, occurred_at)
WITH fresh_words AS (
    SELECT d.decision_id, side.source, side.source_record_id
    FROM identity.steward_link_decisions AS d
    CROSS JOIN LATERAL (VALUES (d.source_l, d.source_record_id_l),
                               (d.source_r, d.source_record_id_r)) AS side (source, source_record_id)
    WHERE d.decision_id > :decision_id
), judged AS MATERIALIZED (
    SELECT DISTINCT x.cluster, e.global_customer_id
    FROM fresh_words AS w
    JOIN pg_temp.identity_members AS x USING (source, source_record_id)
    LEFT JOIN pg_temp.identity_evidence AS e USING (record_id)
), retracted AS MATERIALIZED (
    SELECT DISTINCT g.global_customer_id
    FROM pg_temp.identity_gone AS g
    JOIN staging.records AS r USING (source, source_record_id)
    JOIN raw.lake_objects AS o ON o.object_id = r.object_id AND o.state = 'RETRACTED'
), renewed AS MATERIALIZED (
    SELECT DISTINCT x.cluster, e.global_customer_id
    FROM pg_temp.identity_members AS x
    JOIN staging.identity_inputs AS i USING (record_id)
    LEFT JOIN pg_temp.identity_evidence AS e USING (record_id)
    WHERE i.change_seq > :change_seq
), gone_from AS MATERIALIZED (
    SELECT DISTINCT g.global_customer_id FROM pg_temp.identity_gone AS g
), merged_records AS (
    SELECT e.global_customer_id, e.cluster, jsonb_agg(e.record_id ORDER BY e.record_id) AS records
    FROM pg_temp.identity_changes AS m
    JOIN pg_temp.identity_evidence AS e USING (global_customer_id, cluster)
    WHERE m.event_type = 'MERGE'
    GROUP BY e.global_customer_id, e.cluster
)
SELECT :run_id, c.event_type, c.global_customer_id, c.related_id, c.record_n,
       CASE WHEN c.event_type = 'DELETE' THEN
                CASE WHEN c.global_customer_id IN (SELECT r.global_customer_id FROM retracted AS r)
                     THEN 'retraction' ELSE 'deletion' END
            WHEN EXISTS (SELECT FROM judged AS j
                         WHERE j.cluster = c.cluster OR j.global_customer_id = c.global_customer_id)
                THEN 'steward'
            WHEN c.event_type = 'RESURRECT' THEN 'new evidence'
            WHEN :rules_changed
                 AND NOT EXISTS (SELECT FROM renewed AS n
                                 WHERE n.cluster = c.cluster
                                    OR n.global_customer_id = c.global_customer_id)
                 AND NOT EXISTS (SELECT FROM gone_from AS g
                                 WHERE g.global_customer_id = c.global_customer_id)
                THEN 'model change'
            WHEN c.event_type = 'SPLIT' THEN 'evidence gone'
            ELSE 'new evidence' END,
       -- A merge that is taken back needs to know who came with it.
       CASE WHEN c.event_type = 'MERGE' THEN jsonb_build_object('records', x.records)
            WHEN c.event_type = 'SPLIT' AND c.is_revived THEN jsonb_build_object('revived', true)
            ELSE '{}' END,
       :as_of
FROM pg_temp.identity_changes AS c
JOIN identity.customers AS k ON k.global_customer_id = c.global_customer_id
LEFT JOIN merged_records AS x
       ON x.global_customer_id = c.global_customer_id AND x.cluster = c.cluster
LEFT JOIN identity.customers AS r ON r.global_customer_id = c.related_id
ORDER BY array_position(ARRAY['RESURRECT', 'SPLIT', 'MOVE', 'MERGE', 'DELETE'], c.event_type),
         k.customer_seq, r.customer_seq;

-- name: end_merged_customers
-- Ids that lost their cluster to an older one redirect to it.
UPDATE identity.customers AS k
SET state = 'MERGED', merged_into = c.related_id, ended_at = :as_of, ended_run_id = :run_id
FROM pg_temp.identity_changes AS c
WHERE c.event_type = 'MERGE' AND k.global_customer_id = c.global_customer_id;

-- name: revive_customers
-- Ids whose records came back, or whose merge was undone, live again.
UPDATE identity.customers AS k
SET state = 'LIVE', merged_into = NULL, ended_at = NULL, ended_run_id = NULL
FROM pg_temp.identity_target AS t
WHERE k.global_customer_id = t.global_customer_id AND t.former_state <> 'LIVE';

-- name: delete_customers
-- Ids without any record end.
UPDATE identity.customers AS k
SET state = 'DELETED', ended_at = :as_of, ended_run_id = :run_id
FROM pg_temp.identity_changes AS c
WHERE c.event_type = 'DELETE' AND k.global_customer_id = c.global_customer_id AND k.state = 'LIVE';

-- name: redirect_followers
-- Merged ids go with the part of a split survivor that holds the records they were published for.
UPDATE identity.customers AS k
SET merged_into = t.global_customer_id
FROM pg_temp.identity_followers AS f
JOIN pg_temp.identity_target AS t USING (cluster)
WHERE k.global_customer_id = f.follower_id AND k.state = 'MERGED'
  AND k.merged_into <> t.global_customer_id;

-- name: shorten_redirects
-- What redirected to an id that is merged itself now goes straight to the survivor.
UPDATE identity.customers AS k
SET merged_into = t.merged_into
FROM pg_temp.identity_changes AS c
JOIN identity.customers AS t ON t.global_customer_id = c.global_customer_id AND t.state = 'MERGED'
WHERE c.event_type = 'MERGE' AND k.merged_into = c.global_customer_id;

-- name: retire_records
-- Records that are gone, with the id they had when they went.
INSERT INTO identity.retired_records (
    source, source_record_id, global_customer_id, first_customer_id, retired_at, run_id)
SELECT g.source, g.source_record_id, g.global_customer_id, g.first_customer_id, :as_of, :run_id
FROM pg_temp.identity_gone AS g;

-- name: delete_gone
-- The map holds live records only.
DELETE FROM identity.customer_identity_map AS m
USING pg_temp.identity_gone AS g
WHERE m.record_id = g.record_id;

-- name: update_map
-- Records whose customer, profile or reason to be there changed.
UPDATE identity.customer_identity_map AS m
SET record_id = n.record_id, profile_id = n.profile_id, global_customer_id = n.global_customer_id,
    match_confidence = n.match_confidence, decision = n.decision, run_id = :run_id,
    linked_at = CASE WHEN m.global_customer_id = n.global_customer_id THEN m.linked_at
                     ELSE :as_of END
FROM pg_temp.identity_next AS n
WHERE m.record_id = n.mapped_record_id;

-- name: insert_map
-- Records without an id so far; one that comes back keeps the id it was first published under. In order,
-- which the indexes like.
INSERT INTO identity.customer_identity_map (
    record_id, profile_id, global_customer_id, first_customer_id, linked_at, run_id,
    match_confidence, decision, source, source_record_id)
SELECT n.record_id, n.profile_id, n.global_customer_id,
       coalesce(r.first_customer_id, n.global_customer_id), :as_of, :run_id,
       n.match_confidence, n.decision, i.source, i.source_record_id
FROM pg_temp.identity_next AS n
JOIN pg_temp.identity_scoped_inputs AS i USING (record_id)
LEFT JOIN identity.retired_records AS r USING (source, source_record_id)
WHERE n.mapped_record_id IS NULL
ORDER BY n.record_id;

-- name: forget_retired
-- What is back in the map is retired no longer.
DELETE FROM identity.retired_records AS r
USING pg_temp.identity_members AS x
WHERE r.source = x.source AND r.source_record_id = x.source_record_id;

-- name: create_next_clusters
-- The customers whose quality is not as it should be, as it should; profile_n is NULL where a customer
-- ended or is of one profile now.
CREATE TEMP TABLE identity_next_clusters ON COMMIT DROP AS
WITH holding AS (
    SELECT t.global_customer_id, l.profile_n, s.record_n, l.confidence,
           nullif(l.profile_l, -1) AS weakest_profile_l,
           nullif(l.profile_r, -1) AS weakest_profile_r,
           CASE WHEN l.profile_l <> -1 THEN l.probability END AS weakest_probability
    FROM pg_temp.identity_cluster_links AS l
    JOIN pg_temp.identity_sizes AS s USING (cluster)
    JOIN pg_temp.identity_target AS t USING (cluster)
)
SELECT global_customer_id, n.profile_n, n.record_n, n.confidence, n.weakest_profile_l,
       n.weakest_profile_r, n.weakest_probability
FROM holding AS n
FULL JOIN pg_temp.identity_scoped_clusters AS c USING (global_customer_id)
WHERE (c.profile_n, c.record_n, c.confidence, c.weakest_profile_l, c.weakest_profile_r,
       c.weakest_probability)
      IS DISTINCT FROM (n.profile_n, n.record_n, n.confidence, n.weakest_profile_l,
                        n.weakest_profile_r, n.weakest_probability);

-- name: delete_clusters
-- Customers that ended or are of one profile now.
DELETE FROM identity.customer_clusters AS c
WHERE c.global_customer_id = ANY (ARRAY (SELECT n.global_customer_id
                                         FROM pg_temp.identity_next_clusters AS n
                                         WHERE n.profile_n IS NULL));

-- name: put_clusters
-- Customers that are of several profiles only now, or hold together otherwise than before; in order,
-- which the index likes.
INSERT INTO identity.customer_clusters AS c (
    global_customer_id, profile_n, record_n, confidence, weakest_profile_l, weakest_profile_r,
    weakest_probability, run_id)
SELECT n.global_customer_id, n.profile_n, n.record_n, n.confidence, n.weakest_profile_l,
       n.weakest_profile_r, n.weakest_probability, :run_id
FROM pg_temp.identity_next_clusters AS n
WHERE n.profile_n IS NOT NULL
ORDER BY n.global_customer_id
ON CONFLICT (global_customer_id) DO UPDATE
SET profile_n = excluded.profile_n, record_n = excluded.record_n, confidence = excluded.confidence,
    weakest_profile_l = excluded.weakest_profile_l, weakest_profile_r = excluded.weakest_profile_r,
    weakest_probability = excluded.weakest_probability, run_id = excluded.run_id;

-- name: record_consumption
-- What the ids are made from now.
INSERT INTO identity.consumption AS c (
    change_seq, decision_id, layers, signature, rules, merges_flagged, run_id)
VALUES (:change_seq, :decision_id, :layers, :signature, :rules, :merges_flagged, :run_id)
ON CONFLICT (only_row) DO UPDATE
SET change_seq = excluded.change_seq, decision_id = excluded.decision_id,
    layers = excluded.layers, signature = excluded.signature, rules = excluded.rules,
    merges_flagged = excluded.merges_flagged, run_id = excluded.run_id
WHERE c.signature <> excluded.signature;

-- name: mapped
-- How many rows the planner thinks the map has; 0 before it was first told.
SELECT greatest(c.reltuples, 0) FROM pg_class AS c
WHERE c.oid = CAST('identity.customer_identity_map' AS regclass);

-- name: analyze_published
-- After many changed rows: gold joins these tables, by these columns, before autovacuum has seen them.
ANALYZE identity.customers (global_customer_id, state),
        identity.customer_identity_map (record_id, profile_id, global_customer_id, run_id),
        identity.customer_clusters (global_customer_id, run_id);

-- name: new_customers
-- How many ids are born.
SELECT count(*) FROM pg_temp.identity_target AS t WHERE t.former_state IS NULL;

-- name: changes_by_type
-- Events of this resolution by type.
SELECT c.event_type, count(*) AS n FROM pg_temp.identity_changes AS c GROUP BY c.event_type;

-- name: sizes
-- How many customers have how many records: 1, 2, 3-5, 6-10, 11-100, more.
SELECT bucket.name, count(*) AS n
FROM pg_temp.identity_sizes AS s
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.record_n = 1 THEN '1' WHEN s.record_n = 2 THEN '2'
                WHEN s.record_n <= 5 THEN '3-5' WHEN s.record_n <= 10 THEN '6-10'
                WHEN s.record_n <= 100 THEN '11-100' ELSE 'over 100' END AS name) AS bucket
GROUP BY bucket.name
ORDER BY min(s.record_n);

-- name: largest
-- The five customers with most records.
SELECT t.global_customer_id, s.record_n, coalesce(l.profile_n, 1) AS profile_n
FROM (SELECT q.cluster, q.record_n FROM pg_temp.identity_sizes AS q
      ORDER BY q.record_n DESC, q.first_record_id LIMIT 5) AS s
JOIN pg_temp.identity_target AS t USING (cluster)
LEFT JOIN pg_temp.identity_cluster_links AS l USING (cluster)
ORDER BY s.record_n DESC, t.global_customer_id;
