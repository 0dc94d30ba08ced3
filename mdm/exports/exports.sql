-- What can be exported, and the expressions that mask it. All of an export is read in one
-- transaction that sees one state of the warehouse.

-- name: customers
-- One row per golden customer.
SELECT d.* FROM gold.dim_customers AS d ORDER BY d.global_customer_id

-- name: customers_at
-- One row per golden customer as it was at the setting mdm.export_at (counters are not versioned,
-- so they are not here).
SELECT h.global_customer_id, h.canonical_full_name, h.canonical_given_name,
       h.canonical_middle_name, h.canonical_family_name, h.canonical_email, h.canonical_phone,
       h.canonical_date_of_birth, h.canonical_gender, h.canonical_street, h.canonical_city,
       h.canonical_region, h.canonical_postcode, h.canonical_country, h.canonical_tax_id,
       h.canonical_customer_number, h.canonical_organisation, h.extra, h.source_systems,
       h.primary_source, h.version, h.valid_from, h.valid_to, h.run_id
FROM gold.customers_as_of(CAST(current_setting('mdm.export_at') AS timestamptz)) AS h
ORDER BY h.global_customer_id

-- name: lineage
-- One row per golden value: the source record and rule, or the override, that won it.
SELECT l.* FROM gold.customer_attribute_lineage AS l

-- name: history
-- One row per version of a golden customer.
SELECT h.* FROM gold.dim_customers_history AS h ORDER BY h.history_id

-- name: identity_map
-- One row per live source record with its customer.
SELECT m.* FROM identity.customer_identity_map AS m ORDER BY m.record_id

-- name: events
-- One row per change event, in the order to apply them in.
SELECT e.* FROM gold.customer_change_events AS e ORDER BY e.event_seq

-- name: rejects
-- One row per lake line that stands in quarantine, with its object.
SELECT object_key, object_id, line_no, source, reason, detail, line, run_id, rejected_at
FROM raw.quarantine
ORDER BY object_id, line_no

-- name: set_moment
-- Makes :at the moment that customers_at shows, for this transaction.
SELECT set_config('mdm.export_at', CAST(CAST(:at AS timestamptz) AS text), true)

-- name: published
-- The boundary instant and number of the run that last wrote golden customers (at most one row).
SELECT CAST(marks ->> 'as_of' AS timestamptz) AS as_of, run_id
FROM gold.layer_state WHERE layer = 'golden'

-- name: further_attributes
-- The further attributes of golden customers, keys of extra, in their order.
SELECT attribute FROM gold.golden_attributes WHERE is_extra ORDER BY position

-- name: create_mask_key
-- The key of masking by hash, as the two padded blocks of HMAC. A table that is filled by COPY,
-- because what stands in a statement may end in the log of the server.
CREATE TEMPORARY TABLE export_mask_key (inner_pad bytea NOT NULL, outer_pad bytea NOT NULL)
ON COMMIT DROP

-- name: mask_hash
-- An expression: the first 128 bits of HMAC-SHA-256 (RFC 2104) of a text, in hexadecimal.
left(encode(sha256((SELECT outer_pad FROM pg_temp.export_mask_key)
                   || sha256((SELECT inner_pad FROM pg_temp.export_mask_key)
                             || convert_to({value}, 'UTF8'))), 'hex'), 32)

-- name: mask_partial
-- An expression: the first sign of a text.
left({value}, 1) || '***'

-- name: mask_partial_postcode
-- An expression: the first two signs of a postcode, its district at most.
left({value}, 2) || '***'

-- name: mask_partial_email
-- An expression: an e-mail address with the first sign before the @ and its domain.
regexp_replace({value}, '^(.)[^@]*', '\1***')

-- name: mask_partial_phone
-- An expression: a phone number with its first three signs and its last two digits.
left({value}, 3) || repeat('*', greatest(length({value}) - 5, 0)) || right({value}, 2)

-- name: mask_partial_date
-- An expression: the first of January of a date's year.
left({value}, 4) || '-01-01'

-- name: mask_drop
-- An expression: nothing.
CAST(NULL AS text)
