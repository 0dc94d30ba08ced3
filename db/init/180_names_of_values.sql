-- What counts as the name, and as the address, under which records hold values: said once.

CREATE FUNCTION staging.initials(given_name text, family_name text, organisation text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(least(left(given_name, 1), left(family_name, 1))
                || greatest(left(given_name, 1), left(family_name, 1)),
                left(organisation, 3));
COMMENT ON FUNCTION staging.initials IS 'What counts as the name of who holds a value: the first letters of both names in order, of an organisation the first three.';

CREATE FUNCTION staging.shareable_address(street text, postcode text, city text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN street || ', ' || coalesce(postcode, city, '');
COMMENT ON FUNCTION staging.shareable_address IS 'An address as the register of shared values has it; null without a street.';

CREATE OR REPLACE VIEW staging.shareable_values AS
SELECT r.record_id, r.change_seq, v.attribute, v.value,
       staging.initials(r.std_given_name, r.std_family_name, r.std_organisation) AS initials
FROM staging.records AS r
CROSS JOIN LATERAL (VALUES
    ('email', r.std_email),
    ('phone', r.std_phone),
    ('address', staging.shareable_address(r.std_street, r.std_postcode, r.std_city)),
    ('tax_id', r.std_tax_id),
    ('customer_number', r.std_customer_number)) AS v (attribute, value)
WHERE NOT r.is_deleted AND v.value IS NOT NULL;

CREATE OR REPLACE VIEW staging.evidence_records AS
SELECT r.record_id, r.source, r.source_record_id, r.event_at, r.is_deleted, r.change_seq,
       r.std_name, r.std_given_name, r.std_middle_name, r.std_family_name, r.std_name_suffix,
       r.std_organisation,
       CASE WHEN email.value IS NULL THEN r.std_email END AS std_email,
       CASE WHEN phone.value IS NULL THEN r.std_phone END AS std_phone,
       r.std_date_of_birth, r.std_gender,
       CASE WHEN address.value IS NULL THEN r.std_street END AS std_street,
       r.std_city, r.std_region, r.std_postcode, r.std_country,
       CASE WHEN tax_id.value IS NULL THEN r.std_tax_id END AS std_tax_id,
       CASE WHEN number.value IS NULL THEN r.std_customer_number END AS std_customer_number,
       r.std_extra
FROM staging.records AS r
LEFT JOIN identity.shared_values AS email
  ON email.attribute = 'email' AND email.is_ignored AND email.value = r.std_email
LEFT JOIN identity.shared_values AS phone
  ON phone.attribute = 'phone' AND phone.is_ignored AND phone.value = r.std_phone
LEFT JOIN identity.shared_values AS address
  ON address.attribute = 'address' AND address.is_ignored
 AND address.value = staging.shareable_address(r.std_street, r.std_postcode, r.std_city)
LEFT JOIN identity.shared_values AS tax_id
  ON tax_id.attribute = 'tax_id' AND tax_id.is_ignored AND tax_id.value = r.std_tax_id
LEFT JOIN identity.shared_values AS number
  ON number.attribute = 'customer_number' AND number.is_ignored
 AND number.value = r.std_customer_number;
