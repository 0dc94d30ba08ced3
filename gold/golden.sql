-- Phase 7: survivorship. Work tables are temporary and hold the touched customers only; `gold_` is
-- their prefix so that they hide nothing else.

-- name: lock_changes
-- Change numbers become event numbers that consumers follow: one writer at a time, until it commits,
-- is what makes their order the order of commits.
LOCK TABLE gold.customer_changes IN SHARE ROW EXCLUSIVE MODE

-- name: read_marks
-- How far a layer of gold has come in its inputs (no row before its first run).
SELECT marks FROM gold.layer_state WHERE layer = :layer

-- name: write_marks
-- How far a layer has come now.
INSERT INTO gold.layer_state (layer, run_id, marks)
VALUES (:layer, :run_id, CAST(:marks AS jsonb))
ON CONFLICT (layer) DO UPDATE SET run_id = excluded.run_id, marks = excluded.marks
WHERE layer_state.marks IS DISTINCT FROM excluded.marks

-- name: input_marks
-- Where the inputs stand: one row.
SELECT (SELECT coalesce(max(change_seq), 0) FROM staging.records) AS change_seq,
       (SELECT coalesce(max(event_id), 0) FROM identity.identity_events) AS identity_event_id,
       (SELECT coalesce(max(run_id), 0) FROM identity.consumption) AS identity_run_id,
       (SELECT coalesce(max(override_id), 0) FROM gold.customer_steward_overrides) AS override_id

-- name: register_extras
-- The further attributes of the configuration, so that overrides of them are understood.
INSERT INTO gold.golden_attributes (attribute, position, kind, is_extra)
SELECT given.attribute, 16 + given.position, given.kind, true
FROM unnest(CAST(:attributes AS text[]), CAST(:kinds AS text[]))
     WITH ORDINALITY AS given (attribute, kind, position)

-- name: known_extras
-- The further attributes as registered, in their order.
SELECT attribute FROM gold.golden_attributes WHERE is_extra ORDER BY position

-- name: forget_extras
-- Before the extras are registered anew.
DELETE FROM gold.golden_attributes WHERE is_extra

-- name: register_rule_set
-- The id of the present rules: one row.
INSERT INTO gold.survivorship_rule_sets (digest, rules, first_run_id)
VALUES (:digest, CAST(:rules AS jsonb), :run_id)
ON CONFLICT (digest) DO NOTHING

-- name: rule_set_id
-- The id of the rules with a digest.
SELECT rule_set_id FROM gold.survivorship_rule_sets WHERE digest = :digest

-- name: create_touched
-- The customers to rebuild, filled by one of the touch_* queries.
CREATE TEMPORARY TABLE gold_touched (global_customer_id uuid NOT NULL) ON COMMIT DROP

-- name: touch_all
-- Every customer there is or was in gold.
INSERT INTO pg_temp.gold_touched
SELECT global_customer_id FROM identity.customer_identity_map
UNION
SELECT global_customer_id FROM gold.dim_customers

-- name: touch_news
-- Customers with news: a record of theirs changed, was linked anew or went; an identity event names
-- them; an override of theirs came, moved, started or ran out; their recency steps down.
INSERT INTO pg_temp.gold_touched
SELECT m.global_customer_id
FROM staging.records AS r
JOIN identity.customer_identity_map AS m USING (record_id)
WHERE r.change_seq > :change_seq
UNION
SELECT x.global_customer_id
FROM staging.records AS r
JOIN identity.retired_records AS x USING (source, source_record_id)
WHERE r.change_seq > :change_seq
UNION
SELECT m.global_customer_id
FROM identity.customer_identity_map AS m
WHERE :identity_moved AND m.run_id > :identity_run_id
UNION
SELECT named.id
FROM identity.identity_events AS e
CROSS JOIN LATERAL (VALUES (e.global_customer_id), (e.related_customer_id)) AS named (id)
WHERE e.event_id > :identity_event_id AND named.id IS NOT NULL
UNION
SELECT coalesce(wanted.global_customer_id, applied.global_customer_id)
FROM gold.effective_overrides(:as_of) AS wanted
FULL JOIN (
    SELECT l.global_customer_id, o.key AS attribute, CAST(o.value AS bigint) AS override_id
    FROM gold.customer_lineage AS l
    CROSS JOIN LATERAL jsonb_each_text(l.overrides) AS o
    WHERE l.overrides IS NOT NULL) AS applied USING (global_customer_id, attribute)
WHERE wanted.override_id IS DISTINCT FROM applied.override_id
UNION
SELECT d.global_customer_id
FROM gold.dim_customers AS d
CROSS JOIN (VALUES (1), (2)) AS step (n)
WHERE d.last_seen_at >= CAST(:last_as_of AS timestamptz) - step.n * CAST(:stale_after AS interval)
  AND d.last_seen_at < CAST(:as_of AS timestamptz) - step.n * CAST(:stale_after AS interval)

