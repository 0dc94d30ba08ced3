-- Which id each cluster gets that does not just keep its own. Reads the clusters (temporary tables
-- filled by the phase) and what was published, decides in total orders only, so that the order of rows
-- never matters. An id that is in question is so with all its records and all clusters that hold one.

-- name: drop_temporary
-- Clears what an earlier resolution in the same transaction left.
DROP TABLE IF EXISTS
    pg_temp.identity_poor_profiles, pg_temp.identity_questioned, pg_temp.identity_kept,
    pg_temp.identity_cluster_links, pg_temp.identity_members, pg_temp.identity_sizes, pg_temp.identity_evidence,
    pg_temp.identity_overlap, pg_temp.identity_split_parts, pg_temp.identity_preference,
    pg_temp.identity_target, pg_temp.identity_followers, pg_temp.identity_gone,
    pg_temp.identity_changes, pg_temp.identity_next_clusters, pg_temp.identity_scope_customers, pg_temp.identity_known_clusters,
    pg_temp.identity_same_groups, pg_temp.identity_touched_records, pg_temp.identity_touched_inputs,
    pg_temp.identity_touched_map, pg_temp.identity_next CASCADE;
DROP VIEW IF EXISTS
    pg_temp.identity_scoped_inputs, pg_temp.identity_scoped_map,
    pg_temp.identity_scoped_clusters;

-- name: analyze_clusters
-- Temporary tables are analyzed by nobody else.
ANALYZE pg_temp.identity_questioned (record_id, mapped_record_id), pg_temp.identity_sizes (cluster),
        pg_temp.identity_cluster_links (cluster);

-- name: analyze_evidence
-- As above, once the members are known. To sort samples of their keys takes longer than all the rest.
ANALYZE pg_temp.identity_members (record_id, cluster), pg_temp.identity_evidence
        (record_id, cluster, global_customer_id), pg_temp.identity_overlap (cluster, global_customer_id);

-- name: analyze_target
-- As above, once every cluster has its id.
ANALYZE pg_temp.identity_preference, pg_temp.identity_target, pg_temp.identity_followers,
        pg_temp.identity_gone;

-- name: select_unsettled
-- For COPY: the ids of records that went, and of what was retired under another id and is back, which
-- is named then, or -1.
SELECT string_agg(int8send(u.record_id), ''), string_agg(uuid_send(u.global_customer_id), '')
FROM (SELECT CAST(-1 AS bigint) AS record_id, m.global_customer_id
      FROM pg_temp.identity_scoped_map AS m
      WHERE NOT EXISTS (SELECT FROM pg_temp.identity_scoped_inputs AS x
                        WHERE x.source = m.source AND x.source_record_id = m.source_record_id)
      UNION ALL
      SELECT x.record_id, coalesce(c.merged_into, c.global_customer_id)
      FROM pg_temp.identity_scoped_inputs AS x
      JOIN identity.retired_records AS r USING (source, source_record_id)
      JOIN identity.customers AS c ON c.global_customer_id = r.global_customer_id) AS u

