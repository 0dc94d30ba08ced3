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
-- The conflicts of these customers: one row per customer and attribute with more than one
-- standardised value (names are compared folded; parts of a name are left to full_name).
CREATE TEMPORARY TABLE gold_found ON COMMIT DROP AS
WITH disputed AS MATERIALIZED (
    SELECT m.global_customer_id, w.full_name_differs, w.email_differs, w.phone_differs,
           w.date_of_birth_differs, w.gender_differs, w.street_differs, w.city_differs,
           w.region_differs, w.postcode_differs, w.country_differs, w.tax_id_differs,
           w.customer_number_differs, w.organisation_differs, w.extra_may_differ,
           m.source_mask, m.std_name, m.email, m.phone, m.date_of_birth, m.gender, m.std_street,
           m.std_city, m.std_region, m.postcode, m.country, m.std_tax_id, m.std_customer_number,
           m.std_organisation, m.std_extra
    FROM pg_temp.gold_winner AS w
    JOIN pg_temp.gold_member AS m USING (global_customer_id)
    WHERE w.full_name_differs OR w.email_differs OR w.phone_differs OR w.date_of_birth_differs
       OR w.gender_differs OR w.street_differs OR w.city_differs OR w.region_differs
       OR w.postcode_differs OR w.country_differs OR w.tax_id_differs OR w.customer_number_differs
       OR w.organisation_differs OR w.extra_may_differ
), sightings AS (
    SELECT global_customer_id, 'full_name' AS attribute, std_name AS value, source_mask FROM disputed WHERE full_name_differs
    UNION ALL SELECT global_customer_id, 'email', email, source_mask FROM disputed WHERE email_differs
    UNION ALL SELECT global_customer_id, 'phone', phone, source_mask FROM disputed WHERE phone_differs
    UNION ALL SELECT global_customer_id, 'date_of_birth', CAST(date_of_birth AS text), source_mask
          FROM disputed WHERE date_of_birth_differs
    UNION ALL SELECT global_customer_id, 'gender', gender, source_mask FROM disputed WHERE gender_differs
    UNION ALL SELECT global_customer_id, 'street', std_street, source_mask FROM disputed WHERE street_differs
    UNION ALL SELECT global_customer_id, 'city', std_city, source_mask FROM disputed WHERE city_differs
    UNION ALL SELECT global_customer_id, 'region', std_region, source_mask FROM disputed WHERE region_differs
    UNION ALL SELECT global_customer_id, 'postcode', postcode, source_mask FROM disputed WHERE postcode_differs
    UNION ALL SELECT global_customer_id, 'country', country, source_mask FROM disputed WHERE country_differs
    UNION ALL SELECT global_customer_id, 'tax_id', std_tax_id, source_mask FROM disputed WHERE tax_id_differs
    UNION ALL SELECT global_customer_id, 'customer_number', std_customer_number, source_mask
          FROM disputed WHERE customer_number_differs
    UNION ALL SELECT global_customer_id, 'organisation', std_organisation, source_mask
          FROM disputed WHERE organisation_differs
    UNION ALL SELECT d.global_customer_id, x.key, x.value, d.source_mask
          FROM disputed AS d
          CROSS JOIN LATERAL jsonb_each_text(d.std_extra) AS x
          JOIN gold.golden_attributes AS a ON a.attribute = x.key AND a.is_extra
          WHERE d.extra_may_differ
), voices AS (
    SELECT global_customer_id, attribute, value, CAST(bit_or(source_mask) AS text) AS source_set
    FROM sightings
    WHERE value IS NOT NULL
    GROUP BY global_customer_id, attribute, value
), source_sets AS (
    -- a few sets of sources serve all values
    SELECT s.source_set, jsonb_agg(r.source ORDER BY r.source COLLATE "C") AS sources
    FROM (SELECT source_set FROM voices GROUP BY source_set) AS s
    JOIN unnest(CAST(:sources AS text[])) WITH ORDINALITY AS r (source, rank)
      ON substr(s.source_set, CAST(r.rank AS integer), 1) = '1'
    GROUP BY s.source_set
), found AS (
    SELECT global_customer_id, attribute, CAST(count(*) AS integer) AS value_n,
           jsonb_object_agg(value, sources) AS "values"
    FROM voices
    JOIN source_sets USING (source_set)
    GROUP BY global_customer_id, attribute
    HAVING count(*) > 1
)
SELECT f.*,
       CASE f.attribute
           WHEN 'full_name' THEN d.canonical_full_name WHEN 'email' THEN d.canonical_email
           WHEN 'phone' THEN d.canonical_phone
           WHEN 'date_of_birth' THEN CAST(d.canonical_date_of_birth AS text)
           WHEN 'gender' THEN d.canonical_gender WHEN 'street' THEN d.canonical_street
           WHEN 'city' THEN d.canonical_city WHEN 'region' THEN d.canonical_region
           WHEN 'postcode' THEN d.canonical_postcode WHEN 'country' THEN d.canonical_country
           WHEN 'tax_id' THEN d.canonical_tax_id
           WHEN 'customer_number' THEN d.canonical_customer_number
           WHEN 'organisation' THEN d.canonical_organisation
           ELSE d.extra ->> f.attribute END AS winner
FROM found AS f
JOIN gold.dim_customers AS d USING (global_customer_id)

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
                  WHERE f.global_customer_id = c.global_customer_id AND f.attribute = c.attribute)

-- name: refresh_conflicts
-- What is now known of open conflicts that stay.
UPDATE gold.customer_attribute_conflicts AS c
SET value_n = f.value_n, "values" = f."values", winner = f.winner, last_seen_at = :as_of, run_id = :run_id
FROM pg_temp.gold_found AS f
WHERE c.global_customer_id = f.global_customer_id AND c.attribute = f.attribute AND c.resolved_at IS NULL

-- name: open_conflicts
-- New conflicts.
INSERT INTO gold.customer_attribute_conflicts
    (global_customer_id, attribute, value_n, "values", winner, first_seen_at, last_seen_at, run_id)
SELECT f.global_customer_id, f.attribute, f.value_n, f."values", f.winner, :as_of, :as_of, :run_id
FROM pg_temp.gold_found AS f
WHERE NOT EXISTS (SELECT FROM gold.customer_attribute_conflicts AS c
                  WHERE c.global_customer_id = f.global_customer_id AND c.attribute = f.attribute
                    AND c.resolved_at IS NULL)