-- name: log_touched
-- Leave word for conflict detection: the touched customers, or one row that means all.
INSERT INTO gold.touched_customers (run_id, global_customer_id)
SELECT :run_id, global_customer_id FROM pg_temp.gold_touched WHERE NOT :everyone
UNION ALL
SELECT :run_id, NULL WHERE :everyone

-- name: drop_consumed
-- Changes that both history and events have, and touches that conflict detection has looked at.
WITH consumed AS (
    SELECT min(CAST(marks ->> 'change_id' AS bigint)) AS change_id
    FROM gold.layer_state WHERE layer IN ('history', 'events')
    HAVING count(*) = 2
), forgotten AS (
    DELETE FROM gold.touched_customers
    WHERE touched_id <= (SELECT CAST(marks ->> 'touched_id' AS bigint)
                         FROM gold.layer_state WHERE layer = 'conflicts')
)
DELETE FROM gold.customer_changes WHERE change_id <= (SELECT change_id FROM consumed)

-- name: create_frequent
-- The most frequent value per touched customer, where its records disagree and the rule asks: by
-- the number of sources that hold it (a source with many records has one voice), then the most
-- recent sighting, then the total order of source priority, source and record id. A complete
-- name or address outranks a fragment before voices are counted.
CREATE TEMPORARY TABLE gold_frequent ON COMMIT DROP AS
WITH ranks AS (
    SELECT given.source, given.rank
    FROM unnest(CAST(:sources AS text[])) WITH ORDINALITY AS given (source, rank)
), disagreements AS (
    SELECT v.global_customer_id,
           :rule_name = 'most_frequent' AND min(v.std_name COLLATE "C") <> max(v.std_name COLLATE "C") AS name,
           :rule_email = 'most_frequent' AND min(v.email COLLATE "C") <> max(v.email COLLATE "C") AS email,
           :rule_phone = 'most_frequent' AND min(v.phone COLLATE "C") <> max(v.phone COLLATE "C") AS phone,
           :rule_date_of_birth = 'most_frequent' AND min(v.date_of_birth) <> max(v.date_of_birth) AS date_of_birth,
           :rule_gender = 'most_frequent' AND min(v.gender COLLATE "C") <> max(v.gender COLLATE "C") AS gender,
           :rule_address = 'most_frequent' AS address,
           :rule_tax_id = 'most_frequent' AND min(v.std_tax_id COLLATE "C") <> max(v.std_tax_id COLLATE "C") AS tax_id,
           :rule_customer_number = 'most_frequent'
               AND min(v.std_customer_number COLLATE "C") <> max(v.std_customer_number COLLATE "C") AS customer_number,
           :rule_organisation = 'most_frequent'
               AND min(v.std_organisation COLLATE "C") <> max(v.std_organisation COLLATE "C") AS organisation
    FROM gold.survivorship_values AS v
    JOIN pg_temp.gold_touched USING (global_customer_id)
    GROUP BY v.global_customer_id
    HAVING count(*) > 1
), sightings AS (
    SELECT v.global_customer_id, v.source, seen.part, seen.value, seen.fragment,
           row_number() OVER (
               PARTITION BY v.global_customer_id, seen.part
               ORDER BY seen.fragment, v.event_at DESC, coalesce(r.rank, 100000),
                        v.source COLLATE "C", v.source_record_id COLLATE "C") AS position
    FROM disagreements AS d
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    LEFT JOIN ranks AS r ON r.source = v.source
    CROSS JOIN LATERAL (VALUES
        ('name', d.name, v.std_name, v.std_given_name IS NULL OR v.std_family_name IS NULL),
        ('email', d.email, v.email, false),
        ('phone', d.phone, v.phone, false),
        ('date_of_birth', d.date_of_birth, CAST(v.date_of_birth AS text), false),
        ('gender', d.gender, v.gender, false),
        ('address', d.address,
         nullif(concat_ws(chr(31), v.std_street, v.std_city, v.std_region, v.postcode, v.country), ''),
         v.std_street IS NULL),
        ('tax_id', d.tax_id, v.std_tax_id, false),
        ('customer_number', d.customer_number, v.std_customer_number, false),
        ('organisation', d.organisation, v.std_organisation, false)
    ) AS seen (part, is_open, value, fragment)
    WHERE seen.is_open AND seen.value IS NOT NULL
      AND (d.name OR d.email OR d.phone OR d.date_of_birth OR d.gender OR d.address OR d.tax_id
           OR d.customer_number OR d.organisation)
), voices AS (
    SELECT global_customer_id, part, value, bool_and(fragment) AS fragment,
           count(DISTINCT source) AS source_n, min(position) AS position
    FROM sightings
    GROUP BY global_customer_id, part, value
), winners AS (
    SELECT DISTINCT ON (global_customer_id, part) global_customer_id, part, value
    FROM voices
    ORDER BY global_customer_id, part, fragment, source_n DESC, position
)
SELECT global_customer_id,
       max(value) FILTER (WHERE part = 'name') AS name,
       max(value) FILTER (WHERE part = 'email') AS email,
       max(value) FILTER (WHERE part = 'phone') AS phone,
       CAST(max(value) FILTER (WHERE part = 'date_of_birth') AS date) AS date_of_birth,
       max(value) FILTER (WHERE part = 'gender') AS gender,
       max(value) FILTER (WHERE part = 'address') AS address,
       max(value) FILTER (WHERE part = 'tax_id') AS tax_id,
       max(value) FILTER (WHERE part = 'customer_number') AS customer_number,
       max(value) FILTER (WHERE part = 'organisation') AS organisation
