-- Phase 10: attributes on which the records of a customer disagree.

-- name: create_looked
-- The customers phase 7 rebuilt since conflicts were last looked for; all, when it rebuilt all.
CREATE TEMPORARY TABLE gold_touched ON COMMIT DROP AS
WITH news AS (
    SELECT global_customer_id FROM gold.touched_customers WHERE touched_id > :touched_id
), looked AS (
    SELECT global_customer_id FROM news WHERE global_customer_id IS NOT NULL
    UNION
    SELECT d.global_customer_id FROM gold.dim_customers AS d
    WHERE EXISTS (SELECT FROM news WHERE global_customer_id IS NULL)
    UNION
    SELECT c.global_customer_id FROM gold.customer_attribute_conflicts AS c
    WHERE c.resolved_at IS NULL AND EXISTS (SELECT FROM news WHERE global_customer_id IS NULL)
)
SELECT l.global_customer_id, (SELECT count(*) FROM identity.customer_identity_map AS m
                              WHERE m.global_customer_id = l.global_customer_id) AS record_n
FROM looked AS l

-- name: create_found
-- The conflicts of these customers: one row per customer and attribute (by its position) with more
-- than one standardised value (names are compared folded; parts of a name are left to full_name).
CREATE TEMPORARY TABLE gold_found ON COMMIT DROP AS
WITH disputed AS (
    -- unnest in the list of columns: a VALUES list beside each record takes four times as long
    SELECT m.global_customer_id, m.source_mask,
           unnest(CAST('{1,5,6,7,8,9,10,11,12,13,14,15,16}' AS smallint[])) AS position,
           unnest(ARRAY[CASE WHEN w.full_name_differs THEN m.std_name END,
                        CASE WHEN w.email_differs THEN m.email END,
                        CASE WHEN w.phone_differs THEN m.phone END,
                        CASE WHEN w.date_of_birth_differs THEN CAST(m.date_of_birth AS text) END,
                        CASE WHEN w.gender_differs THEN m.gender END,
                        CASE WHEN w.street_differs THEN m.std_street END,
                        CASE WHEN w.city_differs THEN m.std_city END,
                        CASE WHEN w.region_differs THEN m.std_region END,
                        CASE WHEN w.postcode_differs THEN m.postcode END,
                        CASE WHEN w.country_differs THEN m.country END,
                        CASE WHEN w.tax_id_differs THEN m.std_tax_id END,
                        CASE WHEN w.customer_number_differs THEN m.std_customer_number END,
                        CASE WHEN w.organisation_differs THEN m.std_organisation END]) AS value
    FROM pg_temp.gold_winner AS w
    JOIN pg_temp.gold_member AS m USING (global_customer_id)
), sightings AS (
    SELECT global_customer_id, position, value, source_mask FROM disputed WHERE value IS NOT NULL
    UNION ALL
    SELECT m.global_customer_id, a.position, x.value, m.source_mask
    FROM pg_temp.gold_winner AS w
    JOIN pg_temp.gold_member AS m USING (global_customer_id)
    CROSS JOIN LATERAL jsonb_each_text(m.std_extra) AS x
    JOIN gold.golden_attributes AS a ON a.attribute = x.key AND a.is_extra
    WHERE w.extra_may_differ AND x.value IS NOT NULL
), voices AS (
    SELECT global_customer_id, position, value, CAST(bit_or(source_mask) AS text) AS source_set
    FROM sightings
    GROUP BY global_customer_id, position, value
), source_sets AS (
    -- a few sets of sources serve all values
    SELECT s.source_set, jsonb_agg(r.source ORDER BY r.source COLLATE "C") AS sources
    FROM (SELECT source_set FROM voices GROUP BY source_set) AS s
    JOIN unnest(CAST(:sources AS text[])) WITH ORDINALITY AS r (source, rank)
      ON substr(s.source_set, CAST(r.rank AS integer), 1) = '1'
    GROUP BY s.source_set
)
SELECT v.global_customer_id, v.position, CAST(count(*) AS integer) AS value_n,
       jsonb_object_agg(v.value, s.sources) AS "values"
FROM voices AS v
JOIN source_sets AS s USING (source_set)
GROUP BY v.global_customer_id, v.position
HAVING count(*) > 1

-- name: count_looked
-- How many customers were looked at.
SELECT count(*) FROM pg_temp.gold_touched

-- name: close_conflicts
-- Open conflicts of customers looked at that are no more.
UPDATE gold.customer_attribute_conflicts AS c
SET resolved_at = :as_of, run_id = :run_id
FROM pg_temp.gold_touched AS l
WHERE c.global_customer_id = l.global_customer_id AND c.resolved_at IS NULL
  AND NOT EXISTS (SELECT FROM pg_temp.gold_found AS f
                  JOIN gold.golden_attributes AS a USING (position)
                  WHERE f.global_customer_id = c.global_customer_id AND a.attribute = c.attribute)

-- name: merge_conflicts
-- New conflicts, and what is now known of open ones that stay.
MERGE INTO gold.customer_attribute_conflicts AS c
USING (
    SELECT f.global_customer_id, a.attribute, f.value_n, f."values",
           CASE f.position
               WHEN 1 THEN d.canonical_full_name WHEN 5 THEN d.canonical_email
               WHEN 6 THEN d.canonical_phone WHEN 7 THEN CAST(d.canonical_date_of_birth AS text)
               WHEN 8 THEN d.canonical_gender WHEN 9 THEN d.canonical_street
               WHEN 10 THEN d.canonical_city WHEN 11 THEN d.canonical_region
               WHEN 12 THEN d.canonical_postcode WHEN 13 THEN d.canonical_country
               WHEN 14 THEN d.canonical_tax_id WHEN 15 THEN d.canonical_customer_number
               WHEN 16 THEN d.canonical_organisation
               ELSE d.extra ->> a.attribute END AS winner
    FROM pg_temp.gold_found AS f
    JOIN gold.golden_attributes AS a USING (position)
    JOIN gold.dim_customers AS d USING (global_customer_id)) AS f
   ON c.global_customer_id = f.global_customer_id AND c.attribute = f.attribute AND c.resolved_at IS NULL
WHEN MATCHED THEN UPDATE
    SET value_n = f.value_n, "values" = f."values", winner = f.winner, last_seen_at = :as_of, run_id = :run_id
WHEN NOT MATCHED THEN INSERT
    (global_customer_id, attribute, value_n, "values", winner, first_seen_at, last_seen_at, run_id)
    VALUES (f.global_customer_id, f.attribute, f.value_n, f."values", f.winner, :as_of, :as_of, :run_id)
