-- Why a golden value is what it is, and what it was: one customer, one attribute at a time.

-- name: attribute
-- The attribute as gold knows it (at most one row).
SELECT attribute, position, is_extra FROM gold.golden_attributes WHERE attribute = :attribute

-- name: attributes
-- Every attribute in its order, for the message about one that is none.
SELECT attribute FROM gold.golden_attributes ORDER BY position

-- name: customer
-- What became of an id ever published, and the living customer it stands for (at most one row).
SELECT c.state, c.ended_at, c.ended_run_id, identity.resolve(c.global_customer_id) AS living_id
FROM identity.customers AS c
WHERE c.global_customer_id = :customer_id

-- name: golden
-- The value now, the rules it was chosen by, the record those rules chose (kept beneath an override)
-- and the override on top (at most one row: none for a customer that is not in gold).
SELECT CASE WHEN CAST(:is_extra AS boolean) THEN d.extra ->> :attribute
            ELSE gold.meaning(d) ->> ('canonical_' || :attribute) END AS value,
       coalesce(s.rules -> 'attributes' ->> :attribute, s.rules ->> 'default') AS rule,
       ARRAY(SELECT jsonb_array_elements_text(s.rules -> 'sources')) AS sources,
       CASE WHEN CAST(:is_extra AS boolean) THEN CAST(l.extra_records ->> :attribute AS bigint)
            ELSE l.record_ids[:position] END AS record_id,
       o.override_id, o.action, o.steward, o.reason, o.created_at AS decided_at
FROM gold.dim_customers AS d
JOIN gold.customer_lineage AS l USING (global_customer_id)
JOIN gold.survivorship_rule_sets AS s USING (rule_set_id)
LEFT JOIN gold.customer_steward_overrides AS o
       ON o.override_id = CAST(l.overrides ->> :attribute AS bigint)
WHERE d.global_customer_id = :customer_id

-- name: contenders
-- One row per live record of the customer that has a value for the attribute: the value, where it
-- stands in the lake, the run that brought it, and all that a rule may look at. `ballot` is what
-- most_frequent compares: name and address are voted on whole.
SELECT v.record_id, v.source, v.source_record_id, v.event_at, v.filled_n,
       o.object_key, r.line_no, r.run_id, shown.value,
       CASE WHEN :part = 'name' THEN v.std_given_name IS NULL OR v.std_family_name IS NULL
            WHEN :part = 'address' THEN v.std_street IS NULL
            ELSE false END AS is_fragment,
       CASE WHEN :part = 'name' THEN
                 length(coalesce(v.full_name, concat_ws(' ', v.given_name, v.middle_name, v.family_name)))
            WHEN :part = 'address' THEN
                 length(concat(v.street, v.city, v.region, v.postcode, v.country))
            ELSE length(shown.value) END AS length_n,
       CASE WHEN :part = 'name' THEN v.std_name
            WHEN :part = 'address' THEN
                 format('%s|%s|%s|%s|%s', v.std_street, v.std_city, v.std_region, v.postcode, v.country)
            ELSE coalesce(to_jsonb(v) ->> ('std_' || :attribute), v.std_extra ->> :attribute,
                          shown.value) END AS ballot
FROM gold.survivorship_values AS v
JOIN staging.records AS r USING (record_id)
LEFT JOIN raw.lake_objects AS o USING (object_id)
CROSS JOIN LATERAL (
    SELECT coalesce(
        CASE WHEN CAST(:is_extra AS boolean) THEN v.extra ->> :attribute ELSE to_jsonb(v) ->> :attribute END,
        -- a part of a name that staging found in the full name
        CASE WHEN :part = 'name' THEN to_jsonb(v) ->> ('std_' || :attribute) END) AS value) AS shown
WHERE v.global_customer_id = :customer_id AND shown.value IS NOT NULL
ORDER BY v.event_at DESC, v.source, v.source_record_id COLLATE "C"

-- name: changes
-- One row per change event that set, changed or ended the value, in order, with its run.
SELECT e.event_seq, e.event_type, e.occurred_at, e.run_id, r.command, e.related_customer_id,
       change.old_value, change.new_value
FROM gold.customer_change_events AS e
LEFT JOIN ops.runs AS r USING (run_id)
CROSS JOIN LATERAL (
    SELECT CASE WHEN CAST(:is_extra AS boolean) THEN e.old_values -> 'extra' ->> :attribute
                ELSE e.old_values ->> ('canonical_' || :attribute) END AS old_value,
           CASE WHEN CAST(:is_extra AS boolean) THEN e.new_values -> 'extra' ->> :attribute
                ELSE e.new_values ->> ('canonical_' || :attribute) END AS new_value) AS change
WHERE e.global_customer_id = :customer_id
  AND (e.event_type <> 'UPDATE' OR change.old_value IS DISTINCT FROM change.new_value)
ORDER BY e.event_seq

-- name: version_at
-- The version that was valid at an instant, with the value in it (at most one row).
SELECT h.version, h.valid_from, h.valid_to, h.run_id,
       CASE WHEN CAST(:is_extra AS boolean) THEN h.extra ->> :attribute
            ELSE to_jsonb(h) ->> ('canonical_' || :attribute) END AS value
FROM gold.dim_customers_history AS h
WHERE h.global_customer_id = :customer_id
  AND h.valid_from <= :at AND (h.valid_to IS NULL OR h.valid_to > :at)

-- name: override_at
-- The override that may have made the value of a version: in force when it began, and said before
-- its run ended.
SELECT o.override_id, o.action, o.value, o.steward, o.reason, o.created_at AS decided_at
FROM gold.customer_steward_overrides AS o
WHERE o.attribute = :attribute
  AND o.valid_from <= :moment AND (o.valid_to IS NULL OR o.valid_to > :moment)
  AND o.created_at <= (SELECT coalesce(max(r.finished_at), 'infinity') FROM ops.runs AS r WHERE r.run_id = :run_id)
  AND (o.global_customer_id = :customer_id
       OR EXISTS (SELECT FROM identity.customer_identity_map AS m
                  WHERE m.source = o.anchor_source AND m.source_record_id = o.anchor_source_record_id
                    AND m.global_customer_id = :customer_id))
ORDER BY o.created_at DESC, o.override_id DESC
LIMIT 1