FROM winners
GROUP BY global_customer_id

-- name: create_golden
-- The golden values of the touched customers, before overrides: one row per customer that has records.
--
-- Within a customer every record has two positions: `place` in the total order (source priority,
-- most recent, source, record id) and `recency` (most recent first, then place). A rule is a number
-- per record with the place in its lowest 24 bits, so that the smallest number names the winner and
-- ties cannot be: bit 60 fragment, bits 24-51 what the rule looks at. The records with a
-- most frequent value compete by recency.
CREATE TEMPORARY TABLE gold_golden ON COMMIT DROP AS
WITH ranks AS (
    SELECT given.source, given.rank
    FROM unnest(CAST(:sources AS text[])) WITH ORDINALITY AS given (source, rank)
), candidates AS (
    SELECT v.*, coalesce(r.rank, 100000) AS rank,
           v.std_name IS NOT NULL AND (f.name IS NULL OR f.name = v.std_name) AS may_name,
           v.email IS NOT NULL AND (f.email IS NULL OR f.email = v.email) AS may_email,
           v.phone IS NOT NULL AND (f.phone IS NULL OR f.phone = v.phone) AS may_phone,
           v.date_of_birth IS NOT NULL
               AND (f.date_of_birth IS NULL OR f.date_of_birth = v.date_of_birth) AS may_date_of_birth,
           v.gender IS NOT NULL AND (f.gender IS NULL OR f.gender = v.gender) AS may_gender,
           num_nonnulls(v.std_street, v.std_city, v.std_region, v.postcode, v.country) > 0
               AND (f.address IS NULL
                    OR f.address = concat_ws(chr(31), v.std_street, v.std_city, v.std_region,
                                             v.postcode, v.country)) AS may_address,
           v.std_tax_id IS NOT NULL AND (f.tax_id IS NULL OR f.tax_id = v.std_tax_id) AS may_tax_id,
           v.std_customer_number IS NOT NULL
               AND (f.customer_number IS NULL OR f.customer_number = v.std_customer_number) AS may_customer_number,
           v.std_organisation IS NOT NULL
               AND (f.organisation IS NULL OR f.organisation = v.std_organisation) AS may_organisation
    FROM pg_temp.gold_touched
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    LEFT JOIN ranks AS r ON r.source = v.source
    LEFT JOIN pg_temp.gold_frequent AS f USING (global_customer_id)
), placed AS (
    SELECT c.*,
           row_number() OVER by_recency AS recency,
           row_number() OVER by_place AS place,
           c.source IS DISTINCT FROM lag(c.source) OVER by_place AS is_first_of_source
    FROM candidates AS c
    WINDOW by_recency AS (PARTITION BY c.global_customer_id
                          ORDER BY c.event_at DESC, c.rank, c.source COLLATE "C",
                                   c.source_record_id COLLATE "C"),
           by_place AS (PARTITION BY c.global_customer_id
                        ORDER BY c.rank, c.source COLLATE "C", c.event_at DESC,
                                 c.source_record_id COLLATE "C")
), keyed AS (
    SELECT p.*,
           CASE WHEN p.may_name THEN
               (CAST(p.std_given_name IS NULL OR p.std_family_name IS NULL AS integer)::bigint << 60)
               + (CASE WHEN :rule_name IN ('most_recent', 'most_frequent') THEN p.recency
                       WHEN :rule_name = 'most_complete' THEN 100 - p.filled_n
                       WHEN :rule_name = 'longest' THEN
                           100000000 - length(coalesce(p.full_name,
                               concat_ws(' ', p.given_name, p.middle_name, p.family_name)))
                       ELSE 0 END << 24) + p.place END AS name_key,
           CASE WHEN p.may_email THEN
               (CASE WHEN :rule_email IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_email = 'most_complete' THEN 100 - p.filled_n
                     WHEN :rule_email = 'longest' THEN 100000000 - length(p.email)
                     ELSE 0 END << 24) + p.place END AS email_key,
           CASE WHEN p.may_phone THEN
               (CASE WHEN :rule_phone IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_phone = 'most_complete' THEN 100 - p.filled_n
                     WHEN :rule_phone = 'longest' THEN 100000000 - length(p.phone)
                     ELSE 0 END << 24) + p.place END AS phone_key,
           CASE WHEN p.may_date_of_birth THEN
               (CASE WHEN :rule_date_of_birth IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_date_of_birth = 'most_complete' THEN 100 - p.filled_n
                     ELSE 0 END << 24) + p.place END AS date_of_birth_key,
           CASE WHEN p.may_gender THEN
               (CASE WHEN :rule_gender IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_gender = 'most_complete' THEN 100 - p.filled_n
                     WHEN :rule_gender = 'longest' THEN 100000000 - length(p.gender)
                     ELSE 0 END << 24) + p.place END AS gender_key,
           CASE WHEN p.may_address THEN
               (CAST(p.std_street IS NULL AS integer)::bigint << 60)
               + (CASE WHEN :rule_address IN ('most_recent', 'most_frequent') THEN p.recency
                       WHEN :rule_address = 'most_complete' THEN 100 - p.filled_n
                       WHEN :rule_address = 'longest' THEN
                           100000000 - length(concat(p.street, p.city, p.region, p.postcode, p.country))
                       ELSE 0 END << 24) + p.place END AS address_key,
           CASE WHEN p.may_tax_id THEN
               (CASE WHEN :rule_tax_id IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_tax_id = 'most_complete' THEN 100 - p.filled_n
                     WHEN :rule_tax_id = 'longest' THEN 100000000 - length(p.tax_id)
                     ELSE 0 END << 24) + p.place END AS tax_id_key,
           CASE WHEN p.may_customer_number THEN
               (CASE WHEN :rule_customer_number IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_customer_number = 'most_complete' THEN 100 - p.filled_n
                     WHEN :rule_customer_number = 'longest' THEN 100000000 - length(p.customer_number)
                     ELSE 0 END << 24) + p.place END AS customer_number_key,
           CASE WHEN p.may_organisation THEN
               (CASE WHEN :rule_organisation IN ('most_recent', 'most_frequent') THEN p.recency
                     WHEN :rule_organisation = 'most_complete' THEN 100 - p.filled_n
                     WHEN :rule_organisation = 'longest' THEN 100000000 - length(p.organisation)
                     ELSE 0 END << 24) + p.place END AS organisation_key
    FROM placed AS p
), judged AS (
    SELECT k.*,
           k.name_key = min(k.name_key) OVER customer AS wins_name,
           k.email_key = min(k.email_key) OVER customer AS wins_email,
           k.phone_key = min(k.phone_key) OVER customer AS wins_phone,
           k.date_of_birth_key = min(k.date_of_birth_key) OVER customer AS wins_date_of_birth,
           k.gender_key = min(k.gender_key) OVER customer AS wins_gender,
           k.address_key = min(k.address_key) OVER customer AS wins_address,
           k.tax_id_key = min(k.tax_id_key) OVER customer AS wins_tax_id,
           k.customer_number_key = min(k.customer_number_key) OVER customer AS wins_customer_number,
           k.organisation_key = min(k.organisation_key) OVER customer AS wins_organisation
    FROM keyed AS k
    WINDOW customer AS (PARTITION BY k.global_customer_id)
), winners AS (
    SELECT j.global_customer_id,
           max(j.full_name) FILTER (WHERE j.wins_name) AS full_name,
           max(j.given_name) FILTER (WHERE j.wins_name) AS given_name,
           max(j.middle_name) FILTER (WHERE j.wins_name) AS middle_name,
           max(j.family_name) FILTER (WHERE j.wins_name) AS family_name,
           max(j.std_given_name) FILTER (WHERE j.wins_name) AS std_given_name,
           max(j.std_middle_name) FILTER (WHERE j.wins_name) AS std_middle_name,
           max(j.std_family_name) FILTER (WHERE j.wins_name) AS std_family_name,
           max(j.record_id) FILTER (WHERE j.wins_name) AS name_record,
           max(j.email) FILTER (WHERE j.wins_email) AS email,
           max(j.record_id) FILTER (WHERE j.wins_email) AS email_record,
           max(j.phone) FILTER (WHERE j.wins_phone) AS phone,
           max(j.record_id) FILTER (WHERE j.wins_phone) AS phone_record,
           max(j.date_of_birth) FILTER (WHERE j.wins_date_of_birth) AS date_of_birth,
           max(j.record_id) FILTER (WHERE j.wins_date_of_birth) AS date_of_birth_record,
           max(j.gender) FILTER (WHERE j.wins_gender) AS gender,
           max(j.record_id) FILTER (WHERE j.wins_gender) AS gender_record,
           max(j.street) FILTER (WHERE j.wins_address) AS street,
           max(j.city) FILTER (WHERE j.wins_address) AS city,
           max(j.region) FILTER (WHERE j.wins_address) AS region,
           max(j.postcode) FILTER (WHERE j.wins_address) AS postcode,
           max(j.country) FILTER (WHERE j.wins_address) AS country,
           max(j.record_id) FILTER (WHERE j.wins_address) AS address_record,
           max(j.tax_id) FILTER (WHERE j.wins_tax_id) AS tax_id,
           max(j.record_id) FILTER (WHERE j.wins_tax_id) AS tax_id_record,
           max(j.customer_number) FILTER (WHERE j.wins_customer_number) AS customer_number,
           max(j.record_id) FILTER (WHERE j.wins_customer_number) AS customer_number_record,
           max(j.organisation) FILTER (WHERE j.wins_organisation) AS organisation,
           max(j.record_id) FILTER (WHERE j.wins_organisation) AS organisation_record,
           array_sort(array_agg(j.source COLLATE "C") FILTER (WHERE j.is_first_of_source)) AS source_systems,
           max(j.source) FILTER (WHERE j.place = 1) AS primary_source,
           count(*) AS record_count,
           max(j.event_at) AS last_seen_at,
           CAST(sum(j.filled_n) AS real) / greatest(sum(j.filled_n) + sum(j.refused_n), 1) AS validity
    FROM judged AS j
    GROUP BY j.global_customer_id
), spelled AS (
    SELECT w.*,
           coalesce(w.given_name, gold.original_spelling(w.full_name, w.std_given_name)) AS given,
           coalesce(w.middle_name, gold.original_spelling(w.full_name, w.std_middle_name)) AS middle,
           coalesce(w.family_name, gold.original_spelling(w.full_name, w.std_family_name)) AS family
    FROM winners AS w
)
SELECT s.global_customer_id,
       coalesce(s.full_name, nullif(concat_ws(' ', s.given, s.middle, s.family), '')) AS canonical_full_name,
       s.given AS canonical_given_name, s.middle AS canonical_middle_name, s.family AS canonical_family_name,
       s.email AS canonical_email, s.phone AS canonical_phone, s.date_of_birth AS canonical_date_of_birth,
       s.gender AS canonical_gender, s.street AS canonical_street, s.city AS canonical_city,
       s.region AS canonical_region, s.postcode AS canonical_postcode, s.country AS canonical_country,
       s.tax_id AS canonical_tax_id, s.customer_number AS canonical_customer_number,
       s.organisation AS canonical_organisation,
       CAST('{}' AS jsonb) AS extra, s.source_systems, s.primary_source,
       CAST(s.record_count AS integer) AS record_count, s.last_seen_at, s.validity,
       ARRAY[CASE WHEN coalesce(s.full_name, s.given, s.middle, s.family) IS NOT NULL THEN s.name_record END,
             CASE WHEN s.given IS NOT NULL THEN s.name_record END,
             CASE WHEN s.middle IS NOT NULL THEN s.name_record END,
             CASE WHEN s.family IS NOT NULL THEN s.name_record END,
             s.email_record, s.phone_record, s.date_of_birth_record, s.gender_record,
             CASE WHEN s.street IS NOT NULL THEN s.address_record END,
             CASE WHEN s.city IS NOT NULL THEN s.address_record END,
             CASE WHEN s.region IS NOT NULL THEN s.address_record END,
             CASE WHEN s.postcode IS NOT NULL THEN s.address_record END,
             CASE WHEN s.country IS NOT NULL THEN s.address_record END,
             s.tax_id_record, s.customer_number_record, s.organisation_record] AS record_ids,
       CAST(NULL AS jsonb) AS extra_records, CAST(NULL AS jsonb) AS overrides
