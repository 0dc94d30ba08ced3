-- Phase 8: changes into SCD2 versions.

-- name: is_first
-- Whether all changes are the first of their customers (asked where nothing was consumed before).
SELECT NOT EXISTS (SELECT FROM gold.customer_changes WHERE change_type NOT IN ('INSERT', 'SPLIT'))

-- name: open_first_versions
-- One open version per customer, where history begins: there are no versions to go on from.
INSERT INTO gold.dim_customers_history (
    global_customer_id, version, valid_from, change_id, run_id, rests_on_until,
    canonical_full_name, canonical_given_name, canonical_middle_name, canonical_family_name,
    canonical_email, canonical_phone, canonical_date_of_birth, canonical_gender, canonical_street,
    canonical_city, canonical_region, canonical_postcode, canonical_country, canonical_tax_id,
    canonical_customer_number, canonical_organisation, extra, source_systems, primary_source)
SELECT c.global_customer_id, 1, c.occurred_at, c.change_id, c.run_id, d.last_seen_at,
       d.canonical_full_name, d.canonical_given_name, d.canonical_middle_name, d.canonical_family_name,
       d.canonical_email, d.canonical_phone, d.canonical_date_of_birth, d.canonical_gender,
       d.canonical_street, d.canonical_city, d.canonical_region, d.canonical_postcode,
       d.canonical_country, d.canonical_tax_id, d.canonical_customer_number,
       d.canonical_organisation, d.extra, d.source_systems, d.primary_source
FROM gold.customer_changes AS c
JOIN gold.dim_customers AS d USING (global_customer_id)

-- name: drop_pending
-- Two runs in one transaction are allowed.
DROP TABLE IF EXISTS pg_temp.gold_pending

-- name: create_pending
-- The changes that history has not seen, the last one per customer and instant (a version that
-- begins and ends at one instant would be none), with the state each of them led to.
CREATE TEMPORARY TABLE gold_pending ON COMMIT DROP AS
WITH pending AS (
    SELECT c.change_id, c.run_id, c.occurred_at, c.global_customer_id,
           c.change_type IN ('INSERT', 'UPDATE', 'SPLIT') AS is_alive,
           lead(c.occurred_at) OVER later AS next_at,
           -- what a change led to is what the next one found
           lead(c.old_row) OVER later AS new_row
    FROM gold.customer_changes AS c
    WHERE c.change_id > :change_id
    WINDOW later AS (PARTITION BY c.global_customer_id ORDER BY c.change_id)
)
SELECT * FROM pending WHERE next_at IS DISTINCT FROM occurred_at

-- name: analyze_pending
-- What follows plans by how many there are.
ANALYZE pg_temp.gold_pending (global_customer_id, is_alive)

-- name: end_versions
-- Open versions of customers with pending changes end where the first of these begins; those that began
-- at that very instant were never valid and go. One row: how many ended, how many went.
WITH ended AS (
    MERGE INTO gold.dim_customers_history AS h
    USING (SELECT global_customer_id, min(occurred_at) AS ends_at
           FROM pg_temp.gold_pending GROUP BY global_customer_id) AS p
       ON h.global_customer_id = p.global_customer_id AND h.valid_to IS NULL
    WHEN MATCHED AND h.valid_from = p.ends_at THEN DELETE
    WHEN MATCHED THEN UPDATE SET valid_to = p.ends_at
    RETURNING merge_action() AS action
)
SELECT count(*) FILTER (WHERE action = 'UPDATE') AS closed, count(*) FILTER (WHERE action = 'DELETE') AS replaced
FROM ended

-- name: open_versions
-- One version per pending change that left the customer alive; each names the end of the one before.
-- What a version of changes that piled up rests on is not kept: nothing later than its own instant.
WITH last_versions AS (
    SELECT DISTINCT ON (h.global_customer_id)
           h.global_customer_id, h.version, h.valid_from, h.valid_to
    FROM gold.dim_customers_history AS h
    WHERE h.global_customer_id IN (SELECT global_customer_id FROM pg_temp.gold_pending)
    ORDER BY h.global_customer_id, h.version DESC
), numbered AS (
    SELECT p.*, p.next_at AS valid_to,
           coalesce(l.version, 0)
               + row_number() OVER (PARTITION BY p.global_customer_id ORDER BY p.change_id) AS version,
           coalesce(lag(p.next_at) OVER (PARTITION BY p.global_customer_id ORDER BY p.change_id),
                    l.valid_to) AS previous_valid_to
    FROM pg_temp.gold_pending AS p
    LEFT JOIN last_versions AS l USING (global_customer_id)
    WHERE p.is_alive
)
INSERT INTO gold.dim_customers_history (
    global_customer_id, version, valid_from, valid_to, previous_valid_to, change_id, run_id,
    rests_on_until,
    canonical_full_name, canonical_given_name, canonical_middle_name, canonical_family_name,
    canonical_email, canonical_phone, canonical_date_of_birth, canonical_gender, canonical_street,
    canonical_city, canonical_region, canonical_postcode, canonical_country, canonical_tax_id,
    canonical_customer_number, canonical_organisation, extra, source_systems, primary_source)
SELECT n.global_customer_id, n.version, n.occurred_at, n.valid_to, n.previous_valid_to, n.change_id, n.run_id,
       d.last_seen_at,
       d.canonical_full_name, d.canonical_given_name, d.canonical_middle_name, d.canonical_family_name,
       d.canonical_email, d.canonical_phone, d.canonical_date_of_birth, d.canonical_gender,
       d.canonical_street, d.canonical_city, d.canonical_region, d.canonical_postcode,
       d.canonical_country, d.canonical_tax_id, d.canonical_customer_number,
       d.canonical_organisation, d.extra, d.source_systems, d.primary_source
FROM numbered AS n
JOIN gold.dim_customers AS d USING (global_customer_id)
WHERE n.new_row IS NULL
UNION ALL
SELECT n.global_customer_id, n.version, n.occurred_at, n.valid_to, n.previous_valid_to, n.change_id, n.run_id,
       n.occurred_at,
       d.canonical_full_name, d.canonical_given_name, d.canonical_middle_name, d.canonical_family_name,
       d.canonical_email, d.canonical_phone, d.canonical_date_of_birth, d.canonical_gender,
       d.canonical_street, d.canonical_city, d.canonical_region, d.canonical_postcode,
       d.canonical_country, d.canonical_tax_id, d.canonical_customer_number,
       d.canonical_organisation, d.extra, d.source_systems, d.primary_source
FROM numbered AS n
CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS gold.dim_customers), n.new_row) AS d
WHERE n.new_row IS NOT NULL

-- name: analyze_versions
-- What comes behind plans by it, and autovacuum sees nothing before the commit.
ANALYZE gold.dim_customers_history (global_customer_id, valid_to)

-- name: last_change
-- The newest change there is to consume, none later than what this transaction sees.
SELECT coalesce(max(change_id), 0) FROM gold.customer_changes
