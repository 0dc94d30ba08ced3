-- The first publication: every cluster is new, so there is nothing to compare with.

-- name: is_first
-- Whether no customer was ever published.
SELECT NOT EXISTS (SELECT FROM identity.customers)
   AND NOT EXISTS (SELECT FROM identity.customer_identity_map);

-- name: select_inputs
-- For COPY: every live record with its profile, as two columns in binary form.
SELECT string_agg(int8send(i.record_id), ''), string_agg(int8send(i.profile_id), '')
FROM staging.identity_inputs AS i
GROUP BY i.record_id >> 22

-- name: create_links
-- One row per live record with its customer; filled by COPY.
CREATE TEMP TABLE identity_links (
    record_id          bigint NOT NULL,
    global_customer_id uuid NOT NULL,
    confidence         real NOT NULL,
    decision           smallint NOT NULL
) ON COMMIT DROP;

-- name: merge_joins_only
-- Both sides of the map lie in the order of records: to hash a million of them costs half as much again
-- as all the rest.
SET LOCAL enable_hashjoin = off

-- name: any_join
-- Take that back.
SET LOCAL enable_hashjoin = on

-- name: insert_map
-- The identity map, in the order of the records.
INSERT INTO identity.customer_identity_map (
    record_id, profile_id, global_customer_id, first_customer_id, linked_at, run_id,
    match_confidence, decision, source, source_record_id)
SELECT i.record_id, i.profile_id, l.global_customer_id, l.global_customer_id, :as_of, :run_id,
       l.confidence, (CAST(:decisions AS text[]))[l.decision], i.source, i.source_record_id
FROM staging.identity_inputs AS i
JOIN pg_temp.identity_links AS l USING (record_id);

-- name: forget_links
-- Their rows are in the map now.
DROP TABLE pg_temp.identity_links;

-- name: continue_sequence
-- Births go on being numbered behind those that COPY numbered.
SELECT setval(pg_get_serial_sequence('identity.customers', 'customer_seq'), :customers);
