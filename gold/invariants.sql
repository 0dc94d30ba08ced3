-- What must hold in gold: each query returns the rows that break it. Those that compare gold with
-- the layers before speak only when gold has consumed what these hold. What ends in _of_run is asked
-- at the end of a run instead, of the customers it worked on, and what ends in _since, of what changed
-- since the last run that was found in order, where there was one; mdm check asks of all.

-- name: work_since
-- What several queries of the last kind ask about, read once: the customers whose records changed or
-- were linked anew and those that gold rebuilt or changed, each with its records in the identity map and
-- its count in gold (NULL: it has none, is not there). Read from what is about to be published itself,
-- after all has been written, and not from what gold worked with.
DROP TABLE IF EXISTS pg_temp.gold_checked;
CREATE TEMPORARY TABLE gold_checked ON COMMIT DROP AS
WITH named AS MATERIALIZED (
    SELECT m.global_customer_id
    FROM identity.customer_identity_map AS m
    WHERE m.record_id = ANY (ARRAY(SELECT r.record_id FROM staging.records AS r
                                   WHERE r.change_seq > :since_change_seq))
    UNION
    SELECT m.global_customer_id FROM identity.customer_identity_map AS m WHERE m.run_id > :since_run_id
    UNION
    SELECT t.global_customer_id FROM gold.touched_customers AS t
    WHERE t.run_id > :since_run_id AND t.global_customer_id IS NOT NULL
    UNION
    SELECT c.global_customer_id FROM gold.customer_changes AS c WHERE c.run_id > :since_run_id
)
-- brought together by grouping: of how many there are the planner knows nothing, so that it would
-- take a join of them for one of a few rows
SELECT n.global_customer_id, max(n.in_gold) AS in_gold, any_value(n.record_ids) AS record_ids
FROM (SELECT m.global_customer_id, NULL AS in_gold, array_agg(m.record_id) AS record_ids
      FROM identity.customer_identity_map AS m
      WHERE m.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM named))
      GROUP BY m.global_customer_id
      UNION ALL
      SELECT d.global_customer_id, d.record_count, NULL
      FROM gold.dim_customers AS d
      WHERE d.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM named))
      UNION ALL
      SELECT global_customer_id, NULL, NULL FROM named) AS n
GROUP BY n.global_customer_id

-- name: inv_nobody_is_lost
-- title: every customer with live records is in gold with as many records as it has
WITH state AS (
    SELECT FROM gold.layer_state AS s
    WHERE s.layer = 'golden'
      AND CAST(s.marks ->> 'change_seq' AS bigint) = (SELECT max(change_seq) FROM staging.records)
      AND CAST(s.marks ->> 'identity_run_id' AS bigint)
          = (SELECT coalesce(max(run_id), 0) FROM identity.consumption)
), counted AS (
    SELECT m.global_customer_id, count(*) AS record_n
    FROM identity.customer_identity_map AS m
    JOIN staging.records AS r USING (record_id)
    WHERE NOT r.is_deleted
    GROUP BY m.global_customer_id
)
SELECT coalesce(d.global_customer_id, c.global_customer_id) AS global_customer_id,
       d.record_count, c.record_n
FROM gold.dim_customers AS d
FULL JOIN counted AS c ON c.global_customer_id = d.global_customer_id
WHERE d.record_count IS DISTINCT FROM c.record_n AND EXISTS (SELECT FROM state)

-- name: inv_nobody_is_lost_of_run
-- Over all customers at once: identity has shown that every live record has one customer and nothing
-- else has one, but for what was deleted since identity last looked.
SELECT gold.record_n AS in_gold, live.record_n AS in_staging
FROM (SELECT coalesce(sum(record_count), 0) AS record_n FROM gold.dim_customers) AS gold
CROSS JOIN (SELECT (SELECT count(*) FROM identity.customer_identity_map)
                   - (SELECT count(*)
                      FROM staging.records AS r
                      JOIN identity.customer_identity_map AS m USING (record_id)
                      WHERE r.is_deleted
                        AND r.change_seq > (SELECT coalesce(max(c.change_seq), 0) FROM identity.consumption AS c)
                     ) AS record_n) AS live
