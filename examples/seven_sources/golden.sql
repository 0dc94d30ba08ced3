-- One row per golden customer in the words of this example.
SELECT concat(d.primary_source, ':', k.source_record_id) AS composite_key,
       d.canonical_full_name AS customer_name, d.primary_source, d.data_quality_score,
       d.source_systems, d.canonical_email AS email, d.canonical_phone AS phone,
       d.canonical_street AS street, d.canonical_city AS city, d.canonical_postcode AS postcode,
       d.canonical_country AS country, k.record_n,
       ARRAY(SELECT format('%s: %s', c.attribute, l.rule)
             FROM gold.customer_attribute_conflicts AS c
             JOIN gold.customer_attribute_lineage AS l USING (global_customer_id, attribute)
             JOIN gold.golden_attributes AS a USING (attribute)
             WHERE c.global_customer_id = d.global_customer_id AND c.resolved_at IS NULL
             ORDER BY a.position) AS conflict_rules_applied,
       k.created_at, k.last_updated_at, d.global_customer_id
FROM gold.dim_customers AS d
CROSS JOIN LATERAL (
    SELECT count(*) AS record_n, min(r.event_at) AS created_at, max(r.event_at) AS last_updated_at,
           min(r.source_record_id COLLATE "C") FILTER (WHERE r.source = d.primary_source) AS source_record_id
    FROM identity.customer_identity_map AS m
    JOIN staging.live_records AS r USING (record_id)
    WHERE m.global_customer_id = d.global_customer_id) AS k
ORDER BY composite_key
