-- Phase 10: figures per run, written only when what they measure has moved.

-- name: signature
-- What the figures and the review queue are made from: one row.
SELECT (SELECT marks ->> 'touched_id' FROM gold.layer_state WHERE layer = 'conflicts') AS touched_id,
       (SELECT marks ->> 'change_seq' FROM gold.layer_state WHERE layer = 'golden') AS change_seq,
       (SELECT format('%s/%s', change_seq, config_hash)
        FROM staging.volatile_marker WHERE layer = 'matching') AS pairs,
       (SELECT max(model_id) FROM ops.match_models WHERE is_current) AS model_id,
       (SELECT max(run_id) FROM identity.consumption) AS identity_run_id,
       (SELECT max(decision_id) FROM identity.steward_link_decisions) AS decision_id,
       (SELECT max(override_id) FROM gold.customer_steward_overrides) AS override_id

-- name: touched
-- How often phase 7 has rebuilt a customer since the last figures (their words may be gone, their
-- numbers are not), whether it has rebuilt all, and how many customers the last figures counted.
SELECT coalesce((SELECT CAST(marks ->> 'touched_id' AS bigint)
                 FROM gold.layer_state WHERE layer = 'conflicts'), 0) - CAST(:touched_id AS bigint) AS rebuilt_n,
       EXISTS (SELECT FROM gold.touched_customers
               WHERE touched_id > CAST(:touched_id AS bigint) AND global_customer_id IS NULL) AS everyone,
       coalesce((SELECT customer_n FROM gold.data_quality_metrics ORDER BY run_id DESC LIMIT 1), 0) AS customer_n

-- name: measure_matches
-- Scored pairs by decision and band of probability.
DELETE FROM gold.match_confidence_metrics WHERE run_id = :run_id;
INSERT INTO gold.match_confidence_metrics
    (run_id, decision, band, pair_n, mean_probability, min_probability, max_probability,
     mean_weight, measured_at)
SELECT :run_id, m.decision, b.label, m.pair_n, m.probability_sum / m.pair_n, m.lowest, m.highest,
       m.weight_sum / m.pair_n, :as_of
FROM staging.scored_pair_counts AS m
JOIN (VALUES (1, '0.00-0.10'), (2, '0.10-0.50'), (3, '0.50-0.80'), (4, '0.80-0.90'),
             (5, '0.90-0.95'), (6, '0.95-0.99'), (7, '0.99-1.00')) AS b (band, label) USING (band)

-- name: count_filled
-- How many golden customers there are, and of how many each attribute is filled and in conflict: a row
-- per attribute. (Into a table of their own, because an INSERT keeps its SELECT on one core.)
DROP TABLE IF EXISTS pg_temp.gold_filled;
CREATE TEMPORARY TABLE gold_filled ON COMMIT DROP AS
WITH filled AS (
    SELECT count(*) AS customer_n,
           ARRAY[count(canonical_full_name), count(canonical_given_name),
                 count(canonical_middle_name), count(canonical_family_name), count(canonical_email),
                 count(canonical_phone), count(canonical_date_of_birth), count(canonical_gender),
                 count(canonical_street), count(canonical_city), count(canonical_region),
                 count(canonical_postcode), count(canonical_country), count(canonical_tax_id),
                 count(canonical_customer_number), count(canonical_organisation)] AS by_position
    FROM gold.dim_customers
), extras AS (
    SELECT e.key AS attribute, count(*) AS filled_n
    FROM gold.dim_customers AS d
    CROSS JOIN LATERAL jsonb_object_keys(d.extra) AS e (key)
    WHERE d.extra <> '{}'
    GROUP BY e.key
), conflicts AS (
    SELECT attribute, count(*) AS conflict_n
    FROM gold.customer_attribute_conflicts WHERE resolved_at IS NULL GROUP BY attribute
)
SELECT a.attribute, f.customer_n,
       CASE WHEN a.is_extra THEN coalesce(x.filled_n, 0) ELSE f.by_position[a.position] END AS filled_n,
       coalesce(c.conflict_n, 0) AS conflict_n
FROM gold.golden_attributes AS a
CROSS JOIN filled AS f
LEFT JOIN extras AS x USING (attribute)
LEFT JOIN conflicts AS c USING (attribute)

-- name: followable
-- Up to which event the figures about to be made are told (nothing where changes wait to be told),
-- and whether they can be had by following the events from :event_seq on: where those before were of
-- the same attributes, and the events are few beside the customers.
WITH told AS (
    SELECT CAST(s.marks ->> 'change_id' AS bigint) AS event_seq
    FROM gold.layer_state AS s
    WHERE s.layer = 'events'
      AND NOT EXISTS (SELECT FROM gold.customer_changes AS c
                      WHERE c.change_id > CAST(s.marks ->> 'change_id' AS bigint))
), figures AS (
    SELECT f.attribute, f.customer_n
    FROM gold.data_quality_metrics AS f
    WHERE f.run_id = (SELECT max(run_id) FROM gold.data_quality_metrics)
)
SELECT (SELECT event_seq FROM told) AS event_seq,
       coalesce((SELECT event_seq FROM told) - CAST(:event_seq AS bigint)
                <= :share * (SELECT max(customer_n) FROM figures), false)
       AND NOT EXISTS (SELECT FROM figures AS f
                       FULL JOIN gold.golden_attributes AS a ON a.attribute = f.attribute
                       WHERE a.attribute IS NULL OR f.attribute IS NULL) AS can_follow