FROM spelled AS s

-- name: add_extras
-- The further attributes, each by its own rule, with the same order of ties.
WITH ranks AS (
    SELECT given.source, given.rank
    FROM unnest(CAST(:sources AS text[])) WITH ORDINALITY AS given (source, rank)
), shown AS (
    SELECT v.global_customer_id, v.record_id, v.source, v.source_record_id, v.event_at, v.filled_n,
           coalesce(r.rank, 100000) AS rank, x.attribute, x.rule,
           coalesce(v.extra ->> x.attribute, v.std_extra ->> x.attribute) AS value,
           v.std_extra ->> x.attribute AS std_value
    FROM pg_temp.gold_touched
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    LEFT JOIN ranks AS r ON r.source = v.source
    CROSS JOIN unnest(CAST(:attributes AS text[]), CAST(:rules AS text[])) AS x (attribute, rule)
    WHERE v.std_extra ->> x.attribute IS NOT NULL
), voices AS (
    SELECT global_customer_id, attribute, std_value, count(DISTINCT source) AS source_n
    FROM shown
    WHERE rule = 'most_frequent'
    GROUP BY global_customer_id, attribute, std_value
), winners AS (
    SELECT DISTINCT ON (s.global_customer_id, s.attribute)
           s.global_customer_id, s.attribute, s.value, s.record_id
    FROM shown AS s
    LEFT JOIN voices AS n USING (global_customer_id, attribute, std_value)
    ORDER BY s.global_customer_id, s.attribute,
             CASE s.rule WHEN 'most_frequent' THEN -n.source_n
                         WHEN 'most_complete' THEN -s.filled_n
                         WHEN 'longest' THEN -length(s.value) ELSE 0 END,
             CASE WHEN s.rule IN ('most_recent', 'most_frequent') THEN s.event_at END DESC NULLS LAST,
             s.rank, s.source COLLATE "C", s.event_at DESC, s.source_record_id COLLATE "C"
), gathered AS (
    SELECT global_customer_id, jsonb_object_agg(attribute, value) AS extra,
           jsonb_object_agg(attribute, record_id) AS extra_records
    FROM winners
    GROUP BY global_customer_id
)
UPDATE pg_temp.gold_golden AS g
SET extra = e.extra, extra_records = e.extra_records
FROM gathered AS e
WHERE e.global_customer_id = g.global_customer_id

