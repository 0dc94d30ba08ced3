-- What golden customers cannot say alone: every way to reach them, how sources overlap, how each
-- source fares. Views, because they are asked seldom and cost a run nothing: one customer's contact
-- points come by index, the figures per source from one pass over the records.

CREATE VIEW gold.customer_contact_points AS
SELECT p.global_customer_id, p.kind,
       (array_agg(p.value ORDER BY p.is_winner DESC, p.seen_at DESC, p.record_id DESC))[1] AS value,
       (array_agg(p.street ORDER BY p.is_winner DESC, p.seen_at DESC, p.record_id DESC))[1] AS street,
       (array_agg(p.city ORDER BY p.is_winner DESC, p.seen_at DESC, p.record_id DESC))[1] AS city,
       (array_agg(p.region ORDER BY p.is_winner DESC, p.seen_at DESC, p.record_id DESC))[1] AS region,
       (array_agg(p.postcode ORDER BY p.is_winner DESC, p.seen_at DESC, p.record_id DESC))[1] AS postcode,
       (array_agg(p.country ORDER BY p.is_winner DESC, p.seen_at DESC, p.record_id DESC))[1] AS country,
       bool_or(p.is_winner) AS is_canonical,
       bool_or(p.source IS NULL) AS is_from_steward,
       coalesce(array_agg(DISTINCT p.source ORDER BY p.source) FILTER (WHERE p.source IS NOT NULL), '{}') AS sources,
       count(p.source) AS record_count,
       min(p.seen_at) AS first_seen_at, max(p.seen_at) AS last_seen_at
FROM (
    SELECT m.global_customer_id, r.record_id, r.source, r.event_at AS seen_at, c.*
    FROM identity.customer_identity_map AS m
    JOIN staging.records AS r USING (record_id)
    JOIN gold.dim_customers AS d USING (global_customer_id)
    JOIN gold.customer_lineage AS l USING (global_customer_id)
    CROSS JOIN LATERAL (
        SELECT 'EMAIL' AS kind, r.std_email AS point, r.std_email AS value, NULL AS street, NULL AS city,
               NULL AS region, NULL AS postcode, NULL AS country,
               r.std_email IS NOT DISTINCT FROM d.canonical_email AS is_winner
        WHERE r.std_email IS NOT NULL
        UNION ALL
        SELECT 'PHONE', r.std_phone, r.std_phone, NULL, NULL, NULL, NULL, NULL,
               r.std_phone IS NOT DISTINCT FROM d.canonical_phone
        WHERE r.std_phone IS NOT NULL
        UNION ALL
        SELECT 'ADDRESS',
               format('%s|%s|%s|%s|%s', r.std_street, r.std_city, r.std_region, r.std_postcode, r.std_country),
               concat_ws(', ', a.street, a.city, a.region, a.postcode, a.country),
               a.street, a.city, a.region, a.postcode, a.country,
               coalesce(r.record_id = ANY (l.record_ids[9:13])
                        AND NOT coalesce(l.overrides ?| ARRAY['street', 'city', 'region', 'postcode', 'country'], false),
                        false)
        FROM (SELECT CASE WHEN r.std_street IS NOT NULL THEN r.street END AS street,
                     CASE WHEN r.std_city IS NOT NULL THEN r.city END AS city,
                     CASE WHEN r.std_region IS NOT NULL THEN r.region END AS region,
                     upper(r.std_postcode) AS postcode, r.std_country AS country) AS a
        -- a country or region alone is no place to write to
        WHERE num_nonnulls(r.std_street, r.std_city, r.std_postcode) > 0) AS c
    WHERE NOT r.is_deleted
    UNION ALL
    -- what a steward said, where no record says it
    SELECT d.global_customer_id, NULL, NULL, o.created_at, c.*
    FROM gold.dim_customers AS d
    JOIN gold.customer_lineage AS l USING (global_customer_id)
    CROSS JOIN LATERAL (
        SELECT 'EMAIL' AS kind, d.canonical_email AS point, d.canonical_email AS value, NULL AS street,
               NULL AS city, NULL AS region, NULL AS postcode, NULL AS country, true AS is_winner
        WHERE l.overrides ? 'email' AND d.canonical_email IS NOT NULL
        UNION ALL
        SELECT 'PHONE', d.canonical_phone, d.canonical_phone, NULL, NULL, NULL, NULL, NULL, true
        WHERE l.overrides ? 'phone' AND d.canonical_phone IS NOT NULL
        UNION ALL
        SELECT 'ADDRESS', 'steward',
               concat_ws(', ', d.canonical_street, d.canonical_city, d.canonical_region,
                         d.canonical_postcode, d.canonical_country),
               d.canonical_street, d.canonical_city, d.canonical_region, d.canonical_postcode,
               d.canonical_country, true
        WHERE l.overrides ?| ARRAY['street', 'city', 'region', 'postcode', 'country']
          AND num_nonnulls(d.canonical_street, d.canonical_city, d.canonical_postcode) > 0) AS c
    CROSS JOIN LATERAL (
        SELECT max(w.created_at) AS created_at
        FROM jsonb_each_text(l.overrides) AS e
        JOIN gold.customer_steward_overrides AS w ON w.override_id = CAST(e.value AS bigint)
        WHERE e.key = ANY (CASE c.kind WHEN 'EMAIL' THEN ARRAY['email'] WHEN 'PHONE' THEN ARRAY['phone']
                           ELSE ARRAY['street', 'city', 'region', 'postcode', 'country'] END)) AS o
    WHERE l.overrides IS NOT NULL) AS p
