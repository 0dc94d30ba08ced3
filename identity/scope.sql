-- What a resolution looks at: everything, or what changed and all it could join or has joined.

-- name: create_scope_of_all
-- The layers as they are.
CREATE TEMP VIEW identity_scoped_inputs AS SELECT * FROM staging.identity_inputs;
CREATE TEMP VIEW identity_scoped_profiles AS SELECT * FROM staging.profiles;
CREATE TEMP VIEW identity_scoped_map AS SELECT * FROM identity.customer_identity_map;
CREATE TEMP VIEW identity_scoped_clusters AS SELECT * FROM identity.customer_clusters;

-- name: create_scope
-- One row per touched profile and one per touched customer.
CREATE TEMP TABLE identity_scope (profile_id bigint PRIMARY KEY) ON COMMIT DROP;
CREATE TEMP TABLE identity_scope_customers (global_customer_id uuid PRIMARY KEY) ON COMMIT DROP;
-- One row per record in a chain of SAME, with the number of its chain; filled by COPY.
CREATE TEMP TABLE identity_same_groups (
    record_id bigint PRIMARY KEY,
    group_no  bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMP VIEW identity_scoped_inputs AS
SELECT i.* FROM pg_temp.identity_scope AS s JOIN staging.identity_inputs AS i USING (profile_id);
CREATE TEMP VIEW identity_scoped_profiles AS
SELECT p.* FROM pg_temp.identity_scope AS s JOIN staging.profiles AS p USING (profile_id);
CREATE TEMP VIEW identity_scoped_map AS
SELECT m.* FROM pg_temp.identity_scope_customers AS s
JOIN identity.customer_identity_map AS m USING (global_customer_id);
CREATE TEMP VIEW identity_scoped_clusters AS
SELECT c.* FROM pg_temp.identity_scope_customers AS s
JOIN identity.customer_clusters AS c USING (global_customer_id);

-- name: create_touched_records
-- The records that changed since the last resolution, or of which a steward spoke or took it back;
-- and one row per profile and chain of SAME that a record of it is in.
CREATE TEMP TABLE identity_touched_records ON COMMIT DROP AS
SELECT r.record_id, r.source, r.source_record_id
FROM staging.records AS r
WHERE r.change_seq > :change_seq
UNION
SELECT r.record_id, r.source, r.source_record_id
FROM identity.steward_link_decisions AS d
CROSS JOIN LATERAL (VALUES (d.source_l, d.source_record_id_l),
                           (d.source_r, d.source_record_id_r)) AS side (source, record)
JOIN staging.records AS r ON r.source = side.source AND r.source_record_id = side.record
WHERE d.decision_id > :decision_id;
CREATE TEMP TABLE identity_same_profiles ON COMMIT DROP AS
SELECT DISTINCT i.profile_id, g.group_no
FROM pg_temp.identity_same_groups AS g
JOIN staging.identity_inputs AS i USING (record_id);
CREATE INDEX ON pg_temp.identity_same_profiles (profile_id);
CREATE INDEX ON pg_temp.identity_same_profiles (group_no);
ANALYZE pg_temp.identity_touched_records, pg_temp.identity_same_groups, pg_temp.identity_same_profiles;

-- name: reach
-- Everything that changes can have influence on: from touched records and rescored profiles to the
-- customers that their records are in, to all profiles of these, and to the profiles that a pair or
-- a steward's chain could join to any of them, until nothing is new. Each step searches indexes for
-- what the step before found, so the cost follows what is touched.
WITH RECURSIVE reached (profile_id, global_customer_id) AS (
    (
    -- What touched records show, or showed when they went, and what a chain ties to them.
    SELECT i.profile_id, CAST(NULL AS uuid)
    FROM pg_temp.identity_touched_records AS t
    JOIN staging.identity_inputs AS i USING (record_id)
    UNION
    SELECT b.profile_id, NULL
    FROM pg_temp.identity_touched_records AS t
    JOIN pg_temp.identity_same_groups AS a USING (record_id)
    JOIN pg_temp.identity_same_profiles AS b USING (group_no)
    UNION
    SELECT NULL, m.global_customer_id
    FROM pg_temp.identity_touched_records AS t
    JOIN identity.customer_identity_map AS m USING (source, source_record_id)
    UNION
    SELECT NULL, coalesce(c.merged_into, c.global_customer_id)
    FROM pg_temp.identity_touched_records AS t
    JOIN identity.retired_records AS r USING (source, source_record_id)
    JOIN identity.customers AS c ON c.global_customer_id = r.global_customer_id
    UNION
    SELECT unnest(CAST(:rescored AS bigint[])), NULL
    )
    UNION
    SELECT near.profile_id, near.global_customer_id
    FROM reached AS r
    CROSS JOIN LATERAL (
        SELECT p.profile_id_r, CAST(NULL AS uuid)
        FROM staging.identity_match_candidates AS p
        WHERE p.profile_id_l = r.profile_id AND NOT p.is_vetoed
          AND (p.decision = 'AUTO_MERGE' OR (:merge_flagged AND p.decision = 'FLAG_REVIEW'))
        UNION ALL
        SELECT p.profile_id_l, NULL
        FROM staging.identity_match_candidates AS p
        WHERE p.profile_id_r = r.profile_id AND NOT p.is_vetoed AND p.decision <> 'REJECT'
          AND (p.decision = 'AUTO_MERGE' OR (:merge_flagged AND p.decision = 'FLAG_REVIEW'))
        UNION ALL
        SELECT b.profile_id, NULL
        FROM pg_temp.identity_same_profiles AS a
        JOIN pg_temp.identity_same_profiles AS b USING (group_no)
        WHERE a.profile_id = r.profile_id
        UNION ALL
        SELECT NULL, m.global_customer_id
        FROM staging.identity_inputs AS i
        JOIN identity.customer_identity_map AS m USING (record_id)
        WHERE i.profile_id = r.profile_id
        UNION ALL
        SELECT i.profile_id, NULL
        FROM identity.customer_identity_map AS m
        JOIN staging.identity_inputs AS i USING (record_id)
        WHERE m.global_customer_id = r.global_customer_id
    ) AS near (profile_id, global_customer_id)
), customers AS (
    INSERT INTO pg_temp.identity_scope_customers (global_customer_id)
    SELECT r.global_customer_id FROM reached AS r WHERE r.global_customer_id IS NOT NULL
)
INSERT INTO pg_temp.identity_scope (profile_id)
SELECT r.profile_id FROM reached AS r WHERE r.profile_id IS NOT NULL;

-- name: analyze_scope
-- Temporary tables are analyzed by nobody else, and a plan for a few profiles is another one.
ANALYZE pg_temp.identity_scope, pg_temp.identity_scope_customers;