JOIN gold.layer_state AS s ON s.layer = 'golden' AND s.run_id = :run_id
WHERE gold.record_n <> live.record_n
  AND CAST(s.marks ->> 'identity_run_id' AS bigint) = (SELECT coalesce(max(run_id), 0) FROM identity.consumption)

-- name: inv_nobody_is_lost_since
-- As above, what is linked is alive but for what was deleted since identity last looked.
WITH dead AS (
    SELECT m.global_customer_id, count(*) AS record_n
    FROM staging.records AS r
    JOIN identity.customer_identity_map AS m USING (record_id)
    WHERE r.is_deleted
      AND r.change_seq > (SELECT coalesce(max(c.change_seq), 0) FROM identity.consumption AS c)
    GROUP BY m.global_customer_id
)
SELECT n.global_customer_id, sum(n.in_gold) AS record_count, sum(n.linked) AS record_n
FROM (SELECT c.global_customer_id, coalesce(c.in_gold, 0) AS in_gold,
             coalesce(cardinality(c.record_ids), 0) AS linked
      FROM pg_temp.gold_checked AS c
      UNION ALL
      SELECT x.global_customer_id, 0, - x.record_n FROM dead AS x
      WHERE x.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_checked))) AS n
WHERE EXISTS (SELECT FROM gold.layer_state AS s
              WHERE s.layer = 'golden'
                AND CAST(s.marks ->> 'identity_run_id' AS bigint)
                    = (SELECT coalesce(max(run_id), 0) FROM identity.consumption))
GROUP BY n.global_customer_id
HAVING sum(n.in_gold) <> sum(n.linked)

-- name: inv_one_open_version
-- title: every golden customer has one open version that says the same, nobody else has one
-- Overlaps, gaps within a life and empty intervals are refused by the table's constraints.
SELECT coalesce(d.global_customer_id, h.global_customer_id) AS global_customer_id, h.version
FROM gold.dim_customers AS d
FULL JOIN (SELECT * FROM gold.dim_customers_history WHERE valid_to IS NULL) AS h
       ON h.global_customer_id = d.global_customer_id
WHERE (d.global_customer_id, d.canonical_full_name, d.canonical_given_name, d.canonical_middle_name,
       d.canonical_family_name, d.canonical_email, d.canonical_phone, d.canonical_date_of_birth,
       d.canonical_gender, d.canonical_street, d.canonical_city, d.canonical_region,
       d.canonical_postcode, d.canonical_country, d.canonical_tax_id, d.canonical_customer_number,
       d.canonical_organisation, d.extra, d.source_systems, d.primary_source)
      IS DISTINCT FROM
      (h.global_customer_id, h.canonical_full_name, h.canonical_given_name, h.canonical_middle_name,
       h.canonical_family_name, h.canonical_email, h.canonical_phone, h.canonical_date_of_birth,
       h.canonical_gender, h.canonical_street, h.canonical_city, h.canonical_region,
       h.canonical_postcode, h.canonical_country, h.canonical_tax_id, h.canonical_customer_number,
       h.canonical_organisation, h.extra, h.source_systems, h.primary_source)