GROUP BY p.global_customer_id, p.kind, p.point;
COMMENT ON VIEW gold.customer_contact_points IS 'Every valid e-mail address, phone number and postal address of a golden customer: one row per customer, kind and distinct standardised value among its live records, and what a steward said. Ask for one customer (by index) or for all.';
COMMENT ON COLUMN gold.customer_contact_points.kind IS 'EMAIL, PHONE or ADDRESS.';
COMMENT ON COLUMN gold.customer_contact_points.value IS 'E-mail and phone (E.164) in standard form; an address on one line, as the golden record or else the latest record spells it, with its parts beside it.';
COMMENT ON COLUMN gold.customer_contact_points.is_canonical IS 'The golden value; at most one of each kind is.';
COMMENT ON COLUMN gold.customer_contact_points.is_from_steward IS 'A steward''s override says it, whether a record does or not.';
COMMENT ON COLUMN gold.customer_contact_points.first_seen_at IS 'Earliest event_at among the live records that show it now (or when the steward said it); a record that was delivered again counts by its newest state.';
COMMENT ON COLUMN gold.customer_contact_points.last_seen_at IS 'Latest event_at among them.';

CREATE VIEW gold.source_overlap AS
WITH combinations AS MATERIALIZED (
    SELECT d.source_systems, count(*) AS customer_n FROM gold.dim_customers AS d GROUP BY d.source_systems
), memberships AS (
    SELECT s.source, c.source_systems, c.customer_n
    FROM combinations AS c CROSS JOIN LATERAL unnest(c.source_systems) AS s (source)
), records AS (
    SELECT m.source, count(*) AS record_n FROM identity.customer_identity_map AS m GROUP BY m.source
), counted AS (
    SELECT m.source, NULL AS other_source, sum(m.customer_n) AS customer_n,
           sum(m.customer_n) FILTER (WHERE cardinality(m.source_systems) > 1) AS common_n
    FROM memberships AS m
    GROUP BY m.source
    UNION ALL
    SELECT m.source, o.source, sum(m.customer_n),
           sum(m.customer_n) FILTER (WHERE o.source = ANY (m.source_systems))
    FROM memberships AS m
    JOIN records AS o ON o.source <> m.source
    GROUP BY m.source, o.source
)
SELECT c.source, c.other_source, r.record_n, CAST(c.customer_n AS bigint) AS customer_n,
       CAST(coalesce(c.common_n, 0) AS bigint) AS common_n,
       CAST(c.customer_n - coalesce(c.common_n, 0) AS bigint) AS only_here_n
FROM counted AS c
JOIN records AS r USING (source);
COMMENT ON VIEW gold.source_overlap IS 'How sources share customers: one row per source (other_source NULL: against all others together) and one per ordered pair of sources.';
COMMENT ON COLUMN gold.source_overlap.record_n IS 'Live records of source; record_n - customer_n are duplicates within it.';
COMMENT ON COLUMN gold.source_overlap.customer_n IS 'Golden customers with a record of source.';
COMMENT ON COLUMN gold.source_overlap.common_n IS 'Those that other_source (any other source) has, too.';
COMMENT ON COLUMN gold.source_overlap.only_here_n IS 'Those that it (any other source) does not have.';