-- name: apply_overrides
-- The stewards' words over what the rules chose, of the touched customers; each row rewritten once.
WITH words AS (
    SELECT o.global_customer_id,
           jsonb_object_agg(o.attribute, o.value) AS said,
           jsonb_object_agg(o.attribute, o.override_id) AS overrides,
           coalesce(jsonb_object_agg(o.attribute, o.value) FILTER (WHERE a.is_extra AND o.action = 'SET'), '{}') AS extra_set,
           coalesce(array_agg(o.attribute) FILTER (WHERE a.is_extra AND o.action = 'CLEAR'), '{}') AS extra_cleared
    FROM gold.effective_overrides(:as_of) AS o
    JOIN gold.golden_attributes AS a USING (attribute)
    GROUP BY o.global_customer_id
)
UPDATE pg_temp.gold_golden AS g
SET canonical_full_name = CASE WHEN w.said ? 'full_name' THEN w.said ->> 'full_name' ELSE g.canonical_full_name END,
    canonical_given_name = CASE WHEN w.said ? 'given_name' THEN w.said ->> 'given_name' ELSE g.canonical_given_name END,
    canonical_middle_name = CASE WHEN w.said ? 'middle_name' THEN w.said ->> 'middle_name' ELSE g.canonical_middle_name END,
    canonical_family_name = CASE WHEN w.said ? 'family_name' THEN w.said ->> 'family_name' ELSE g.canonical_family_name END,
    canonical_email = CASE WHEN w.said ? 'email' THEN w.said ->> 'email' ELSE g.canonical_email END,
    canonical_phone = CASE WHEN w.said ? 'phone' THEN w.said ->> 'phone' ELSE g.canonical_phone END,
    canonical_date_of_birth = CASE WHEN w.said ? 'date_of_birth' THEN CAST(w.said ->> 'date_of_birth' AS date)
                                   ELSE g.canonical_date_of_birth END,
    canonical_gender = CASE WHEN w.said ? 'gender' THEN w.said ->> 'gender' ELSE g.canonical_gender END,
    canonical_street = CASE WHEN w.said ? 'street' THEN w.said ->> 'street' ELSE g.canonical_street END,
    canonical_city = CASE WHEN w.said ? 'city' THEN w.said ->> 'city' ELSE g.canonical_city END,
    canonical_region = CASE WHEN w.said ? 'region' THEN w.said ->> 'region' ELSE g.canonical_region END,
    canonical_postcode = CASE WHEN w.said ? 'postcode' THEN w.said ->> 'postcode' ELSE g.canonical_postcode END,
    canonical_country = CASE WHEN w.said ? 'country' THEN w.said ->> 'country' ELSE g.canonical_country END,
    canonical_tax_id = CASE WHEN w.said ? 'tax_id' THEN w.said ->> 'tax_id' ELSE g.canonical_tax_id END,
    canonical_customer_number = CASE WHEN w.said ? 'customer_number' THEN w.said ->> 'customer_number'
                                     ELSE g.canonical_customer_number END,
    canonical_organisation = CASE WHEN w.said ? 'organisation' THEN w.said ->> 'organisation' ELSE g.canonical_organisation END,
    extra = (g.extra - w.extra_cleared) || w.extra_set,
    overrides = w.overrides