-- name: inv_one_open_version_of_run
-- Of the customers this run changed.
SELECT c.global_customer_id, h.version
FROM gold.customer_changes AS c
LEFT JOIN gold.dim_customers AS d ON d.global_customer_id = c.global_customer_id
LEFT JOIN gold.dim_customers_history AS h ON h.global_customer_id = c.global_customer_id AND h.valid_to IS NULL
WHERE c.run_id = :run_id
  AND (d.global_customer_id, d.canonical_full_name, d.canonical_given_name, d.canonical_middle_name,
       d.canonical_family_name, d.canonical_email, d.canonical_phone, d.canonical_date_of_birth,
       d.canonical_gender, d.canonical_street, d.canonical_city, d.canonical_region,
       d.canonical_postcode, d.canonical_country, d.canonical_tax_id, d.canonical_customer_number,
       d.canonical_organisation, d.extra, d.source_systems, d.primary_source)
      IS DISTINCT FROM
      (h.global_customer_id, h.canonical_full_name, h.canonical_given_name, h.canonical_middle_name,
       h.canonical_family_name, h.canonical_email, h.canonical_phone, h.canonical_date_of_birth,
       h.canonical_gender, h.canonical_street, h.canonical_city, h.canonical_region,
       h.canonical_postcode, h.canonical_country, h.canonical_tax_id, h.canonical_customer_number,
       h.canonical_organisation, h.extra, h.source_systems, h.primary_source)

-- name: inv_history_has_no_gaps
-- title: versions of a customer are numbered 1, 2, 3 … in the order of their validity
SELECT h.global_customer_id, h.version
FROM (SELECT global_customer_id, version, valid_from, valid_to, previous_valid_to,
             row_number() OVER w AS nth, lag(valid_to) OVER w AS end_before
      FROM gold.dim_customers_history
      WINDOW w AS (PARTITION BY global_customer_id ORDER BY valid_from)) AS h
WHERE h.version <> h.nth OR h.previous_valid_to IS DISTINCT FROM h.end_before

-- name: inv_history_has_no_gaps_of_run
-- Of the customers this run changed.
SELECT h.global_customer_id, h.version
FROM (SELECT global_customer_id, version, valid_from, valid_to, previous_valid_to,
             row_number() OVER w AS nth, lag(valid_to) OVER w AS end_before
      FROM gold.dim_customers_history
      WHERE global_customer_id IN (SELECT global_customer_id FROM gold.customer_changes WHERE run_id = :run_id)
      WINDOW w AS (PARTITION BY global_customer_id ORDER BY valid_from)) AS h
WHERE h.version <> h.nth OR h.previous_valid_to IS DISTINCT FROM h.end_before

-- name: inv_events_replay
-- title: applying the change events in order to an empty table gives gold.dim_customers
SELECT coalesce(d.global_customer_id, r.global_customer_id) AS global_customer_id
FROM gold.dim_customers AS d
FULL JOIN gold.replayed_customers() AS r ON r.global_customer_id = d.global_customer_id
WHERE (gold.meaning(d), d.created_at, d.updated_at)
      IS DISTINCT FROM (r.meaning, r.created_at, r.updated_at)

-- name: inv_events_replay_of_run
-- Of the customers this run changed: a new one is its first event, one that left has the event that
-- says so, one that changed is the sum of its events since it came.
SELECT c.global_customer_id
FROM gold.customer_changes AS c
LEFT JOIN gold.customer_change_events AS e ON e.event_seq = c.change_id
LEFT JOIN gold.dim_customers AS d ON d.global_customer_id = c.global_customer_id
WHERE c.run_id = :run_id AND c.change_type IN ('INSERT', 'SPLIT')
  -- by column: half the time of making the row's document anew
  AND (e.global_customer_id, e.event_type, e.occurred_at, e.occurred_at,
        e.new_values ->> 'canonical_full_name', e.new_values ->> 'canonical_given_name',
        e.new_values ->> 'canonical_middle_name', e.new_values ->> 'canonical_family_name',
        e.new_values ->> 'canonical_email', e.new_values ->> 'canonical_phone',
        e.new_values ->> 'canonical_date_of_birth', e.new_values ->> 'canonical_gender',
        e.new_values ->> 'canonical_street', e.new_values ->> 'canonical_city',
        e.new_values ->> 'canonical_region', e.new_values ->> 'canonical_postcode',
        e.new_values ->> 'canonical_country', e.new_values ->> 'canonical_tax_id',
        e.new_values ->> 'canonical_customer_number', e.new_values ->> 'canonical_organisation',
        e.new_values -> 'extra', e.new_values -> 'source_systems', e.new_values ->> 'primary_source')
      IS DISTINCT FROM
      (d.global_customer_id, c.change_type, d.created_at, d.updated_at, d.canonical_full_name,
        d.canonical_given_name, d.canonical_middle_name, d.canonical_family_name, d.canonical_email,
        d.canonical_phone, CAST(d.canonical_date_of_birth AS text), d.canonical_gender,
        d.canonical_street, d.canonical_city, d.canonical_region, d.canonical_postcode,
        d.canonical_country, d.canonical_tax_id, d.canonical_customer_number, d.canonical_organisation,
        d.extra, to_jsonb(d.source_systems), d.primary_source)
