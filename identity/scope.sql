-- What a resolution looks at: everything, or what changed and all it could join or has joined.

-- name: create_scope_of_all
-- The layers as they are.
CREATE TEMP VIEW identity_scoped_inputs AS SELECT * FROM staging.identity_inputs;
CREATE TEMP VIEW identity_scoped_profiles AS SELECT * FROM staging.profiles;
CREATE TEMP VIEW identity_scoped_map AS SELECT * FROM identity.customer_identity_map;
CREATE TEMP VIEW identity_scoped_clusters AS SELECT * FROM identity.customer_clusters;

-- name: create_scope
-- One row per touched profile and per touched customer, with the step that found it.
CREATE TEMP TABLE identity_scope (
    profile_id bigint PRIMARY KEY,
    step       integer NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE identity_scope_customers (
    global_customer_id uuid PRIMARY KEY,
    step               integer NOT NULL
) ON COMMIT DROP;
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
-- The records that changed since the last resolution, or of which a steward spoke or took it back.
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

-- name: seed_customers
-- The customers that touched records are in, or were in when they went.
INSERT INTO pg_temp.identity_scope_customers (global_customer_id, step)
SELECT m.global_customer_id, 0
FROM pg_temp.identity_touched_records AS t
JOIN identity.customer_identity_map AS m USING (source, source_record_id)
UNION
SELECT coalesce(c.merged_into, c.global_customer_id), 0
FROM pg_temp.identity_touched_records AS t
JOIN identity.retired_records AS r USING (source, source_record_id)
JOIN identity.customers AS c ON c.global_customer_id = r.global_customer_id;

-- name: seed_profiles
-- The profiles that touched records show, those of records a steward's chain ties to them, and
-- those at the ends of pairs that changed.
INSERT INTO pg_temp.identity_scope (profile_id, step)
SELECT i.profile_id, 0
FROM pg_temp.identity_touched_records AS t
JOIN staging.identity_inputs AS i USING (record_id)
UNION
SELECT i.profile_id, 0
FROM pg_temp.identity_touched_records AS t
JOIN pg_temp.identity_same_groups AS a USING (record_id)
JOIN pg_temp.identity_same_groups AS b USING (group_no)
JOIN staging.identity_inputs AS i ON i.record_id = b.record_id
UNION
SELECT p.profile_id, 0 FROM staging.profiles AS p
WHERE p.profile_id = ANY (CAST(:rescored AS bigint[]));

-- name: reach_customers
-- The customers that records of the newest profiles are in.
INSERT INTO pg_temp.identity_scope_customers (global_customer_id, step)
SELECT DISTINCT m.global_customer_id, CAST(:step AS integer)
FROM pg_temp.identity_scope AS s
JOIN staging.identity_inputs AS i USING (profile_id)
JOIN identity.customer_identity_map AS m USING (record_id)
WHERE s.step = :step
ON CONFLICT DO NOTHING;

-- name: reach_members
-- The profiles of all records of the newest customers: one row each, of the next step.
INSERT INTO pg_temp.identity_scope (profile_id, step)
SELECT DISTINCT i.profile_id, CAST(:step AS integer) + 1
FROM pg_temp.identity_scope_customers AS s
JOIN identity.customer_identity_map AS m USING (global_customer_id)
JOIN staging.identity_inputs AS i USING (record_id)
WHERE s.step = :step
ON CONFLICT DO NOTHING;

-- name: reach_partners
-- The profiles that a pair or a steward's chain could join to those found from step :since on: one
-- row each, of step :step.
INSERT INTO pg_temp.identity_scope (profile_id, step)
WITH newest AS (SELECT s.profile_id FROM pg_temp.identity_scope AS s WHERE s.step >= :since),
joining_pairs AS NOT MATERIALIZED (  -- or both ends are sought among all pairs instead of by index
    SELECT p.profile_id_l, p.profile_id_r
    FROM staging.identity_match_candidates AS p
    WHERE (p.decision = 'AUTO_MERGE' OR (:merge_flagged AND p.decision = 'FLAG_REVIEW'))
      AND NOT p.is_vetoed
)
SELECT p.profile_id_r, CAST(:step AS integer)
FROM newest AS n JOIN joining_pairs AS p ON p.profile_id_l = n.profile_id
UNION
SELECT p.profile_id_l, :step
FROM newest AS n JOIN joining_pairs AS p ON p.profile_id_r = n.profile_id
UNION
SELECT b_input.profile_id, :step
FROM newest AS n
JOIN staging.identity_inputs AS a_input USING (profile_id)
JOIN pg_temp.identity_same_groups AS a USING (record_id)
JOIN pg_temp.identity_same_groups AS b USING (group_no)
JOIN staging.identity_inputs AS b_input ON b_input.record_id = b.record_id
ON CONFLICT DO NOTHING;

-- name: analyze_scope
-- Temporary tables are analyzed by nobody else, and a plan for a few profiles is another one.
ANALYZE pg_temp.identity_scope, pg_temp.identity_scope_customers;
