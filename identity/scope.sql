-- What a resolution looks at: everything, or what changed and all it could join or has joined.

-- name: create_scope_of_all
-- The layers as they are.
CREATE TEMP VIEW identity_scoped_inputs AS
SELECT i.record_id, i.source, i.source_record_id, i.profile_id,
       m.record_id AS mapped_record_id, m.profile_id AS mapped_profile_id,
       m.global_customer_id AS mapped_customer_id, m.first_customer_id,
       m.match_confidence AS mapped_confidence, m.decision AS mapped_decision
FROM staging.identity_inputs AS i
LEFT JOIN identity.customer_identity_map AS m USING (source, source_record_id);
CREATE TEMP VIEW identity_scoped_profiles AS SELECT * FROM staging.profiles;
CREATE TEMP VIEW identity_scoped_map AS SELECT * FROM identity.customer_identity_map;
CREATE TEMP VIEW identity_scoped_customers AS SELECT * FROM identity.customers;
CREATE TEMP VIEW identity_scoped_clusters AS SELECT * FROM identity.customer_clusters;

-- name: create_scope
-- One row per touched profile and one per touched customer, with the step that found it; one per live
-- record of these profiles, with what the map says of it (NULL: it has no id yet). OFFSET 0 keeps the
-- views a search by index for each, whatever the planner believes of a temporary table.
CREATE TEMP TABLE identity_scope (profile_id bigint NOT NULL, step integer NOT NULL) ON COMMIT DROP;
CREATE TEMP TABLE identity_scope_customers (
    global_customer_id uuid PRIMARY KEY,
    step               integer NOT NULL
) ON COMMIT DROP;
CREATE TEMP TABLE identity_scope_records (
    record_id          bigint NOT NULL,
    source             text NOT NULL,
    source_record_id   text NOT NULL,
    profile_id         bigint NOT NULL,
    mapped_record_id   bigint,
    mapped_profile_id  bigint,
    mapped_customer_id uuid,
    first_customer_id  uuid,
    mapped_confidence  real,
    mapped_decision    text,
    step               integer NOT NULL
) ON COMMIT DROP;
-- One row per record in a chain of SAME, with the number of its chain; filled by COPY.
CREATE TEMP TABLE identity_same_groups (
    record_id bigint PRIMARY KEY,
    group_no  bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMP VIEW identity_scoped_inputs AS SELECT * FROM pg_temp.identity_scope_records;
CREATE TEMP VIEW identity_scoped_profiles AS
SELECT p.* FROM pg_temp.identity_scope AS s
CROSS JOIN LATERAL (SELECT * FROM staging.profiles AS q
                    WHERE q.profile_id = s.profile_id OFFSET 0) AS p;
CREATE TEMP VIEW identity_scoped_customers AS
SELECT c.* FROM pg_temp.identity_scope_customers AS s
CROSS JOIN LATERAL (SELECT * FROM identity.customers AS k
                    WHERE k.global_customer_id = s.global_customer_id OFFSET 0) AS c;
CREATE TEMP VIEW identity_scoped_clusters AS
SELECT c.* FROM pg_temp.identity_scope_customers AS s
CROSS JOIN LATERAL (SELECT * FROM identity.customer_clusters AS k
                    WHERE k.global_customer_id = s.global_customer_id OFFSET 0) AS c;

-- name: create_touched_records
-- The records that changed since the last resolution, or of which a steward spoke or took it back.
-- No other can have left the map.
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
CREATE TEMP VIEW identity_scoped_map AS
SELECT m.* FROM pg_temp.identity_touched_records AS t
JOIN identity.customer_identity_map AS m USING (source, source_record_id);

-- name: add_touched_customers
-- The customers that touched records are in, or were in when they went.
INSERT INTO pg_temp.identity_scope_customers (global_customer_id, step)
SELECT m.global_customer_id, -1
FROM pg_temp.identity_scoped_map AS m
UNION
SELECT coalesce(c.merged_into, c.global_customer_id), -1
FROM pg_temp.identity_touched_records AS t
JOIN identity.retired_records AS r USING (source, source_record_id)
JOIN identity.customers AS c ON c.global_customer_id = r.global_customer_id;

-- name: select_chains
-- For COPY: the profiles that records in chains of SAME show, each with its chain.
SELECT string_agg(int8send(i.profile_id), ''), string_agg(int8send(g.group_no), '')
FROM pg_temp.identity_same_groups AS g
JOIN staging.identity_inputs AS i USING (record_id)

-- name: select_touched_profiles
-- For COPY: what touched records show, and what a chain ties to them even when they went.
SELECT string_agg(int8send(touched.profile_id), '')
FROM (SELECT i.profile_id
      FROM pg_temp.identity_touched_records AS t
      JOIN staging.identity_inputs AS i USING (record_id)
      UNION ALL
      SELECT i.profile_id
      FROM pg_temp.identity_touched_records AS t
      JOIN pg_temp.identity_same_groups AS a USING (record_id)
      JOIN pg_temp.identity_same_groups AS b USING (group_no)
      JOIN staging.identity_inputs AS i ON i.record_id = b.record_id) AS touched

-- name: select_pairs
-- For COPY: all scored pairs whose left end a step found, packed as in graph.sql. (To
-- find all steps in one recursive query takes seconds: it makes room for all the rows that the planner
-- fears.)
SELECT string_agg(int8send((p.profile_id_l * {base} + p.profile_id_r)
                           * CASE WHEN p.decision = 'REJECT' OR p.is_vetoed THEN -1 ELSE 1 END), ''),
       string_agg(float4send(CASE WHEN p.is_vetoed OR p.decision = 'FLAG_REVIEW'
                                  THEN -p.match_probability ELSE p.match_probability END), '')
FROM pg_temp.identity_scope AS s
CROSS JOIN LATERAL (SELECT * FROM staging.identity_match_candidates AS of_left
                    WHERE of_left.profile_id_l = s.profile_id OFFSET 0) AS p
WHERE s.step = {step}

-- name: select_left_ends
-- For COPY: the left ends of the pairs that may join and whose right end a step found.
SELECT string_agg(int8send(p.profile_id_l), '')
FROM pg_temp.identity_scope AS s
CROSS JOIN LATERAL (SELECT of_right.profile_id_l
                    FROM staging.identity_match_candidates AS of_right
                    WHERE of_right.profile_id_r = s.profile_id AND of_right.decision <> 'REJECT'
                      AND NOT of_right.is_vetoed
                      AND (of_right.decision = 'AUTO_MERGE' OR {merge_flagged}) OFFSET 0) AS p
WHERE s.step = {step}

-- name: add_records
-- The records of the profiles that a step found.
INSERT INTO pg_temp.identity_scope_records
SELECT i.record_id, i.source, i.source_record_id, i.profile_id, m.record_id, m.profile_id,
       m.global_customer_id, m.first_customer_id, m.match_confidence, m.decision, s.step
FROM pg_temp.identity_scope AS s
CROSS JOIN LATERAL (SELECT * FROM staging.identity_inputs AS shown
                    WHERE shown.profile_id = s.profile_id OFFSET 0) AS i
LEFT JOIN LATERAL (SELECT * FROM identity.customer_identity_map AS mapped
                   WHERE mapped.record_id = i.record_id OFFSET 0) AS m ON true
WHERE s.step = :step;

-- name: add_customers
-- The customers of these records that no step before has found.
INSERT INTO pg_temp.identity_scope_customers (global_customer_id, step)
SELECT DISTINCT i.mapped_customer_id, i.step
FROM pg_temp.identity_scope_records AS i
WHERE i.step = :step AND i.mapped_customer_id IS NOT NULL
ON CONFLICT (global_customer_id) DO NOTHING;

-- name: select_profiles_of_customers
-- For COPY: the profiles of the customers that a step found: what the map says is what records show,
-- but for touched ones, which are looked at anyway.
SELECT string_agg(int8send(m.profile_id), '')
FROM pg_temp.identity_scope_customers AS s
CROSS JOIN LATERAL (SELECT mapped.profile_id FROM identity.customer_identity_map AS mapped
                    WHERE mapped.global_customer_id = s.global_customer_id OFFSET 0) AS m
WHERE s.step = {step}