UNION ALL
SELECT c.global_customer_id
FROM gold.customer_changes AS c
LEFT JOIN gold.customer_change_events AS e ON e.event_seq = c.change_id
LEFT JOIN gold.dim_customers AS d ON d.global_customer_id = c.global_customer_id
WHERE c.run_id = :run_id AND c.change_type IN ('MERGE', 'DELETE')
  AND ((e.global_customer_id, e.event_type) IS DISTINCT FROM (c.global_customer_id, c.change_type)
       OR d.global_customer_id IS NOT NULL)
UNION ALL
SELECT c.global_customer_id
FROM gold.customer_changes AS c
CROSS JOIN LATERAL (
    SELECT gold.merged_values(e.new_values ORDER BY e.event_seq) AS meaning,
           min(e.occurred_at) AS created_at, max(e.occurred_at) AS updated_at
    FROM gold.customer_change_events AS e
    WHERE e.global_customer_id = c.global_customer_id
      AND e.event_seq >= (SELECT max(b.event_seq)
                          FROM gold.customer_change_events AS b
                          WHERE b.global_customer_id = c.global_customer_id AND b.event_type <> 'UPDATE')) AS r
LEFT JOIN gold.dim_customers AS d ON d.global_customer_id = c.global_customer_id
WHERE c.run_id = :run_id AND c.change_type = 'UPDATE'
  AND (r.meaning, r.created_at, r.updated_at) IS DISTINCT FROM (gold.meaning(d), d.created_at, d.updated_at)