-- name: create_questioned
-- One row per record of a cluster that does not just keep its id, one per record of the others whose
-- row in the map changes (mapped_record_id is -1 where there is none), and one per cluster. The cluster
-- of a record is its number in the order of first records. Filled by COPY.
CREATE TEMP TABLE identity_questioned (
    record_id        bigint NOT NULL,
    cluster          bigint NOT NULL,
    confidence       real NOT NULL,
    decision         smallint NOT NULL,
    mapped_record_id bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE identity_kept (
    record_id          bigint NOT NULL,
    profile_id         bigint NOT NULL,
    global_customer_id uuid NOT NULL,
    confidence         real NOT NULL,
    decision           smallint NOT NULL,
    mapped_record_id   bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE identity_sizes (
    cluster         bigint NOT NULL,
    record_n        integer NOT NULL,
    first_record_id bigint NOT NULL
) ON COMMIT DROP;

-- name: create_cluster_links
-- One row per cluster of several profiles, with its weakest link; filled by COPY.
CREATE TEMP TABLE identity_cluster_links (
    cluster     bigint NOT NULL,
    profile_n   integer NOT NULL,
    confidence  real NOT NULL,
    profile_l   bigint NOT NULL,
    profile_r   bigint NOT NULL,
    probability real NOT NULL
) ON COMMIT DROP;

-- name: create_members
-- One row per record in question with the cluster it belongs to now, and what the map says of it
-- (NULL: it has no id yet).
CREATE TEMP TABLE identity_members ON COMMIT DROP AS
SELECT x.record_id, i.source, i.source_record_id, i.profile_id, x.cluster, x.confidence, x.decision,
       m.record_id AS mapped_record_id, m.profile_id AS mapped_profile_id,
       m.global_customer_id AS mapped_customer_id, m.first_customer_id,
       m.match_confidence AS mapped_confidence, m.decision AS mapped_decision
FROM pg_temp.identity_questioned AS x
JOIN staging.identity_inputs AS i USING (record_id)
LEFT JOIN identity.customer_identity_map AS m ON m.record_id = x.mapped_record_id;

-- name: create_evidence
-- One row per record that had an id before: the id it had (a retired record's followed through
-- merges) and the cluster it is in now.
CREATE TEMP TABLE identity_evidence ON COMMIT DROP AS
SELECT x.record_id, x.cluster, x.mapped_customer_id AS global_customer_id, x.first_customer_id,
       true AS is_live
FROM pg_temp.identity_members AS x
WHERE x.mapped_customer_id IS NOT NULL
UNION ALL
SELECT x.record_id, x.cluster, coalesce(c.merged_into, c.global_customer_id),
       r.first_customer_id, false
FROM identity.retired_records AS r
JOIN pg_temp.identity_members AS x USING (source, source_record_id)
JOIN identity.customers AS c ON c.global_customer_id = r.global_customer_id;

-- name: create_overlap
-- One row per old id and cluster that share records.
CREATE TEMP TABLE identity_overlap ON COMMIT DROP AS
SELECT e.global_customer_id, e.cluster,
       count(*) FILTER (WHERE e.is_live) AS live_n, count(*) AS record_n
FROM pg_temp.identity_evidence AS e
GROUP BY e.global_customer_id, e.cluster;

-- name: create_split_parts
-- The old ids whose records are in several clusters now, and what each of those clusters holds
-- first in the order of source and source_record_id (which breaks ties).
CREATE TEMP TABLE identity_split_parts ON COMMIT DROP AS
WITH split_ids AS (
    SELECT o.global_customer_id FROM pg_temp.identity_overlap AS o
    GROUP BY o.global_customer_id HAVING count(*) > 1
)
SELECT e.global_customer_id, e.cluster,
       min((x.source || E'\x1f' || x.source_record_id) COLLATE "C") AS first_key
FROM split_ids
JOIN pg_temp.identity_evidence AS e USING (global_customer_id)
JOIN pg_temp.identity_members AS x USING (record_id)
GROUP BY e.global_customer_id, e.cluster;

-- name: create_preference
-- One row per old id that still has records: the cluster it wants to name. The part with most of
-- its records; what it holds now counts before what it held once, or a record that comes back could
-- take the id away from those who stayed.
CREATE TEMP TABLE identity_preference ON COMMIT DROP AS
SELECT DISTINCT ON (o.global_customer_id)
       o.global_customer_id, o.cluster, o.record_n
FROM pg_temp.identity_overlap AS o
LEFT JOIN pg_temp.identity_split_parts AS s USING (global_customer_id, cluster)
ORDER BY o.global_customer_id, o.live_n DESC, o.record_n DESC, s.first_key;

-- name: create_target
-- One row per cluster with the id it gets. Those that keep theirs are filled in by COPY: the map tells
-- of living ids only.
CREATE TEMP TABLE identity_target (
    cluster            bigint NOT NULL,
    global_customer_id uuid NOT NULL,
    former_state       text DEFAULT 'LIVE',
    record_n           bigint
) ON COMMIT DROP;

-- name: add_targets
-- Of the others, first of those who prefer a cluster: the oldest.
INSERT INTO pg_temp.identity_target (cluster, global_customer_id, former_state, record_n)
SELECT DISTINCT ON (p.cluster)
       p.cluster, p.global_customer_id, c.state AS former_state, p.record_n
FROM pg_temp.identity_preference AS p
JOIN identity.customers AS c USING (global_customer_id)
ORDER BY p.cluster, c.customer_seq;

-- name: create_followers
-- One row per merged id whose survivor is being split: the part it goes with, which is the one with
-- most of the records first published under it.
CREATE TEMP TABLE identity_followers ON COMMIT DROP AS
WITH votes AS (
    SELECT e.first_customer_id AS follower_id, e.global_customer_id, e.cluster,
           count(*) AS record_n, min(s.first_key) AS first_key
    FROM pg_temp.identity_split_parts AS s
    JOIN pg_temp.identity_evidence AS e USING (global_customer_id, cluster)
    JOIN identity.customers AS c
      ON c.global_customer_id = e.first_customer_id AND c.merged_into = e.global_customer_id
    GROUP BY e.first_customer_id, e.global_customer_id, e.cluster
)
SELECT DISTINCT ON (v.follower_id) v.follower_id, v.global_customer_id, v.cluster, v.record_n
FROM votes AS v
ORDER BY v.follower_id, v.record_n DESC, v.first_key;

-- name: add_revived_targets
-- A part that no living id claims gets back the id it was published under before the merge.
INSERT INTO pg_temp.identity_target (cluster, global_customer_id, former_state, record_n)
SELECT DISTINCT ON (f.cluster) f.cluster, f.follower_id, c.state, f.record_n
FROM pg_temp.identity_followers AS f
JOIN identity.customers AS c ON c.global_customer_id = f.follower_id
WHERE NOT EXISTS (SELECT FROM pg_temp.identity_target AS t WHERE t.cluster = f.cluster)
ORDER BY f.cluster, c.customer_seq;

-- name: add_new_targets
-- Every other cluster gets an id of its own, in the order its records were staged.
INSERT INTO pg_temp.identity_target (cluster, global_customer_id, former_state)
SELECT unclaimed.cluster, uuidv7(), NULL
FROM (SELECT s.cluster FROM pg_temp.identity_sizes AS s
      WHERE NOT EXISTS (SELECT FROM pg_temp.identity_target AS t WHERE t.cluster = s.cluster)
      ORDER BY s.first_record_id) AS unclaimed;

-- name: create_gone
-- The mapped records that are no longer live.
CREATE TEMP TABLE identity_gone ON COMMIT DROP AS
SELECT m.record_id, m.source, m.source_record_id, m.global_customer_id, m.first_customer_id
FROM pg_temp.identity_scoped_map AS m
WHERE NOT EXISTS (SELECT FROM pg_temp.identity_scoped_inputs AS x
                  WHERE x.source = m.source AND x.source_record_id = m.source_record_id);

-- name: create_changes
-- One row per thing that happens to an id; kind as in identity.identity_events.
CREATE TEMP TABLE identity_changes ON COMMIT DROP AS
WITH merged AS (
    SELECT 'MERGE' AS event_type, p.global_customer_id, t.global_customer_id AS related_id,
           p.cluster, p.record_n, false AS is_revived
    FROM pg_temp.identity_preference AS p
    JOIN pg_temp.identity_target AS t USING (cluster)
    WHERE t.global_customer_id <> p.global_customer_id
), moved AS (
    SELECT CASE WHEN t.former_state IS NULL OR t.former_state = 'MERGED' THEN 'SPLIT' ELSE 'MOVE' END
               AS event_type,
           e.global_customer_id, t.global_customer_id AS related_id, e.cluster,
           count(*) AS record_n, t.former_state IS NOT NULL AND t.former_state = 'MERGED' AS is_revived
    FROM pg_temp.identity_evidence AS e
    JOIN pg_temp.identity_target AS t USING (cluster)
    WHERE e.global_customer_id <> t.global_customer_id
      AND NOT EXISTS (SELECT FROM merged AS m
                      WHERE m.global_customer_id = e.global_customer_id AND m.cluster = e.cluster)
    GROUP BY e.global_customer_id, t.global_customer_id, e.cluster, t.former_state
), back AS (
    SELECT 'RESURRECT' AS event_type, t.global_customer_id, CAST(NULL AS uuid) AS related_id,
           t.cluster, t.record_n, true AS is_revived
    FROM pg_temp.identity_target AS t
    WHERE t.former_state = 'DELETED'
), deleted AS (
    SELECT 'DELETE' AS event_type, g.global_customer_id, CAST(NULL AS uuid) AS related_id,
           CAST(NULL AS bigint) AS cluster, count(*) AS record_n, false AS is_revived
    FROM pg_temp.identity_gone AS g
    WHERE NOT EXISTS (SELECT FROM pg_temp.identity_preference AS p
                      WHERE p.global_customer_id = g.global_customer_id)
    GROUP BY g.global_customer_id
)
SELECT * FROM merged UNION ALL SELECT * FROM moved
UNION ALL SELECT * FROM back UNION ALL SELECT * FROM deleted;