FROM words AS w
WHERE w.global_customer_id = g.global_customer_id

-- name: merge_golden
-- Bring gold.dim_customers to the golden values and stage what changed: one row of
-- gold.customer_changes per customer whose meaning changed. Counters are brought up to date silently.
WITH splits AS (
    SELECT DISTINCT ON (e.related_customer_id)
           e.related_customer_id AS global_customer_id, e.global_customer_id AS origin_id
    FROM identity.identity_events AS e
    WHERE e.event_type = 'SPLIT' AND e.event_id > :identity_event_id
    ORDER BY e.related_customer_id, e.event_id DESC
), scored AS (
    SELECT g.*, coalesce(c.confidence, 1) AS match_confidence,
           CAST(round(CAST(
               0.5 * (CAST('full_name' = ANY (:expected) AND g.canonical_full_name IS NOT NULL AS integer)
                    + CAST('given_name' = ANY (:expected) AND g.canonical_given_name IS NOT NULL AS integer)
                    + CAST('middle_name' = ANY (:expected) AND g.canonical_middle_name IS NOT NULL AS integer)
                    + CAST('family_name' = ANY (:expected) AND g.canonical_family_name IS NOT NULL AS integer)
                    + CAST('email' = ANY (:expected) AND g.canonical_email IS NOT NULL AS integer)
                    + CAST('phone' = ANY (:expected) AND g.canonical_phone IS NOT NULL AS integer)
                    + CAST('date_of_birth' = ANY (:expected) AND g.canonical_date_of_birth IS NOT NULL AS integer)
                    + CAST('gender' = ANY (:expected) AND g.canonical_gender IS NOT NULL AS integer)
                    + CAST('street' = ANY (:expected) AND g.canonical_street IS NOT NULL AS integer)
                    + CAST('city' = ANY (:expected) AND g.canonical_city IS NOT NULL AS integer)
                    + CAST('region' = ANY (:expected) AND g.canonical_region IS NOT NULL AS integer)
                    + CAST('postcode' = ANY (:expected) AND g.canonical_postcode IS NOT NULL AS integer)
                    + CAST('country' = ANY (:expected) AND g.canonical_country IS NOT NULL AS integer)
                    + CAST('tax_id' = ANY (:expected) AND g.canonical_tax_id IS NOT NULL AS integer)
                    + CAST('customer_number' = ANY (:expected) AND g.canonical_customer_number IS NOT NULL AS integer)
                    + CAST('organisation' = ANY (:expected) AND g.canonical_organisation IS NOT NULL AS integer)
                    + CASE WHEN g.extra = '{}' THEN 0
                           ELSE (SELECT count(*) FROM unnest(CAST(:expected AS text[])) AS wanted (attribute)
                                 WHERE g.extra ? wanted.attribute) END)
                   / greatest(cardinality(CAST(:expected AS text[])), 1)
               + 0.3 * g.validity
               + 0.2 * CASE WHEN g.last_seen_at >= :as_of - CAST(:stale_after AS interval) THEN 1
                            WHEN g.last_seen_at >= :as_of - 2 * CAST(:stale_after AS interval) THEN 0.5
                            ELSE 0 END AS numeric), 3) AS numeric(4, 3)) AS data_quality_score
    FROM pg_temp.gold_golden AS g
    LEFT JOIN identity.customer_clusters AS c USING (global_customer_id)
), merged AS (
    MERGE INTO gold.dim_customers AS d
    USING scored AS s ON d.global_customer_id = s.global_customer_id
    WHEN MATCHED AND (d.canonical_full_name, d.canonical_given_name, d.canonical_middle_name,
                      d.canonical_family_name, d.canonical_email, d.canonical_phone,
                      d.canonical_date_of_birth, d.canonical_gender, d.canonical_street,
                      d.canonical_city, d.canonical_region, d.canonical_postcode,
                      d.canonical_country, d.canonical_tax_id, d.canonical_customer_number,
                      d.canonical_organisation, d.extra, d.source_systems, d.primary_source)
         IS DISTINCT FROM (s.canonical_full_name, s.canonical_given_name, s.canonical_middle_name,
                      s.canonical_family_name, s.canonical_email, s.canonical_phone,
                      s.canonical_date_of_birth, s.canonical_gender, s.canonical_street,
                      s.canonical_city, s.canonical_region, s.canonical_postcode,
                      s.canonical_country, s.canonical_tax_id, s.canonical_customer_number,
                      s.canonical_organisation, s.extra, s.source_systems, s.primary_source) THEN
        UPDATE SET
            canonical_full_name = s.canonical_full_name, canonical_given_name = s.canonical_given_name,
            canonical_middle_name = s.canonical_middle_name, canonical_family_name = s.canonical_family_name,
            canonical_email = s.canonical_email, canonical_phone = s.canonical_phone,
            canonical_date_of_birth = s.canonical_date_of_birth, canonical_gender = s.canonical_gender,
            canonical_street = s.canonical_street, canonical_city = s.canonical_city,
            canonical_region = s.canonical_region, canonical_postcode = s.canonical_postcode,
            canonical_country = s.canonical_country, canonical_tax_id = s.canonical_tax_id,
            canonical_customer_number = s.canonical_customer_number,
            canonical_organisation = s.canonical_organisation,
            extra = s.extra, source_systems = s.source_systems, primary_source = s.primary_source,
            record_count = s.record_count, data_quality_score = s.data_quality_score,
            match_confidence = s.match_confidence, last_seen_at = s.last_seen_at,
            updated_at = :as_of, run_id = :run_id
    WHEN MATCHED AND (d.record_count, d.data_quality_score, d.match_confidence, d.last_seen_at)
         IS DISTINCT FROM (s.record_count, s.data_quality_score, s.match_confidence, s.last_seen_at) THEN
        UPDATE SET
            record_count = s.record_count, data_quality_score = s.data_quality_score,
            match_confidence = s.match_confidence, last_seen_at = s.last_seen_at, run_id = :run_id
    WHEN NOT MATCHED THEN
        INSERT VALUES (
            s.global_customer_id, s.canonical_full_name, s.canonical_given_name,
            s.canonical_middle_name, s.canonical_family_name, s.canonical_email, s.canonical_phone,
            s.canonical_date_of_birth, s.canonical_gender, s.canonical_street, s.canonical_city,
            s.canonical_region, s.canonical_postcode, s.canonical_country, s.canonical_tax_id,
            s.canonical_customer_number, s.canonical_organisation, s.extra, s.source_systems,
            s.primary_source, s.record_count, s.data_quality_score, s.match_confidence,
            s.last_seen_at, :as_of, :as_of, :run_id)
    RETURNING d.global_customer_id, merge_action() AS action,
              CASE WHEN merge_action() = 'UPDATE' THEN gold.changed_columns(old, new) END AS changed_columns,
              CASE WHEN merge_action() = 'UPDATE' THEN gold.meaning(old) END AS old_row
)
INSERT INTO gold.customer_changes
    (run_id, occurred_at, change_type, global_customer_id, related_customer_id, changed_columns, old_row)
