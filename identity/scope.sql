-- What a resolution looks at: everything, or what changed and all it could join or has joined.

-- name: create_scope_of_all
-- The layers as they are.
CREATE TEMP VIEW identity_scoped_inputs AS SELECT * FROM staging.identity_inputs;
CREATE TEMP VIEW identity_scoped_map AS SELECT * FROM identity.customer_identity_map;
CREATE TEMP VIEW identity_scoped_clusters AS SELECT * FROM identity.customer_clusters;

-- name: member
-- The columns of the next and of select_touched_members: a live record with its profile, and what the
-- map says of it; -1 and zeros where that is nothing. No statement.
SELECT string_agg(int8send(i.record_id), ''), string_agg(int8send(i.profile_id), ''),
       string_agg(int8send(coalesce(m.record_id, -1)), ''),
       string_agg(int8send(coalesce(m.profile_id, -1)), ''),
       string_agg(uuid_send(coalesce(m.global_customer_id,
                                     '00000000-0000-0000-0000-000000000000')), ''),
       string_agg(float4send(coalesce(m.match_confidence, 0)), ''),
       string_agg(int2send(CAST(coalesce(array_position(CAST({decisions} AS text[]), m.decision), 0)
                                AS smallint)), '')

-- name: select_all_members
-- For COPY: every live record.
{member}
FROM staging.identity_inputs AS i
LEFT JOIN identity.customer_identity_map AS m USING (source, source_record_id)
GROUP BY i.record_id >> 22

-- name: create_scope
-- The touched customers; not all are there but once.
CREATE TEMP TABLE identity_scope_customers (global_customer_id uuid NOT NULL) ON COMMIT DROP;
-- One row per record in a chain of SAME, with the number of its chain; filled by COPY.
CREATE TEMP TABLE identity_same_groups (
    record_id bigint PRIMARY KEY,
    group_no  bigint NOT NULL
) ON COMMIT DROP;

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
-- What these show now, and what the map says of them.
CREATE TEMP TABLE identity_touched_inputs ON COMMIT DROP AS
SELECT i.* FROM pg_temp.identity_touched_records AS t
CROSS JOIN LATERAL (SELECT * FROM staging.identity_inputs AS shown
                    WHERE shown.record_id = t.record_id OFFSET 0) AS i;
CREATE TEMP VIEW identity_scoped_inputs AS SELECT * FROM pg_temp.identity_touched_inputs;
CREATE TEMP TABLE identity_touched_map ON COMMIT DROP AS
SELECT m.* FROM pg_temp.identity_touched_records AS t
CROSS JOIN LATERAL (SELECT * FROM identity.customer_identity_map AS known
                    WHERE known.source_record_id = t.source_record_id AND known.source = t.source
                    OFFSET 0) AS m;
CREATE TEMP VIEW identity_scoped_map AS SELECT * FROM pg_temp.identity_touched_map;

-- name: select_changed_profiles
-- For COPY: the profiles that records show which changed since the last resolution.
SELECT string_agg(int8send(i.profile_id), '')
FROM staging.identity_inputs AS i
WHERE i.change_seq > {change_seq}

-- name: add_touched_customers
-- The customers that touched records are in, or were in when they went.
INSERT INTO pg_temp.identity_scope_customers (global_customer_id)
SELECT m.global_customer_id
FROM pg_temp.identity_scoped_map AS m
UNION
SELECT coalesce(c.merged_into, c.global_customer_id)
FROM pg_temp.identity_touched_records AS t
JOIN identity.retired_records AS r USING (source, source_record_id)
JOIN identity.customers AS c ON c.global_customer_id = r.global_customer_id;

-- name: select_chains
-- For COPY: the profiles that records in chains of SAME show, each with its chain.
SELECT string_agg(int8send(i.profile_id), ''), string_agg(int8send(g.group_no), '')
FROM pg_temp.identity_same_groups AS g
JOIN staging.identity_inputs AS i USING (record_id)

-- name: select_chained_profiles
-- For COPY: the profiles that a chain ties to touched records, even when these went.
SELECT string_agg(int8send(i.profile_id), '')
FROM pg_temp.identity_touched_records AS t
JOIN pg_temp.identity_same_groups AS a USING (record_id)
JOIN pg_temp.identity_same_groups AS b USING (group_no)
JOIN staging.identity_inputs AS i ON i.record_id = b.record_id

-- name: select_touched_members
-- For COPY: the touched records that live.
{member}
FROM pg_temp.identity_scoped_inputs AS i
LEFT JOIN pg_temp.identity_touched_map AS m USING (source, source_record_id)

-- name: select_touched_map
-- For COPY: the records of which the map does not tell the present.
SELECT string_agg(int8send(m.record_id), '') FROM pg_temp.identity_touched_map AS m

-- name: mapped
-- The columns of the next two: records as the map has them. No statement.
SELECT string_agg(int8send(m.record_id), ''), string_agg(int8send(m.profile_id), ''),
       string_agg(uuid_send(m.global_customer_id), ''),
       string_agg(float4send(m.match_confidence), ''),
       string_agg(int2send(CAST(array_position(CAST({decisions} AS text[]), m.decision)
                                AS smallint)), '')

-- name: select_members_of_touched_customers
-- For COPY: the records of the customers of touched records.
{mapped}
FROM identity.customer_identity_map AS m
WHERE m.global_customer_id = ANY (ARRAY(SELECT s.global_customer_id
                                        FROM pg_temp.identity_scope_customers AS s))

-- name: select_members_of_profiles
-- For COPY: the records of the customers of some profiles. (Of each list the server makes one array in
-- order and walks the index along it, which costs half of a search for each.)
{mapped}
FROM identity.customer_identity_map AS m
WHERE m.global_customer_id = ANY (ARRAY(
    SELECT known.global_customer_id
    FROM identity.customer_identity_map AS known
    WHERE known.record_id = ANY (ARRAY(SELECT i.record_id FROM staging.identity_inputs AS i
                                       WHERE i.profile_id = ANY (CAST({profiles} AS bigint[]))))))

-- name: create_scoped_clusters
-- What is known of the touched customers.
CREATE TEMP TABLE identity_known_clusters ON COMMIT DROP AS
SELECT k.* FROM identity.customer_clusters AS k
WHERE k.global_customer_id = ANY (ARRAY(SELECT s.global_customer_id
                                        FROM pg_temp.identity_scope_customers AS s));
CREATE TEMP VIEW identity_scoped_clusters AS SELECT * FROM pg_temp.identity_known_clusters;
