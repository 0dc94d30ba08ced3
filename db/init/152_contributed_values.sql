-- What a record may contribute, asked of records that are known already: a night finds those of its
-- customers first and then reads them in the order of their keys.

CREATE VIEW gold.contributed_values AS
SELECT r.record_id, r.source, r.source_record_id, r.event_at, r.change_seq,
       CASE WHEN r.std_name IS NOT NULL THEN nullif(r.full_name, '') END AS full_name,
       CASE WHEN r.std_given_name IS NOT NULL THEN nullif(r.given_name, '') END AS given_name,
       CASE WHEN r.std_middle_name IS NOT NULL THEN nullif(r.middle_name, '') END AS middle_name,
       CASE WHEN r.std_family_name IS NOT NULL THEN nullif(r.family_name, '') END AS family_name,
       r.std_email AS email, r.std_phone AS phone, r.std_date_of_birth AS date_of_birth,
       r.std_gender AS gender,
       CASE WHEN r.std_street IS NOT NULL THEN r.street END AS street,
       CASE WHEN r.std_city IS NOT NULL THEN r.city END AS city,
       CASE WHEN r.std_region IS NOT NULL THEN r.region END AS region,
       upper(r.std_postcode) AS postcode, r.std_country AS country,
       CASE WHEN r.std_tax_id IS NOT NULL THEN r.tax_id END AS tax_id,
       CASE WHEN r.std_customer_number IS NOT NULL THEN r.customer_number END AS customer_number,
       CASE WHEN r.std_organisation IS NOT NULL THEN r.organisation END AS organisation,
       r.extra, r.std_name, r.std_given_name, r.std_middle_name, r.std_family_name, r.std_street,
       r.std_city, r.std_region, r.std_tax_id, r.std_customer_number, r.std_organisation, r.std_extra,
       num_nonnulls(r.std_name, r.std_given_name, r.std_middle_name, r.std_family_name, r.std_email,
                    r.std_phone, r.std_date_of_birth, r.std_gender, r.std_street, r.std_city,
                    r.std_region, r.std_postcode, r.std_country, r.std_tax_id,
                    r.std_customer_number, r.std_organisation) AS filled_n,
       num_nonnulls(CASE WHEN r.std_name IS NULL THEN r.full_name END,
                    CASE WHEN r.std_email IS NULL THEN r.email END,
                    CASE WHEN r.std_phone IS NULL THEN r.phone END,
                    CASE WHEN r.std_date_of_birth IS NULL THEN r.date_of_birth END,
                    CASE WHEN r.std_gender IS NULL THEN r.gender END,
                    CASE WHEN r.std_street IS NULL THEN r.street END,
                    CASE WHEN r.std_city IS NULL THEN r.city END,
                    CASE WHEN r.std_region IS NULL THEN r.region END,
                    CASE WHEN r.std_postcode IS NULL THEN r.postcode END,
                    CASE WHEN r.std_country IS NULL THEN r.country END,
                    CASE WHEN r.std_tax_id IS NULL THEN r.tax_id END,
                    CASE WHEN r.std_customer_number IS NULL THEN r.customer_number END,
                    CASE WHEN r.std_organisation IS NULL THEN r.organisation END) AS refused_n
FROM staging.records AS r
WHERE NOT r.is_deleted;
COMMENT ON VIEW gold.contributed_values IS 'One row per live record with the values it may contribute to its customer: the golden spelling beside what is compared (std_*). Placeholders and invalid values are NULL and never win.';
COMMENT ON COLUMN gold.contributed_values.filled_n IS 'Attributes with a usable value: what most_complete counts.';
COMMENT ON COLUMN gold.contributed_values.refused_n IS 'Values the source gave that are placeholders or invalid.';

CREATE OR REPLACE VIEW gold.survivorship_values AS
SELECT m.global_customer_id, c.*
FROM identity.customer_identity_map AS m
JOIN gold.contributed_values AS c USING (record_id);