-- name: inv_every_value_has_a_reason
-- title: every golden value names the record and rule, or the override, that won it
SELECT d.global_customer_id
FROM gold.dim_customers AS d
LEFT JOIN gold.customer_lineage AS l USING (global_customer_id)
LEFT JOIN gold.survivorship_rule_sets AS s USING (rule_set_id)
WHERE s.rule_set_id IS NULL
   OR (d.canonical_full_name IS NOT NULL AND l.record_ids[1] IS NULL AND (l.overrides ? 'full_name') IS NOT TRUE)
   OR (d.canonical_given_name IS NOT NULL AND l.record_ids[2] IS NULL AND (l.overrides ? 'given_name') IS NOT TRUE)
   OR (d.canonical_middle_name IS NOT NULL AND l.record_ids[3] IS NULL AND (l.overrides ? 'middle_name') IS NOT TRUE)
   OR (d.canonical_family_name IS NOT NULL AND l.record_ids[4] IS NULL AND (l.overrides ? 'family_name') IS NOT TRUE)
   OR (d.canonical_email IS NOT NULL AND l.record_ids[5] IS NULL AND (l.overrides ? 'email') IS NOT TRUE)
   OR (d.canonical_phone IS NOT NULL AND l.record_ids[6] IS NULL AND (l.overrides ? 'phone') IS NOT TRUE)
   OR (d.canonical_date_of_birth IS NOT NULL AND l.record_ids[7] IS NULL AND (l.overrides ? 'date_of_birth') IS NOT TRUE)
   OR (d.canonical_gender IS NOT NULL AND l.record_ids[8] IS NULL AND (l.overrides ? 'gender') IS NOT TRUE)
   OR (d.canonical_street IS NOT NULL AND l.record_ids[9] IS NULL AND (l.overrides ? 'street') IS NOT TRUE)
   OR (d.canonical_city IS NOT NULL AND l.record_ids[10] IS NULL AND (l.overrides ? 'city') IS NOT TRUE)
   OR (d.canonical_region IS NOT NULL AND l.record_ids[11] IS NULL AND (l.overrides ? 'region') IS NOT TRUE)
   OR (d.canonical_postcode IS NOT NULL AND l.record_ids[12] IS NULL AND (l.overrides ? 'postcode') IS NOT TRUE)
   OR (d.canonical_country IS NOT NULL AND l.record_ids[13] IS NULL AND (l.overrides ? 'country') IS NOT TRUE)
   OR (d.canonical_tax_id IS NOT NULL AND l.record_ids[14] IS NULL AND (l.overrides ? 'tax_id') IS NOT TRUE)
   OR (d.canonical_customer_number IS NOT NULL AND l.record_ids[15] IS NULL AND (l.overrides ? 'customer_number') IS NOT TRUE)
   OR (d.canonical_organisation IS NOT NULL AND l.record_ids[16] IS NULL AND (l.overrides ? 'organisation') IS NOT TRUE)
   OR (d.extra <> '{}' AND EXISTS (
        SELECT FROM jsonb_object_keys(d.extra) AS e (attribute)
        WHERE NOT coalesce(l.extra_records ? e.attribute, false)
          AND NOT coalesce(l.overrides ? e.attribute, false)))

-- name: inv_every_value_has_a_reason_of_run
-- Of the customers this run changed.
SELECT d.global_customer_id
FROM gold.dim_customers AS d
LEFT JOIN gold.customer_lineage AS l USING (global_customer_id)
LEFT JOIN gold.survivorship_rule_sets AS s USING (rule_set_id)
WHERE d.global_customer_id IN (SELECT global_customer_id FROM gold.customer_changes WHERE run_id = :run_id)
  AND (s.rule_set_id IS NULL
   OR (d.canonical_full_name IS NOT NULL AND l.record_ids[1] IS NULL AND (l.overrides ? 'full_name') IS NOT TRUE)
   OR (d.canonical_given_name IS NOT NULL AND l.record_ids[2] IS NULL AND (l.overrides ? 'given_name') IS NOT TRUE)
   OR (d.canonical_middle_name IS NOT NULL AND l.record_ids[3] IS NULL AND (l.overrides ? 'middle_name') IS NOT TRUE)
   OR (d.canonical_family_name IS NOT NULL AND l.record_ids[4] IS NULL AND (l.overrides ? 'family_name') IS NOT TRUE)
   OR (d.canonical_email IS NOT NULL AND l.record_ids[5] IS NULL AND (l.overrides ? 'email') IS NOT TRUE)
   OR (d.canonical_phone IS NOT NULL AND l.record_ids[6] IS NULL AND (l.overrides ? 'phone') IS NOT TRUE)
   OR (d.canonical_date_of_birth IS NOT NULL AND l.record_ids[7] IS NULL AND (l.overrides ? 'date_of_birth') IS NOT TRUE)
   OR (d.canonical_gender IS NOT NULL AND l.record_ids[8] IS NULL AND (l.overrides ? 'gender') IS NOT TRUE)
   OR (d.canonical_street IS NOT NULL AND l.record_ids[9] IS NULL AND (l.overrides ? 'street') IS NOT TRUE)
   OR (d.canonical_city IS NOT NULL AND l.record_ids[10] IS NULL AND (l.overrides ? 'city') IS NOT TRUE)
   OR (d.canonical_region IS NOT NULL AND l.record_ids[11] IS NULL AND (l.overrides ? 'region') IS NOT TRUE)
   OR (d.canonical_postcode IS NOT NULL AND l.record_ids[12] IS NULL AND (l.overrides ? 'postcode') IS NOT TRUE)
   OR (d.canonical_country IS NOT NULL AND l.record_ids[13] IS NULL AND (l.overrides ? 'country') IS NOT TRUE)
   OR (d.canonical_tax_id IS NOT NULL AND l.record_ids[14] IS NULL AND (l.overrides ? 'tax_id') IS NOT TRUE)
   OR (d.canonical_customer_number IS NOT NULL AND l.record_ids[15] IS NULL AND (l.overrides ? 'customer_number') IS NOT TRUE)
   OR (d.canonical_organisation IS NOT NULL AND l.record_ids[16] IS NULL AND (l.overrides ? 'organisation') IS NOT TRUE)
   OR (d.extra <> '{}' AND EXISTS (
        SELECT FROM jsonb_object_keys(d.extra) AS e (attribute)
        WHERE NOT coalesce(l.extra_records ? e.attribute, false)
          AND NOT coalesce(l.overrides ? e.attribute, false))))

