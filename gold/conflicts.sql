-- Phase 10: attributes on which the records of a customer disagree.

-- name: found_exists
-- Whether this transaction has looked for conflicts.
SELECT to_regclass('pg_temp.gold_found') IS NOT NULL

-- name: drop_found
-- Two runs in one transaction are allowed.
DROP TABLE IF EXISTS pg_temp.gold_found

-- name: all_are_touched
-- Whether phase 7 rebuilt all customers since conflicts were last looked for.
SELECT EXISTS (SELECT FROM gold.touched_customers WHERE touched_id > :touched_id AND global_customer_id IS NULL)

-- name: create_looked
-- The customers to look at: those phase 7 rebuilt since conflicts were last looked for, unless it rebuilt all.
DROP TABLE IF EXISTS pg_temp.gold_looked, pg_temp.gold_known;
CREATE TEMPORARY TABLE gold_looked ON COMMIT DROP AS
SELECT DISTINCT t.global_customer_id
FROM gold.touched_customers AS t
WHERE t.touched_id > :touched_id AND NOT :everyone;
ANALYZE pg_temp.gold_looked

-- name: touch_looked
-- The same for survivorship, with their records; of everyone, those in gold.
CREATE UNLOGGED TABLE gold.work_touched AS
SELECT l.global_customer_id, (SELECT count(*) FROM identity.customer_identity_map AS m
                              WHERE m.global_customer_id = l.global_customer_id) AS record_n
FROM (SELECT global_customer_id FROM pg_temp.gold_looked
      UNION ALL
      SELECT global_customer_id FROM gold.dim_customers WHERE :everyone) AS l;
ANALYZE gold.work_touched;
CREATE UNLOGGED TABLE gold.work_record WITH (parallel_workers = 1) AS
SELECT m.global_customer_id, m.record_id, m.profile_id
FROM identity.customer_identity_map AS m
WHERE m.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_looked))

-- name: create_found
-- The conflicts of the customers in work_winner: one row per customer and attribute (by its position)
-- with more than one standardised value (names are compared folded; parts of a name are left to
-- full_name), and the golden value that won. In the braces goes the table of these: what phase 7 has just
-- made, or gold itself.
CREATE TEMPORARY TABLE gold_found ON COMMIT DROP AS
WITH disputes AS (
    SELECT w.global_customer_id, a.position
    FROM gold.work_winner AS w
    CROSS JOIN (VALUES (1), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15), (16)) AS a (position)
    WHERE CASE a.position
              WHEN 1 THEN w.full_name_differs WHEN 5 THEN w.email_differs WHEN 6 THEN w.phone_differs
              WHEN 7 THEN w.date_of_birth_differs WHEN 8 THEN w.gender_differs WHEN 9 THEN w.street_differs
              WHEN 10 THEN w.city_differs WHEN 11 THEN w.region_differs WHEN 12 THEN w.postcode_differs
              WHEN 13 THEN w.country_differs WHEN 14 THEN w.tax_id_differs
              WHEN 15 THEN w.customer_number_differs WHEN 16 THEN w.organisation_differs END
), sightings AS (
    -- a row per record and attribute in dispute, and none for the others
    SELECT m.global_customer_id, d.position, m.source_mask,
           CASE d.position
               WHEN 1 THEN m.std_name WHEN 5 THEN m.email WHEN 6 THEN m.phone
               WHEN 7 THEN CAST(m.date_of_birth AS text) WHEN 8 THEN m.gender WHEN 9 THEN m.std_street
               WHEN 10 THEN m.std_city WHEN 11 THEN m.std_region WHEN 12 THEN m.postcode
               WHEN 13 THEN m.country WHEN 14 THEN m.std_tax_id WHEN 15 THEN m.std_customer_number
               WHEN 16 THEN m.std_organisation END AS value
    FROM disputes AS d
    JOIN gold.work_member AS m USING (global_customer_id)
    UNION ALL
    SELECT m.global_customer_id, a.position, m.source_mask, x.value
    FROM gold.work_winner AS w
    JOIN gold.work_member AS m USING (global_customer_id)
    CROSS JOIN LATERAL jsonb_each_text(m.std_extra) AS x
    JOIN gold.golden_attributes AS a ON a.attribute = x.key AND a.is_extra
    WHERE w.extra_may_differ
), voices AS (
    SELECT global_customer_id, position, value, CAST(bit_or(source_mask) AS text) AS source_set
    FROM sightings
    WHERE value IS NOT NULL
    GROUP BY global_customer_id, position, value
), source_sets AS (
    -- a few sets of sources serve all values
    SELECT s.source_set, jsonb_agg(r.source ORDER BY r.source COLLATE "C") AS sources
    FROM (SELECT source_set FROM voices GROUP BY source_set) AS s
    JOIN unnest(CAST(:sources AS text[])) WITH ORDINALITY AS r (source, rank)
      ON substr(s.source_set, CAST(r.rank AS integer), 1) = '1'
    GROUP BY s.source_set
), disagreed AS (
    SELECT v.global_customer_id, v.position, CAST(count(*) AS integer) AS value_n,
           jsonb_object_agg(v.value, s.sources) AS "values"
    FROM voices AS v
    JOIN source_sets AS s USING (source_set)
    GROUP BY v.global_customer_id, v.position
    HAVING count(*) > 1
)
SELECT f.global_customer_id, f.position, a.attribute, f.value_n, f."values",
       CASE f.position
           WHEN 1 THEN d.canonical_full_name WHEN 5 THEN d.canonical_email
           WHEN 6 THEN d.canonical_phone WHEN 7 THEN CAST(d.canonical_date_of_birth AS text)
           WHEN 8 THEN d.canonical_gender WHEN 9 THEN d.canonical_street
           WHEN 10 THEN d.canonical_city WHEN 11 THEN d.canonical_region
           WHEN 12 THEN d.canonical_postcode WHEN 13 THEN d.canonical_country
           WHEN 14 THEN d.canonical_tax_id WHEN 15 THEN d.canonical_customer_number
           WHEN 16 THEN d.canonical_organisation
           ELSE d.extra ->> a.attribute END AS winner