CREATE VIEW gold.source_report_card AS
WITH wide AS (
    SELECT r.source, count(*) AS record_n,
           ARRAY[count(r.std_name), count(r.std_given_name), count(r.std_middle_name), count(r.std_family_name),
                 count(r.std_email), count(r.std_phone), count(r.std_date_of_birth), count(r.std_gender),
                 count(r.std_street), count(r.std_city), count(r.std_region), count(r.std_postcode),
                 count(r.std_country), count(r.std_tax_id), count(r.std_customer_number),
                 count(r.std_organisation)] AS usable,
           ARRAY[count(*) FILTER (WHERE r.std_name IS NULL AND r.full_name <> ''),
                 count(*) FILTER (WHERE r.std_given_name IS NULL AND r.given_name <> ''),
                 count(*) FILTER (WHERE r.std_middle_name IS NULL AND r.middle_name <> ''),
                 count(*) FILTER (WHERE r.std_family_name IS NULL AND r.family_name <> ''),
                 count(*) FILTER (WHERE r.std_email IS NULL AND r.email <> ''),
                 count(*) FILTER (WHERE r.std_phone IS NULL AND r.phone <> ''),
                 count(*) FILTER (WHERE r.std_date_of_birth IS NULL AND r.date_of_birth <> ''),
                 count(*) FILTER (WHERE r.std_gender IS NULL AND r.gender <> ''),
                 count(*) FILTER (WHERE r.std_street IS NULL AND r.street <> ''),
                 count(*) FILTER (WHERE r.std_city IS NULL AND r.city <> ''),
                 count(*) FILTER (WHERE r.std_region IS NULL AND r.region <> ''),
                 count(*) FILTER (WHERE r.std_postcode IS NULL AND r.postcode <> ''),
                 count(*) FILTER (WHERE r.std_country IS NULL AND r.country <> ''),
                 count(*) FILTER (WHERE r.std_tax_id IS NULL AND r.tax_id <> ''),
                 count(*) FILTER (WHERE r.std_customer_number IS NULL AND r.customer_number <> ''),
                 count(*) FILTER (WHERE r.std_organisation IS NULL AND r.organisation <> '')] AS refused
    FROM staging.records AS r
    WHERE NOT r.is_deleted
    GROUP BY r.source
), further AS (
    SELECT r.source, e.key AS attribute, count(r.std_extra ->> e.key) AS usable_n,
           count(*) - count(r.std_extra ->> e.key) AS refused_n
    FROM staging.records AS r CROSS JOIN LATERAL jsonb_each_text(r.extra) AS e
    WHERE NOT r.is_deleted AND e.value <> ''
    GROUP BY r.source, e.key
), winners AS (
    SELECT m.source,
           ARRAY[count(*) FILTER (WHERE l.record_ids[1] = m.record_id), count(*) FILTER (WHERE l.record_ids[2] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[3] = m.record_id), count(*) FILTER (WHERE l.record_ids[4] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[5] = m.record_id), count(*) FILTER (WHERE l.record_ids[6] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[7] = m.record_id), count(*) FILTER (WHERE l.record_ids[8] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[9] = m.record_id), count(*) FILTER (WHERE l.record_ids[10] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[11] = m.record_id), count(*) FILTER (WHERE l.record_ids[12] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[13] = m.record_id), count(*) FILTER (WHERE l.record_ids[14] = m.record_id),
                 count(*) FILTER (WHERE l.record_ids[15] = m.record_id), count(*) FILTER (WHERE l.record_ids[16] = m.record_id)] AS won
    FROM identity.customer_identity_map AS m
    JOIN gold.customer_lineage AS l USING (global_customer_id)
    GROUP BY m.source
), further_winners AS (
    SELECT m.source, e.key AS attribute, count(*) AS won_n
    FROM gold.customer_lineage AS l
    CROSS JOIN LATERAL jsonb_each_text(l.extra_records) AS e
    JOIN identity.customer_identity_map AS m ON m.record_id = CAST(e.value AS bigint)
    WHERE l.extra_records IS NOT NULL
    GROUP BY m.source, e.key
), overridden AS (
    SELECT m.source, a.attribute, count(*) AS overridden_n
    FROM gold.customer_lineage AS l
    JOIN gold.golden_attributes AS a ON l.overrides ? a.attribute
    JOIN identity.customer_identity_map AS m
      ON m.record_id = CASE WHEN a.is_extra THEN CAST(l.extra_records ->> a.attribute AS bigint)
                            ELSE l.record_ids[a.position] END
    WHERE l.overrides IS NOT NULL
    GROUP BY m.source, a.attribute
), disputes AS (
    -- the value, as it is compared, that the rules chose in each open conflict
    SELECT c.conflict_id, c.attribute, c."values",
           CASE c.attribute
               WHEN 'full_name' THEN r.std_name WHEN 'email' THEN r.std_email WHEN 'phone' THEN r.std_phone
               WHEN 'date_of_birth' THEN CAST(r.std_date_of_birth AS text) WHEN 'gender' THEN r.std_gender
               WHEN 'street' THEN r.std_street WHEN 'city' THEN r.std_city WHEN 'region' THEN r.std_region
               WHEN 'postcode' THEN upper(r.std_postcode) WHEN 'country' THEN r.std_country
               WHEN 'tax_id' THEN r.std_tax_id WHEN 'customer_number' THEN r.std_customer_number
               WHEN 'organisation' THEN r.std_organisation ELSE r.std_extra ->> c.attribute END AS chosen
    FROM gold.customer_attribute_conflicts AS c
    JOIN gold.golden_attributes AS a USING (attribute)
    JOIN gold.customer_lineage AS l USING (global_customer_id)
    LEFT JOIN staging.records AS r
      ON r.record_id = CASE WHEN a.is_extra THEN CAST(l.extra_records ->> c.attribute AS bigint)
                            ELSE l.record_ids[a.position] END
    WHERE c.resolved_at IS NULL
), losers AS (
    SELECT s.source, d.attribute, count(DISTINCT d.conflict_id) AS lost_n
    FROM disputes AS d
    CROSS JOIN LATERAL jsonb_each(d."values") AS v
    CROSS JOIN LATERAL jsonb_array_elements_text(v.value) AS s (source)
    WHERE v.key IS DISTINCT FROM d.chosen
    GROUP BY s.source, d.attribute
), staged AS (
    SELECT c.source, c.attribute, sum(c.n) FILTER (WHERE c.outcome = 'placeholder') AS placeholder_n
    FROM ops.standardisation_counts AS c
    GROUP BY c.source, c.attribute
)
SELECT w.source, a.attribute, w.record_n,
       coalesce(CASE WHEN a.is_extra THEN f.usable_n ELSE w.usable[a.position] END, 0) AS usable_n,
       coalesce(CASE WHEN a.is_extra THEN f.refused_n ELSE w.refused[a.position] END, 0) AS refused_n,
       coalesce(CAST(s.placeholder_n AS bigint), 0) AS placeholder_n,
       coalesce(CASE WHEN a.is_extra THEN x.won_n ELSE n.won[a.position] END, 0) - coalesce(o.overridden_n, 0) AS won_n,
       coalesce(b.lost_n, 0) AS lost_n, coalesce(o.overridden_n, 0) AS overridden_n
