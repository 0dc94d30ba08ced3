-- Who holds which value: what the arrays of staging.value_keys are made of, and the arrays.

-- name: select_keys
-- For COPY: one row per record that changed after a number: the hash of its initials and the keys of
-- its values, as in staging.shareable_values (which has a row for each value); 0 for what it has not,
-- as a tombstone has nothing. Behind them comes what else the caller wants of a record.
SELECT record_id,
       coalesce(hashtextextended(
           staging.initials(std_given_name, std_family_name, std_organisation), 0), 0) AS names,
       coalesce(staging.value_key('email', std_email), 0) AS email,
       coalesce(staging.value_key('phone', std_phone), 0) AS phone,
       coalesce(staging.value_key(
           'address', staging.shareable_address(std_street, std_postcode, std_city)), 0) AS address,
       coalesce(staging.value_key('tax_id', std_tax_id), 0) AS tax_id,
       coalesce(staging.value_key('customer_number', std_customer_number), 0) AS customer_number
       {more}
FROM staging.records
WHERE change_seq > {consumed}

-- name: select_stored_keys
-- For COPY: the keys alone, a row for each of the table.
SELECT change_seq, part, keys FROM staging.value_keys ORDER BY change_seq, part

-- name: slices_of_record_ids
-- Who holds the values of some stretches of keys: a row for each stretch, in order.
SELECT substr(stored.record_ids, 8 * wanted.start + 1, 8 * wanted.n)
FROM unnest(CAST(:starts AS integer[]), CAST(:ns AS integer[]))
     WITH ORDINALITY AS wanted (start, n, position)
JOIN staging.value_keys AS stored ON (stored.change_seq, stored.part) = (:change_seq, :part)
ORDER BY wanted.position

-- name: slices_of_names
-- The same, by their names.
SELECT substr(stored.names, 8 * wanted.start + 1, 8 * wanted.n)
FROM unnest(CAST(:starts AS integer[]), CAST(:ns AS integer[]))
     WITH ORDINALITY AS wanted (start, n, position)
JOIN staging.value_keys AS stored ON (stored.change_seq, stored.part) = (:change_seq, :part)
ORDER BY wanted.position

-- name: select_all
-- For COPY: the arrays, a row for each of the table.
SELECT keys, record_ids, names FROM staging.value_keys

-- name: clear
-- No entries.
TRUNCATE staging.value_keys