FROM disagreed AS f
JOIN gold.golden_attributes AS a USING (position)
JOIN {golden} AS d USING (global_customer_id);
ANALYZE pg_temp.gold_found (global_customer_id, position)

-- name: count_found
-- How many conflicts these customers have.
SELECT count(*) FROM pg_temp.gold_found

-- name: count_open
-- All open conflicts by attribute.
SELECT attribute, count(*) AS n
FROM gold.customer_attribute_conflicts
WHERE resolved_at IS NULL
GROUP BY attribute

-- name: count_looked
-- How many customers were looked at.
SELECT (SELECT count(*) FROM pg_temp.gold_looked)
       + (SELECT count(*) FROM gold.dim_customers WHERE :everyone)

-- name: create_known
-- The open conflicts of the customers looked at, as they are on record (their position is NULL where
-- the attribute is no more). Most open conflicts are of others: the index is walked once along an array.
CREATE TEMPORARY TABLE gold_known ON COMMIT DROP AS
SELECT c.conflict_id, c.global_customer_id, a.position, c."values", c.winner
FROM gold.customer_attribute_conflicts AS c
LEFT JOIN gold.golden_attributes AS a USING (attribute)
WHERE c.resolved_at IS NULL
  AND (:everyone OR c.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_looked)));
ANALYZE pg_temp.gold_known (global_customer_id, position)

-- name: close_conflicts
-- Close those that are no more: how many, by attribute.
WITH closed AS (
    UPDATE gold.customer_attribute_conflicts AS c
    SET resolved_at = :as_of, run_id = :run_id
    WHERE c.conflict_id = ANY (ARRAY(
        SELECT k.conflict_id
        FROM pg_temp.gold_known AS k
        WHERE NOT EXISTS (SELECT FROM pg_temp.gold_found AS f
                          WHERE f.global_customer_id = k.global_customer_id AND f.position = k.position)))
    RETURNING c.attribute
)
SELECT attribute, count(*) AS n FROM closed GROUP BY attribute

-- name: merge_conflicts
-- Open those that are new (how many, by attribute), and what is now known of those that stay, where
-- that is not what was known.
WITH refreshed AS (
    UPDATE gold.customer_attribute_conflicts AS c
    SET value_n = n.value_n, "values" = n."values", winner = n.winner, last_seen_at = :as_of, run_id = :run_id
    FROM (SELECT k.conflict_id, f.value_n, f."values", f.winner
          FROM pg_temp.gold_known AS k
          JOIN pg_temp.gold_found AS f USING (global_customer_id, position)
          WHERE (f."values", f.winner) IS DISTINCT FROM (k."values", k.winner)
          OFFSET 0) AS n  -- first: these are few
    WHERE c.conflict_id = n.conflict_id
), opened AS (
    INSERT INTO gold.customer_attribute_conflicts
        (global_customer_id, attribute, value_n, "values", winner, first_seen_at, last_seen_at, run_id)
    SELECT f.global_customer_id, f.attribute, f.value_n, f."values", f.winner, :as_of, :as_of, :run_id
    FROM pg_temp.gold_found AS f
    WHERE NOT EXISTS (SELECT FROM pg_temp.gold_known AS k
                      WHERE k.global_customer_id = f.global_customer_id AND k.position = f.position)
    RETURNING attribute
)
SELECT attribute, count(*) AS n FROM opened GROUP BY attribute
