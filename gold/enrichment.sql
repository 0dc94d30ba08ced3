-- Phase 10: guesses beside the golden values, where the configuration asks for them.

-- name: infer_gender
-- Bring gold.customer_enrichments to what given names say now: one row per customer without a gender
-- whose first given name, in standard form, is borne by more customers of one gender than of the
-- other. A customer whose gender a steward has decided is left alone. Returns nothing; rowcount is
-- the rows changed.
WITH named AS MATERIALIZED (
    SELECT d.global_customer_id, d.canonical_gender AS gender,
           coalesce(l.overrides ? 'gender', false) AS is_decided,
           split_part(CASE WHEN coalesce(l.overrides ?| ARRAY['full_name', 'given_name'], false)
                           THEN lower(d.canonical_given_name) ELSE r.std_given_name END, ' ', 1) AS given_name
    FROM gold.dim_customers AS d
    JOIN gold.customer_lineage AS l USING (global_customer_id)
    LEFT JOIN staging.records AS r ON r.record_id = l.record_ids[1]
), counted AS (
    SELECT given_name, count(*) AS n, count(*) FILTER (WHERE gender = 'f') AS female_n
    FROM named
    -- one letter is an initial
    WHERE gender IN ('f', 'm') AND length(given_name) > 1
    GROUP BY given_name
), learnt AS (
    SELECT given_name, n, CASE WHEN 2 * female_n > n THEN 'f' ELSE 'm' END AS value,
           CAST((greatest(female_n, n - female_n) + 1) / (n + 2.0) AS real) AS share
    FROM counted
    WHERE 2 * female_n <> n
), inferred AS (
    SELECT named.global_customer_id, learnt.value, learnt.share, learnt.n AS support
    FROM named
    JOIN learnt USING (given_name)
    WHERE named.gender IS NULL AND NOT named.is_decided
)
MERGE INTO gold.customer_enrichments AS e
USING inferred AS i
   ON e.global_customer_id = i.global_customer_id AND e.attribute = 'gender_inferred'
WHEN MATCHED AND (e.value, e.share, e.support) IS DISTINCT FROM (i.value, i.share, i.support) THEN
    UPDATE SET value = i.value, share = i.share, support = i.support, run_id = :run_id
WHEN NOT MATCHED THEN
    INSERT (global_customer_id, attribute, value, share, support, run_id)
    VALUES (i.global_customer_id, 'gender_inferred', i.value, i.share, i.support, :run_id)
WHEN NOT MATCHED BY SOURCE AND e.attribute = 'gender_inferred' THEN DELETE

-- name: forget_gender
-- Guesses that are no longer asked for go.
DELETE FROM gold.customer_enrichments WHERE attribute = 'gender_inferred'

-- name: forget_marks
-- Switched on again, enrichment looks at everybody.
DELETE FROM gold.layer_state WHERE layer = 'enrichment'
