-- Values that many different people hold (a switchboard, info@, a placeholder nobody listed) say
-- nothing about who is who. The register lists them; identity inputs are made without them.

CREATE TABLE identity.shared_values (
    attribute  text NOT NULL
        CHECK (attribute IN ('email', 'phone', 'address', 'tax_id', 'customer_number')),
    value      text NOT NULL,
    record_n   bigint NOT NULL,
    name_n     bigint NOT NULL,
    reason     text NOT NULL,
    is_found   boolean NOT NULL,
    is_ignored boolean NOT NULL,
    found_at   timestamptz NOT NULL,
    run_id     bigint NOT NULL,
    PRIMARY KEY (attribute, value)
);
COMMENT ON TABLE identity.shared_values IS 'The shared-value register: one row per standardised value that was found to be held by many different names, or that a steward judged. Writer: staging (identity inputs).';
COMMENT ON COLUMN identity.shared_values.attribute IS 'address: street, and postcode (else city), as one text.';
COMMENT ON COLUMN identity.shared_values.name_n IS 'How many different pairs of initials (of organisations: first three letters) the records have that hold it: typing errors and households make few of them, strangers many.';
COMMENT ON COLUMN identity.shared_values.is_found IS 'Whether the data say so today ([matching] shared_by_names).';
COMMENT ON COLUMN identity.shared_values.is_ignored IS 'Whether blocking and matching do without it: found and not lifted, or confirmed by a steward.';
COMMENT ON COLUMN identity.shared_values.found_at IS 'When it was (last newly) found or judged, as_of of run_id.';

CREATE TABLE identity.shared_value_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attribute   text NOT NULL
        CHECK (attribute IN ('email', 'phone', 'address', 'tax_id', 'customer_number')),
    value       text NOT NULL CHECK (btrim(value) <> ''),
    verdict     text NOT NULL CHECK (verdict IN ('CONFIRM', 'LIFT', 'UNDO')),
    steward     text NOT NULL CHECK (btrim(steward) <> ''),
    reason      text NOT NULL CHECK (btrim(reason) <> ''),
    decided_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX shared_value_decisions_value ON identity.shared_value_decisions (attribute, value, decision_id);
COMMENT ON TABLE identity.shared_value_decisions IS 'One row per word of a steward on a shared value: CONFIRM (ignore it whatever the data say), LIFT (it counts as any other), UNDO (the data decide again). Append-only; the latest word holds from the next run on. Writer: stewards, by SQL or mdm shared-values.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON identity.shared_value_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION identity.refuse_change();

CREATE VIEW identity.live_shared_value_decisions AS
SELECT d.* FROM (
    SELECT DISTINCT ON (attribute, value) * FROM identity.shared_value_decisions
    ORDER BY attribute, value, decision_id DESC
) AS d
WHERE d.verdict <> 'UNDO';
COMMENT ON VIEW identity.live_shared_value_decisions IS 'The stewards'' words on shared values that hold: at most one per value.';

CREATE VIEW identity.shared_value_register AS
SELECT s.attribute, s.value, s.record_n, s.name_n,
       CASE WHEN d.verdict = 'CONFIRM' THEN 'CONFIRMED' WHEN d.verdict = 'LIFT' THEN 'LIFTED'
            WHEN s.is_found THEN 'FOUND' ELSE 'GONE' END AS state,
       s.is_ignored, s.found_at, s.reason, d.steward, d.reason AS steward_reason, d.decided_at
FROM identity.shared_values AS s
LEFT JOIN identity.live_shared_value_decisions AS d USING (attribute, value);
COMMENT ON VIEW identity.shared_value_register IS 'identity.shared_values with what stewards say of them. FOUND: by the data; CONFIRMED or LIFTED: by a steward; GONE: found once, not any more. is_ignored follows with the next run.';

CREATE VIEW staging.shareable_values AS
SELECT r.record_id, r.change_seq, v.attribute, v.value,
       coalesce(least(left(r.std_given_name, 1), left(r.std_family_name, 1))
                || greatest(left(r.std_given_name, 1), left(r.std_family_name, 1)),
                left(r.std_organisation, 3)) AS initials
FROM staging.records AS r
CROSS JOIN LATERAL (VALUES
    ('email', r.std_email),
    ('phone', r.std_phone),
    ('address', r.std_street || ', ' || coalesce(r.std_postcode, r.std_city, '')),
    ('tax_id', r.std_tax_id),
    ('customer_number', r.std_customer_number)) AS v (attribute, value)
WHERE NOT r.is_deleted AND v.value IS NOT NULL;
COMMENT ON VIEW staging.shareable_values IS 'One row per live record and value of it that strangers might share, with what counts as its name there.';

CREATE VIEW staging.evidence_records AS
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
 AND address.value = r.std_street || ', ' || coalesce(r.std_postcode, r.std_city, '')
LEFT JOIN identity.shared_values AS tax_id
  ON tax_id.attribute = 'tax_id' AND tax_id.is_ignored AND tax_id.value = r.std_tax_id
LEFT JOIN identity.shared_values AS number
  ON number.attribute = 'customer_number' AND number.is_ignored
 AND number.value = r.std_customer_number;
COMMENT ON VIEW staging.evidence_records IS 'staging.records as evidence of who is who: standardised values without those of the shared-value register. Profiles are made of these.';
