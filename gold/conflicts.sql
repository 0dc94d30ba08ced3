-- Phase 10: attributes on which the records of a customer disagree.

-- name: newest_touch
-- The newest word phase 7 left: its number, or 0.
SELECT coalesce(max(touched_id), 0) FROM gold.touched_customers

-- name: create_looked
-- The customers phase 7 rebuilt since conflicts were last looked for; all, when it rebuilt all.
CREATE TEMPORARY TABLE gold_looked ON COMMIT DROP AS
SELECT global_customer_id FROM gold.touched_customers
WHERE touched_id > :touched_id AND global_customer_id IS NOT NULL
UNION
SELECT d.global_customer_id FROM gold.dim_customers AS d
WHERE EXISTS (SELECT FROM gold.touched_customers
              WHERE touched_id > :touched_id AND global_customer_id IS NULL)
UNION
SELECT c.global_customer_id FROM gold.customer_attribute_conflicts AS c
WHERE c.resolved_at IS NULL
  AND EXISTS (SELECT FROM gold.touched_customers
              WHERE touched_id > :touched_id AND global_customer_id IS NULL)

-- name: create_found
-- The conflicts of these customers: one row per customer and attribute with more than one
-- standardised value (names are compared folded; parts of a name are left to full_name).
CREATE TEMPORARY TABLE gold_found ON COMMIT DROP AS
WITH disagreements AS (
    SELECT v.global_customer_id,
           min(v.std_name COLLATE "C") <> max(v.std_name COLLATE "C") AS full_name,
           min(v.email COLLATE "C") <> max(v.email COLLATE "C") AS email,
           min(v.phone COLLATE "C") <> max(v.phone COLLATE "C") AS phone,
           min(v.date_of_birth) <> max(v.date_of_birth) AS date_of_birth,
           min(v.gender COLLATE "C") <> max(v.gender COLLATE "C") AS gender,
           min(v.std_street COLLATE "C") <> max(v.std_street COLLATE "C") AS street,
           min(v.std_city COLLATE "C") <> max(v.std_city COLLATE "C") AS city,
           min(v.std_region COLLATE "C") <> max(v.std_region COLLATE "C") AS region,
           min(v.postcode COLLATE "C") <> max(v.postcode COLLATE "C") AS postcode,
           min(v.country COLLATE "C") <> max(v.country COLLATE "C") AS country,
           min(v.std_tax_id COLLATE "C") <> max(v.std_tax_id COLLATE "C") AS tax_id,
           min(v.std_customer_number COLLATE "C") <> max(v.std_customer_number COLLATE "C") AS customer_number,
           min(v.std_organisation COLLATE "C") <> max(v.std_organisation COLLATE "C") AS organisation,
           count(v.std_extra) > 1 AS extra
    FROM gold.survivorship_values AS v
    JOIN pg_temp.gold_looked USING (global_customer_id)
    GROUP BY v.global_customer_id
    HAVING count(*) > 1
), sightings AS (
    SELECT v.global_customer_id, v.source, seen.attribute, seen.value
    FROM disagreements AS d
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    CROSS JOIN LATERAL (
        VALUES ('full_name', d.full_name, v.std_name), ('email', d.email, v.email),
               ('phone', d.phone, v.phone),
               ('date_of_birth', d.date_of_birth, CAST(v.date_of_birth AS text)),
               ('gender', d.gender, v.gender), ('street', d.street, v.std_street),
               ('city', d.city, v.std_city), ('region', d.region, v.std_region),
               ('postcode', d.postcode, v.postcode), ('country', d.country, v.country),
               ('tax_id', d.tax_id, v.std_tax_id),
               ('customer_number', d.customer_number, v.std_customer_number),
               ('organisation', d.organisation, v.std_organisation)
    ) AS seen (attribute, is_open, value)
    WHERE seen.is_open AND seen.value IS NOT NULL
    UNION ALL
    SELECT v.global_customer_id, v.source, x.key, x.value
    FROM disagreements AS d
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    CROSS JOIN LATERAL jsonb_each_text(v.std_extra) AS x
    JOIN gold.golden_attributes AS a ON a.attribute = x.key AND a.is_extra
    WHERE d.extra AND x.value IS NOT NULL
), voices AS (
    SELECT global_customer_id, attribute, value, jsonb_agg(DISTINCT source ORDER BY source) AS sources
    FROM sightings
    GROUP BY global_customer_id, attribute, value
), found AS (
    SELECT global_customer_id, attribute, CAST(count(*) AS integer) AS value_n,
           jsonb_object_agg(value, sources) AS "values"
    FROM voices
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

-- name: close_conflicts
-- Open conflicts of customers looked at that are no more.
UPDATE gold.customer_attribute_conflicts AS c
SET resolved_at = :as_of, run_id = :run_id
FROM pg_temp.gold_looked AS l
WHERE c.global_customer_id = l.global_customer_id AND c.resolved_at IS NULL
  AND NOT EXISTS (SELECT FROM pg_temp.gold_found AS f
                  WHERE f.global_customer_id = c.global_customer_id AND f.attribute = c.attribute)

-- name: open_conflicts
-- New conflicts, and what is now known of those that stay.
INSERT INTO gold.customer_attribute_conflicts
    (global_customer_id, attribute, value_n, "values", winner, first_seen_at, last_seen_at, run_id)
SELECT f.global_customer_id, f.attribute, f.value_n, f."values", f.winner, :as_of, :as_of, :run_id
FROM pg_temp.gold_found AS f
ON CONFLICT (global_customer_id, attribute) WHERE resolved_at IS NULL DO UPDATE
SET value_n = excluded.value_n, "values" = excluded."values", winner = excluded.winner,
    last_seen_at = excluded.last_seen_at, run_id = excluded.run_id