FROM wide AS w
CROSS JOIN gold.golden_attributes AS a
LEFT JOIN winners AS n USING (source)
LEFT JOIN further AS f ON f.source = w.source AND f.attribute = a.attribute
LEFT JOIN further_winners AS x ON x.source = w.source AND x.attribute = a.attribute
LEFT JOIN overridden AS o ON o.source = w.source AND o.attribute = a.attribute
LEFT JOIN losers AS b ON b.source = w.source AND b.attribute = a.attribute
LEFT JOIN staged AS s ON s.source = w.source AND s.attribute = a.attribute;
COMMENT ON VIEW gold.source_report_card IS 'How far each source can be believed: one row per source and attribute. The figures of records are of the live ones, those of customers of the golden ones.';
COMMENT ON COLUMN gold.source_report_card.usable_n IS 'Its records with a value that could be standardised.';
COMMENT ON COLUMN gold.source_report_card.refused_n IS 'Its records with a value that is a placeholder or invalid: it never wins.';
COMMENT ON COLUMN gold.source_report_card.placeholder_n IS 'Values found to be placeholders, over all runs that staged records of the source (a record staged again counts again).';
COMMENT ON COLUMN gold.source_report_card.won_n IS 'Customers whose golden value is from one of its records.';
COMMENT ON COLUMN gold.source_report_card.lost_n IS 'Customers for whom it shows a value that differs from the one the rules chose (open conflicts; parts of a name are counted with full_name).';
COMMENT ON COLUMN gold.source_report_card.overridden_n IS 'Customers for whom its value would have won, had no steward overridden it.';
