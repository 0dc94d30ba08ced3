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

-- Each list is read once, however few records the planner expects. (Values are never NULL; what a record
-- has not is NULL still.)
CREATE OR REPLACE VIEW staging.evidence_records AS
SELECT r.record_id, r.source, r.source_record_id, r.event_at, r.is_deleted, r.change_seq,
       r.std_name, r.std_given_name, r.std_middle_name, r.std_family_name, r.std_name_suffix,
       r.std_organisation,
       CASE WHEN r.std_email NOT IN
           (SELECT s.value FROM identity.shared_values AS s WHERE s.attribute = 'email' AND s.is_ignored)
       THEN r.std_email END AS std_email,
       CASE WHEN r.std_phone NOT IN
           (SELECT s.value FROM identity.shared_values AS s WHERE s.attribute = 'phone' AND s.is_ignored)
       THEN r.std_phone END AS std_phone,
       r.std_date_of_birth, r.std_gender,
       CASE WHEN staging.shareable_address(r.std_street, r.std_postcode, r.std_city) NOT IN
           (SELECT s.value FROM identity.shared_values AS s WHERE s.attribute = 'address' AND s.is_ignored)
       THEN r.std_street END AS std_street,
       r.std_city, r.std_region, r.std_postcode, r.std_country,
       CASE WHEN r.std_tax_id NOT IN
           (SELECT s.value FROM identity.shared_values AS s WHERE s.attribute = 'tax_id' AND s.is_ignored)
       THEN r.std_tax_id END AS std_tax_id,
       CASE WHEN r.std_customer_number NOT IN
           (SELECT s.value FROM identity.shared_values AS s WHERE s.attribute = 'customer_number' AND s.is_ignored)
       THEN r.std_customer_number END AS std_customer_number,
       r.std_extra
FROM staging.records AS r;