SELECT :run_id, :as_of,
       CASE WHEN m.action = 'UPDATE' THEN 'UPDATE' WHEN s.origin_id IS NOT NULL THEN 'SPLIT' ELSE 'INSERT' END,
       m.global_customer_id,
       CASE WHEN m.action = 'INSERT' THEN s.origin_id END,
       m.changed_columns, m.old_row
FROM merged AS m
LEFT JOIN splits AS s USING (global_customer_id)
WHERE m.action = 'INSERT' OR cardinality(m.changed_columns) > 0

-- name: remove_vanished
-- Take out of gold the touched customers that have no record any more: merged into another, or gone.
WITH removed AS (
    DELETE FROM gold.dim_customers AS d
    USING pg_temp.gold_touched AS t
    WHERE t.global_customer_id = d.global_customer_id
      AND NOT EXISTS (SELECT FROM pg_temp.gold_golden AS g WHERE g.global_customer_id = d.global_customer_id)
    RETURNING d.global_customer_id, gold.meaning(d) AS old_row
)
INSERT INTO gold.customer_changes
    (run_id, occurred_at, change_type, global_customer_id, related_customer_id, old_row)
SELECT :run_id, :as_of, CASE c.state WHEN 'MERGED' THEN 'MERGE' ELSE 'DELETE' END,
       r.global_customer_id, CASE c.state WHEN 'MERGED' THEN c.merged_into END, r.old_row