-- name: inv_winners_are_members
-- title: every record that won a golden value is a record of that customer
SELECT l.global_customer_id, won.record_id
FROM gold.customer_lineage AS l
CROSS JOIN LATERAL unnest(l.record_ids) AS won (record_id)
LEFT JOIN identity.customer_identity_map AS m ON m.record_id = won.record_id
WHERE won.record_id IS NOT NULL AND m.global_customer_id IS DISTINCT FROM l.global_customer_id
  AND (SELECT s.marks ->> 'identity_run_id' FROM gold.layer_state AS s WHERE s.layer = 'golden')
      = (SELECT CAST(coalesce(max(run_id), 0) AS text) FROM identity.consumption)

-- name: inv_winners_are_members_since
-- Of the customers in question: the records that lineage names against those of the map.
SELECT l.global_customer_id, l.record_ids AS won
FROM gold.customer_lineage AS l
JOIN pg_temp.gold_checked AS c USING (global_customer_id)
WHERE l.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_checked))
  AND NOT array_remove(l.record_ids, NULL) <@ coalesce(c.record_ids, '{}')
  AND (SELECT s.marks ->> 'identity_run_id' FROM gold.layer_state AS s WHERE s.layer = 'golden')
      = (SELECT CAST(coalesce(max(run_id), 0) AS text) FROM identity.consumption)

-- name: inv_no_lineage_without_customer
-- title: lineage is kept for golden customers only
SELECT l.global_customer_id
FROM gold.customer_lineage AS l
WHERE NOT EXISTS (SELECT FROM gold.dim_customers AS d WHERE d.global_customer_id = l.global_customer_id)

-- name: inv_no_lineage_without_customer_since
-- Of the customers in question: of the few that are not in gold.
SELECT l.global_customer_id
FROM gold.customer_lineage AS l
WHERE l.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_checked
                                        WHERE in_gold IS NULL))

-- name: inv_the_steward_wins
-- title: every override that was in force at the last run is in gold
SELECT o.global_customer_id, o.attribute, o.override_id
FROM gold.layer_state AS s
CROSS JOIN LATERAL gold.effective_overrides(CAST(s.marks ->> 'as_of' AS timestamptz)) AS o
JOIN gold.dim_customers AS d USING (global_customer_id)
LEFT JOIN gold.customer_lineage AS l USING (global_customer_id)
JOIN gold.golden_attributes AS a USING (attribute)
WHERE s.layer = 'golden'
  AND o.override_id <= CAST(s.marks ->> 'override_id' AS bigint)
  AND (CAST(l.overrides ->> o.attribute AS bigint) IS DISTINCT FROM o.override_id
       OR CASE WHEN a.is_extra THEN d.extra ->> o.attribute
               ELSE gold.meaning(d) ->> ('canonical_' || o.attribute) END IS DISTINCT FROM o.value)