-- name: follow_filled
-- The same from the figures before and the events since.
DROP TABLE IF EXISTS pg_temp.gold_filled;
CREATE TEMPORARY TABLE gold_filled ON COMMIT DROP AS
WITH before AS (
    SELECT f.attribute, f.customer_n, f.filled_n
    FROM gold.data_quality_metrics AS f
    WHERE f.run_id = (SELECT max(run_id) FROM gold.data_quality_metrics)
), told AS (
    SELECT e.event_type, e.old_values, e.new_values
    FROM gold.customer_change_events AS e
    WHERE e.event_seq > :event_seq
), born AS (
    SELECT count(*) FILTER (WHERE event_type IN ('INSERT', 'SPLIT'))
           - count(*) FILTER (WHERE event_type IN ('MERGE', 'DELETE')) AS customer_n
    FROM told
), moved AS (
    SELECT a.attribute, count(t.new_values ->> ('canonical_' || a.attribute))
                        - count(t.old_values ->> ('canonical_' || a.attribute)) AS filled_n
    FROM told AS t
    CROSS JOIN gold.golden_attributes AS a
    WHERE NOT a.is_extra
    GROUP BY a.attribute
    UNION ALL
    SELECT x.attribute, sum(x.n)
    FROM told AS t
    CROSS JOIN LATERAL (
        SELECT attribute, 1 FROM jsonb_object_keys(t.new_values -> 'extra') AS attribute
        UNION ALL
        SELECT attribute, -1 FROM jsonb_object_keys(t.old_values -> 'extra') AS attribute) AS x (attribute, n)
    GROUP BY x.attribute
)
SELECT b.attribute, b.customer_n + born.customer_n AS customer_n,
       b.filled_n + coalesce(m.filled_n, 0) AS filled_n,
       coalesce(CAST(s.marks -> 'open' ->> b.attribute AS bigint), 0) AS conflict_n
FROM before AS b
CROSS JOIN born
LEFT JOIN moved AS m USING (attribute)
LEFT JOIN gold.layer_state AS s ON s.layer = 'conflicts'

-- name: measure_quality
-- Golden customers by attribute: filled, in conflict, overridden.
DELETE FROM gold.data_quality_metrics WHERE run_id = :run_id;
INSERT INTO gold.data_quality_metrics
    (run_id, attribute, customer_n, filled_n, completeness, conflict_n, overridden_n, measured_at)
SELECT :run_id, f.attribute, f.customer_n, f.filled_n,
       CAST(f.filled_n AS real) / greatest(f.customer_n, 1), f.conflict_n,
       coalesce(o.overridden_n, 0), :as_of
FROM pg_temp.gold_filled AS f
LEFT JOIN (SELECT o.key AS attribute, count(*) AS overridden_n
           FROM gold.customer_lineage AS l
           CROSS JOIN LATERAL jsonb_object_keys(l.overrides) AS o (key)
           WHERE l.overrides IS NOT NULL
           GROUP BY o.key) AS o USING (attribute)

-- name: measure_overrides
-- Overrides by attribute: those in force, by what they say, and how many only repeat the rules.
DELETE FROM gold.steward_override_metrics WHERE run_id = :run_id;
WITH in_force AS (
    SELECT o.*, CASE WHEN a.is_extra THEN CAST(l.extra_records ->> o.attribute AS bigint)
                     ELSE l.record_ids[a.position] END AS displaced_record_id
    FROM gold.effective_overrides(:as_of) AS o
    JOIN gold.golden_attributes AS a USING (attribute)
    JOIN gold.customer_lineage AS l USING (global_customer_id)
), displaced AS (
    SELECT f.override_id, r.record_id,
           CASE f.attribute
               WHEN 'full_name' THEN v.full_name WHEN 'given_name' THEN v.given_name
               WHEN 'middle_name' THEN v.middle_name WHEN 'family_name' THEN v.family_name
               WHEN 'email' THEN v.email WHEN 'phone' THEN v.phone
               WHEN 'date_of_birth' THEN CAST(v.date_of_birth AS text) WHEN 'gender' THEN v.gender
               WHEN 'street' THEN v.street WHEN 'city' THEN v.city WHEN 'region' THEN v.region
               WHEN 'postcode' THEN v.postcode WHEN 'country' THEN v.country
               WHEN 'tax_id' THEN v.tax_id WHEN 'customer_number' THEN v.customer_number
               WHEN 'organisation' THEN v.organisation
               ELSE v.extra ->> f.attribute END AS value
    FROM in_force AS f
    JOIN staging.records AS r ON r.record_id = f.displaced_record_id
    JOIN gold.survivorship_values AS v ON v.record_id = r.record_id
), said AS (
    SELECT attribute, count(*) FILTER (WHERE action = 'REVOKE') AS revoked_n,
           count(DISTINCT steward) AS steward_n
    FROM gold.customer_steward_overrides
    GROUP BY attribute
)
INSERT INTO gold.steward_override_metrics
    (run_id, attribute, effective_n, set_n, clear_n, revoked_n, steward_n, agreeing_n, measured_at)
SELECT :run_id, s.attribute, count(f.override_id), count(*) FILTER (WHERE f.action = 'SET'),
       count(*) FILTER (WHERE f.action = 'CLEAR'), s.revoked_n, s.steward_n,
       count(*) FILTER (WHERE f.action = 'SET' AND d.value = f.value), :as_of
FROM said AS s
LEFT JOIN in_force AS f USING (attribute)
LEFT JOIN displaced AS d USING (override_id)
GROUP BY s.attribute, s.revoked_n, s.steward_n