FROM removed AS r
JOIN identity.customers AS c USING (global_customer_id)

-- name: merge_lineage
-- Who won each value now; rows of customers that left go.
MERGE INTO gold.customer_lineage AS l
USING (
    SELECT t.global_customer_id, g.record_ids, g.extra_records, g.overrides
    FROM pg_temp.gold_touched AS t
    LEFT JOIN pg_temp.gold_golden AS g USING (global_customer_id)) AS s
ON l.global_customer_id = s.global_customer_id
WHEN MATCHED AND s.record_ids IS NULL THEN DELETE
WHEN MATCHED AND (l.record_ids, l.rule_set_id, l.extra_records, l.overrides)
     IS DISTINCT FROM (s.record_ids, :rule_set_id, s.extra_records, s.overrides) THEN
    UPDATE SET record_ids = s.record_ids, rule_set_id = :rule_set_id,
               extra_records = s.extra_records, overrides = s.overrides
WHEN NOT MATCHED AND s.record_ids IS NOT NULL THEN
    INSERT VALUES (s.global_customer_id, s.record_ids, :rule_set_id, s.extra_records, s.overrides)

-- name: count_changes
-- The changes of a run by type.
SELECT change_type, count(*) AS n FROM gold.customer_changes WHERE run_id = :run_id GROUP BY change_type
