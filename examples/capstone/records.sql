-- One row per source record with what it was matched by and the golden values of its customer, in
-- the order of the files: the CRM's first, line by line.
SELECT r.source, r.source_record_id, m.global_customer_id,
       r.std_email AS email, r.std_phone AS phone, r.std_name AS name,
       r.std_extra ->> 'signup_date' AS signup_date,
       coalesce(d.canonical_full_name,
                nullif(concat_ws(' ', d.canonical_given_name, d.canonical_middle_name,
                                 d.canonical_family_name), '')) AS golden_name,
       d.canonical_email AS golden_email, d.canonical_phone AS golden_phone,
       d.extra ->> 'status' AS golden_status
FROM staging.live_records AS r
JOIN identity.customer_identity_map AS m USING (record_id)
JOIN gold.dim_customers AS d USING (global_customer_id)
ORDER BY array_position(ARRAY['CRM', 'ECOM'], r.source), r.object_id, r.line_no
