-- Phase 7: survivorship. Work tables hold the touched customers only (gold/members.sql says why they
-- are not temporary, those that many cores read).

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
       (SELECT coalesce(max(record_id), 0) FROM staging.records) AS record_id,
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
-- The customers to rebuild, one row each, with their records in the identity map (0: the customer
-- left; 1: there is nothing to choose). Filled by one of the touch_* queries. And where not all are
-- rebuilt, these records (gold/members.sql).
CREATE UNLOGGED TABLE gold.work_touched (
    global_customer_id uuid NOT NULL,
    record_n           bigint NOT NULL
);
CREATE UNLOGGED TABLE gold.work_record (
    global_customer_id uuid NOT NULL,
    record_id          bigint NOT NULL,
    profile_id         bigint NOT NULL
) WITH (parallel_workers = 1)

-- name: touch_all
-- Every customer there is or was in gold.
INSERT INTO gold.work_touched
SELECT m.global_customer_id, count(*)
FROM identity.customer_identity_map AS m
GROUP BY m.global_customer_id
UNION ALL
SELECT d.global_customer_id, 0
FROM gold.dim_customers AS d
WHERE NOT EXISTS (SELECT FROM identity.customer_identity_map AS m
                  WHERE m.global_customer_id = d.global_customer_id)

-- name: touch_news
-- Customers with news: a record of theirs changed, was linked anew or went; they hold together with
-- another confidence; an identity event names them; an override of theirs came, moved, started or
-- ran out; their recency steps down. With their records in gold.work_record, as these are counted.
WITH named AS MATERIALIZED (
    -- ordered, so that they are told apart by sorting the few there are: a hash table is made as
    -- large as the planner fears there may be
    SELECT DISTINCT ON (news.id) news.id AS global_customer_id
    FROM (
        SELECT m.global_customer_id
        FROM identity.customer_identity_map AS m
        WHERE m.record_id = ANY (ARRAY(SELECT r.record_id FROM staging.records AS r
                                       WHERE r.change_seq > :change_seq))
        UNION ALL
        SELECT x.global_customer_id
        FROM staging.records AS r
        JOIN identity.retired_records AS x USING (source, source_record_id)
        WHERE r.change_seq > :change_seq
        UNION ALL
        SELECT m.global_customer_id
        FROM identity.customer_identity_map AS m
        WHERE :identity_moved AND m.run_id > :identity_run_id
        UNION ALL
        SELECT c.global_customer_id
        FROM identity.customer_clusters AS c
        WHERE :identity_moved AND c.run_id > :identity_run_id
        UNION ALL
        SELECT party.id
        FROM identity.identity_events AS e
        CROSS JOIN LATERAL (VALUES (e.global_customer_id), (e.related_customer_id)) AS party (id)
        WHERE e.event_id > :identity_event_id AND party.id IS NOT NULL
        UNION ALL
        SELECT coalesce(wanted.global_customer_id, applied.global_customer_id)
        FROM gold.effective_overrides(:as_of) AS wanted
        FULL JOIN (
            SELECT l.global_customer_id, o.key AS attribute, CAST(o.value AS bigint) AS override_id
            FROM gold.customer_lineage AS l
            CROSS JOIN LATERAL jsonb_each_text(l.overrides) AS o
            WHERE l.overrides IS NOT NULL) AS applied USING (global_customer_id, attribute)
        WHERE wanted.override_id IS DISTINCT FROM applied.override_id
        UNION ALL
        SELECT d.global_customer_id
        FROM gold.dim_customers AS d
        CROSS JOIN (VALUES (1), (2)) AS step (n)
        WHERE d.last_seen_at >= CAST(:last_as_of AS timestamptz) - step.n * CAST(:stale_after AS interval)
          AND d.last_seen_at < CAST(:as_of AS timestamptz) - step.n * CAST(:stale_after AS interval)
    ) AS news (id)
    ORDER BY news.id
), found AS (
    INSERT INTO gold.work_record
    SELECT m.global_customer_id, m.record_id, m.profile_id
    FROM identity.customer_identity_map AS m
    WHERE m.global_customer_id = ANY (ARRAY(SELECT n.global_customer_id FROM named AS n))
    RETURNING global_customer_id
)
-- brought together by grouping: the planner would take a join of them for one of a few rows
INSERT INTO gold.work_touched
SELECT t.global_customer_id, count(*) - 1
FROM (SELECT f.global_customer_id FROM found AS f
      UNION ALL
      SELECT n.global_customer_id FROM named AS n) AS t
GROUP BY t.global_customer_id

-- name: analyze_touched
-- Everything behind plans by how many there are.
ANALYZE gold.work_touched

-- name: newest_touch
-- The newest word left for conflict detection: its number, or 0.
SELECT coalesce(max(touched_id), 0) FROM gold.touched_customers

-- name: log_touched
-- Leave word for conflict detection: the touched customers, or one row that means all.
INSERT INTO gold.touched_customers (run_id, global_customer_id)
SELECT :run_id, global_customer_id FROM gold.work_touched WHERE NOT :everyone
UNION ALL
SELECT :run_id, NULL WHERE :everyone

-- name: many_are_consumed
-- Whether the changes take more room than `many` bytes, and both history and events have them all.
SELECT pg_relation_size('gold.customer_changes') > :many
   AND coalesce((SELECT max(change_id) FROM gold.customer_changes)
                <= (SELECT min(CAST(marks ->> 'change_id' AS bigint))
                    FROM gold.layer_state WHERE layer IN ('history', 'events')
                    HAVING count(*) = 2), false)

-- name: clear_changes
-- What all have consumed goes at once where it is much, as after a first load: to delete 400,000 rows
-- takes .3 s, and they would be in the way of those that come. This keeps readers of the table waiting
-- until the run commits, and itself waits for a dump that is under way; so a night's few are deleted.
TRUNCATE gold.customer_changes

-- name: drop_consumed
-- Changes that both history and events have.
DELETE FROM gold.customer_changes
WHERE change_id <= (SELECT min(CAST(marks ->> 'change_id' AS bigint))
                    FROM gold.layer_state WHERE layer IN ('history', 'events')
                    HAVING count(*) = 2)

-- name: forget_touches
-- Touches that conflict detection has looked at.
DELETE FROM gold.touched_customers
WHERE touched_id <= (SELECT CAST(marks ->> 'touched_id' AS bigint)
                     FROM gold.layer_state WHERE layer = 'conflicts')

-- name: create_chosen
-- Per customer in work_winner the records that win, by their places in the order of recency: those of
-- the smallest keys, or of the votes. In a vote, of the values that records of a customer hold, the
-- one that most sources hold wins (a source has one voice, however many records), then the most
-- recent sighting; the value's most recent record wins for it. Parts go to a vote where the rule asks
-- for the most frequent value and records disagree, except where one source alone speaks and no name
-- is a fragment: all votes are equal then, and the key by recency has named the winner.
CREATE UNLOGGED TABLE gold.work_chosen AS
WITH ballots AS (
    SELECT w.global_customer_id,
           :rule_name = 'most_frequent' AND w.full_name_differs AND (x.many OR w.has_name_fragment) AS votes_name,
           :rule_email = 'most_frequent' AND w.email_differs AND x.many AS votes_email,
           :rule_phone = 'most_frequent' AND w.phone_differs AND x.many AS votes_phone,
           :rule_date_of_birth = 'most_frequent' AND w.date_of_birth_differs AND x.many AS votes_date_of_birth,
           :rule_gender = 'most_frequent' AND w.gender_differs AND x.many AS votes_gender,
           :rule_address = 'most_frequent' AND w.record_count > 1 AS votes_address,
           :rule_tax_id = 'most_frequent' AND w.tax_id_differs AND x.many AS votes_tax_id,
           :rule_customer_number = 'most_frequent' AND w.customer_number_differs AND x.many AS votes_customer_number,
           :rule_organisation = 'most_frequent' AND w.organisation_differs AND x.many AS votes_organisation
    FROM gold.work_winner AS w
    CROSS JOIN LATERAL (SELECT w.source_set LIKE '%1%1%' AS many) AS x
), disputed AS MATERIALIZED (
    SELECT m.global_customer_id, m.source_mask, m.recency, m.std_name, m.std_given_name, m.std_family_name,
           m.email, m.phone, m.date_of_birth, m.gender, m.std_street, m.std_city, m.std_region,
           m.postcode, m.country, m.std_tax_id, m.std_customer_number, m.std_organisation,
           b.votes_name, b.votes_email, b.votes_phone, b.votes_date_of_birth, b.votes_gender,
           b.votes_address, b.votes_tax_id, b.votes_customer_number, b.votes_organisation
    FROM ballots AS b
    JOIN gold.work_member AS m USING (global_customer_id)
    WHERE b.votes_name OR b.votes_email OR b.votes_phone OR b.votes_date_of_birth OR b.votes_gender
       OR b.votes_address OR b.votes_tax_id OR b.votes_customer_number OR b.votes_organisation
), sightings AS (
    SELECT global_customer_id, source_mask, recency, 'name' AS part, std_name AS value,
           CASE WHEN std_given_name IS NULL OR std_family_name IS NULL THEN 1::bigint << 62 ELSE 0 END AS fragment
    FROM disputed WHERE votes_name
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'email', email, 0 FROM disputed WHERE votes_email
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'phone', phone, 0 FROM disputed WHERE votes_phone
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'date_of_birth', CAST(date_of_birth AS text), 0
    FROM disputed WHERE votes_date_of_birth
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'gender', gender, 0 FROM disputed WHERE votes_gender
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'address',
           nullif(format('%s|%s|%s|%s|%s', std_street, std_city, std_region, postcode, country), '||||'),
           CASE WHEN std_street IS NULL THEN 1::bigint << 62 ELSE 0 END
    FROM disputed WHERE votes_address
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'tax_id', std_tax_id, 0 FROM disputed WHERE votes_tax_id
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'customer_number', std_customer_number, 0
    FROM disputed WHERE votes_customer_number
    UNION ALL
    SELECT global_customer_id, source_mask, recency, 'organisation', std_organisation, 0
    FROM disputed WHERE votes_organisation
), voices AS (
    SELECT global_customer_id, part,
           min(fragment) + ((1023 - least(bit_count(bit_or(source_mask)), 1023)) << 40) + min(recency) AS key
    FROM sightings
    WHERE value IS NOT NULL
    GROUP BY global_customer_id, part, value
), voted AS (
    SELECT global_customer_id,
           min(key) FILTER (WHERE part = 'name') AS name_key,
           min(key) FILTER (WHERE part = 'email') AS email_key,
           min(key) FILTER (WHERE part = 'phone') AS phone_key,
           min(key) FILTER (WHERE part = 'date_of_birth') AS date_of_birth_key,
           min(key) FILTER (WHERE part = 'gender') AS gender_key,
           min(key) FILTER (WHERE part = 'address') AS address_key,
           min(key) FILTER (WHERE part = 'tax_id') AS tax_id_key,
           min(key) FILTER (WHERE part = 'customer_number') AS customer_number_key,
           min(key) FILTER (WHERE part = 'organisation') AS organisation_key
    FROM voices
    GROUP BY global_customer_id
)
SELECT w.global_customer_id,
       coalesce(v.name_key, w.name_key) & 2147483647 AS name_at,
       coalesce(v.email_key, w.email_key) & 2147483647 AS email_at,
       coalesce(v.phone_key, w.phone_key) & 2147483647 AS phone_at,
       coalesce(v.date_of_birth_key, w.date_of_birth_key) & 2147483647 AS date_of_birth_at,
       coalesce(v.gender_key, w.gender_key) & 2147483647 AS gender_at,
       coalesce(v.address_key, w.address_key) & 2147483647 AS address_at,
       coalesce(v.tax_id_key, w.tax_id_key) & 2147483647 AS tax_id_at,
       coalesce(v.customer_number_key, w.customer_number_key) & 2147483647 AS customer_number_at,
       coalesce(v.organisation_key, w.organisation_key) & 2147483647 AS organisation_at
FROM gold.work_winner AS w
LEFT JOIN voted AS v USING (global_customer_id);
ANALYZE gold.work_chosen (global_customer_id)

-- name: drop_golden
-- Two runs in one transaction are allowed.
DROP TABLE IF EXISTS pg_temp.gold_golden

-- name: create_golden
-- The golden values of the touched customers, before overrides: one row per customer that has records.
CREATE TEMPORARY TABLE gold_golden ON COMMIT DROP AS
WITH winners AS (
    SELECT c.global_customer_id,
           max(m.full_name) FILTER (WHERE m.recency = c.name_at) AS full_name,
           max(m.given_name) FILTER (WHERE m.recency = c.name_at) AS given_name,
           max(m.middle_name) FILTER (WHERE m.recency = c.name_at) AS middle_name,
           max(m.family_name) FILTER (WHERE m.recency = c.name_at) AS family_name,
           max(m.std_given_name) FILTER (WHERE m.recency = c.name_at) AS std_given_name,
           max(m.std_middle_name) FILTER (WHERE m.recency = c.name_at) AS std_middle_name,
           max(m.std_family_name) FILTER (WHERE m.recency = c.name_at) AS std_family_name,
           max(m.record_id) FILTER (WHERE m.recency = c.name_at) AS name_record,
           max(m.email) FILTER (WHERE m.recency = c.email_at) AS email,
           max(m.record_id) FILTER (WHERE m.recency = c.email_at) AS email_record,
           max(m.phone) FILTER (WHERE m.recency = c.phone_at) AS phone,
           max(m.record_id) FILTER (WHERE m.recency = c.phone_at) AS phone_record,
           max(m.date_of_birth) FILTER (WHERE m.recency = c.date_of_birth_at) AS date_of_birth,
           max(m.record_id) FILTER (WHERE m.recency = c.date_of_birth_at) AS date_of_birth_record,
           max(m.gender) FILTER (WHERE m.recency = c.gender_at) AS gender,
           max(m.record_id) FILTER (WHERE m.recency = c.gender_at) AS gender_record,
           max(m.street) FILTER (WHERE m.recency = c.address_at) AS street,
           max(m.city) FILTER (WHERE m.recency = c.address_at) AS city,
           max(m.region) FILTER (WHERE m.recency = c.address_at) AS region,
           max(m.postcode) FILTER (WHERE m.recency = c.address_at) AS postcode,
           max(m.country) FILTER (WHERE m.recency = c.address_at) AS country,
           max(m.record_id) FILTER (WHERE m.recency = c.address_at) AS address_record,
           max(m.tax_id) FILTER (WHERE m.recency = c.tax_id_at) AS tax_id,
           max(m.record_id) FILTER (WHERE m.recency = c.tax_id_at) AS tax_id_record,
           max(m.customer_number) FILTER (WHERE m.recency = c.customer_number_at) AS customer_number,
           max(m.record_id) FILTER (WHERE m.recency = c.customer_number_at) AS customer_number_record,
           max(m.organisation) FILTER (WHERE m.recency = c.organisation_at) AS organisation,
           max(m.record_id) FILTER (WHERE m.recency = c.organisation_at) AS organisation_record
    FROM gold.work_chosen AS c
    JOIN gold.work_member AS m USING (global_customer_id)
    -- records that win nothing need not be asked part by part
    WHERE m.recency IN (c.name_at, c.email_at, c.phone_at, c.address_at, c.date_of_birth_at, c.gender_at,
                        c.tax_id_at, c.customer_number_at, c.organisation_at)
    GROUP BY c.global_customer_id
), singles AS (
    -- the only record of a customer wins all that it has: nothing to choose
    SELECT v.*, CASE WHEN v.std_name IS NOT NULL THEN v.record_id END AS name_record,
           CASE WHEN num_nonnulls(v.std_street, v.std_city, v.std_region, v.postcode, v.country) > 0
                THEN v.record_id END AS address_record,
           overlay(repeat('0', cardinality(CAST(:sources AS text[]))) PLACING '1'
                   FROM array_position(CAST(:sources AS text[]), v.source)) AS source_set
    FROM gold.work_touched AS t
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    WHERE t.record_n = 1
), found AS (
    SELECT w.global_customer_id, n.full_name, n.given_name, n.middle_name, n.family_name,
           n.std_given_name, n.std_middle_name, n.std_family_name, n.name_record,
           n.email, n.email_record, n.phone, n.phone_record, n.date_of_birth, n.date_of_birth_record,
           n.gender, n.gender_record, n.street, n.city, n.region, n.postcode, n.country, n.address_record,
           n.tax_id, n.tax_id_record, n.customer_number, n.customer_number_record,
           n.organisation, n.organisation_record,
           w.record_count, w.last_seen_at, w.validity, w.source_set
    FROM gold.work_winner AS w
    LEFT JOIN winners AS n USING (global_customer_id)
    UNION ALL
    SELECT o.global_customer_id, o.full_name,
           CASE WHEN o.name_record IS NOT NULL THEN o.given_name END,
           CASE WHEN o.name_record IS NOT NULL THEN o.middle_name END,
           CASE WHEN o.name_record IS NOT NULL THEN o.family_name END,
           CASE WHEN o.name_record IS NOT NULL THEN o.std_given_name END,
           CASE WHEN o.name_record IS NOT NULL THEN o.std_middle_name END,
           CASE WHEN o.name_record IS NOT NULL THEN o.std_family_name END, o.name_record,
           o.email, CASE WHEN o.email IS NOT NULL THEN o.record_id END,
           o.phone, CASE WHEN o.phone IS NOT NULL THEN o.record_id END,
           o.date_of_birth, CASE WHEN o.date_of_birth IS NOT NULL THEN o.record_id END,
           o.gender, CASE WHEN o.gender IS NOT NULL THEN o.record_id END,
           o.street, o.city, o.region, o.postcode, o.country, o.address_record,
           o.tax_id, CASE WHEN o.std_tax_id IS NOT NULL THEN o.record_id END,
           o.customer_number, CASE WHEN o.std_customer_number IS NOT NULL THEN o.record_id END,
           o.organisation, CASE WHEN o.std_organisation IS NOT NULL THEN o.record_id END,
           1, o.event_at, CAST(o.filled_n AS real) / greatest(o.filled_n + o.refused_n, 1), o.source_set
    FROM singles AS o
), source_sets AS (
    -- a few sets of sources serve all customers
    SELECT s.source_set, array_agg(r.source ORDER BY r.source COLLATE "C") AS source_systems,
           (array_agg(r.source ORDER BY r.rank))[1] AS primary_source
    FROM (SELECT source_set FROM gold.work_winner GROUP BY source_set
          UNION
          SELECT overlay(repeat('0', cardinality(CAST(:sources AS text[]))) PLACING '1' FROM given.rank)
          FROM generate_series(1, cardinality(CAST(:sources AS text[]))) AS given (rank)) AS s
    JOIN unnest(CAST(:sources AS text[])) WITH ORDINALITY AS r (source, rank)
      ON substr(s.source_set, CAST(r.rank AS integer), 1) = '1'
    GROUP BY s.source_set
), spelled AS (
    SELECT f.*, s.source_systems, s.primary_source,
           coalesce(f.given_name, gold.original_spelling(f.full_name, f.std_given_name)) AS given,
           coalesce(f.middle_name, gold.original_spelling(f.full_name, f.std_middle_name)) AS middle,
           coalesce(f.family_name, gold.original_spelling(f.full_name, f.std_family_name)) AS family
    FROM found AS f
    JOIN source_sets AS s USING (source_set)
    OFFSET 0  -- a fence, or each use of a spelling would find it anew
)
SELECT s.global_customer_id,
       coalesce(s.full_name, nullif(concat_ws(' ', s.given, s.middle, s.family), '')) AS canonical_full_name,
       s.given AS canonical_given_name, s.middle AS canonical_middle_name, s.family AS canonical_family_name,
       s.email AS canonical_email, s.phone AS canonical_phone, s.date_of_birth AS canonical_date_of_birth,
       s.gender AS canonical_gender, s.street AS canonical_street, s.city AS canonical_city,
       s.region AS canonical_region, s.postcode AS canonical_postcode, s.country AS canonical_country,
       s.tax_id AS canonical_tax_id, s.customer_number AS canonical_customer_number,
       s.organisation AS canonical_organisation,
       CAST('{}' AS jsonb) AS extra, s.source_systems, s.primary_source, s.record_count,
       s.last_seen_at, s.validity,
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
FROM spelled AS s;
ANALYZE pg_temp.gold_golden (global_customer_id)

-- name: add_extras
-- The further attributes, each by its own rule, with the same order of ties.
WITH members AS (
    SELECT m.global_customer_id, m.record_id, m.source, m.rank, m.recency, m.filled_n, m.extra, m.std_extra
    FROM gold.work_member AS m
    UNION ALL
    SELECT v.global_customer_id, v.record_id, v.source, 1, 1, v.filled_n, v.extra, v.std_extra
    FROM gold.work_touched AS t
    JOIN gold.survivorship_values AS v USING (global_customer_id)
    WHERE t.record_n = 1
), shown AS (
    SELECT m.global_customer_id, m.record_id, m.source, m.rank, m.recency, m.filled_n, x.attribute, x.rule,
           coalesce(m.extra ->> x.attribute, m.std_extra ->> x.attribute) AS value,
           m.std_extra ->> x.attribute AS std_value
    FROM members AS m
    CROSS JOIN unnest(CAST(:attributes AS text[]), CAST(:rules AS text[])) AS x (attribute, rule)
    WHERE m.std_extra ->> x.attribute IS NOT NULL
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
    ORDER BY s.global_customer_id, s.attribute, n.source_n DESC,
             gold.rule_key(s.rule, s.rank, s.recency, s.filled_n, length(s.value))
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

-- name: splits
-- For fill_golden and merge_golden, in braces: customers that were split off since gold last looked,
-- each with the one they left.
SELECT DISTINCT ON (e.related_customer_id)
       e.related_customer_id AS global_customer_id, e.global_customer_id AS origin_id
FROM identity.identity_events AS e
WHERE e.event_type = 'SPLIT' AND e.event_id > :identity_event_id
ORDER BY e.related_customer_id, e.event_id DESC

-- name: scored
-- For the same two: the golden values with what is told of them, one row per customer. The statement
-- says who `confidences` is.
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
LEFT JOIN confidences AS c USING (global_customer_id)

-- name: fill_golden
-- Fill gold.dim_customers in a first load, and stage that all are new.
WITH splits AS ({splits}), confidences AS NOT MATERIALIZED (
    SELECT k.global_customer_id, k.confidence FROM identity.customer_clusters AS k
), scored AS ({scored}), added AS (
    INSERT INTO gold.dim_customers
    SELECT s.global_customer_id, s.canonical_full_name, s.canonical_given_name,
           s.canonical_middle_name, s.canonical_family_name, s.canonical_email, s.canonical_phone,
           s.canonical_date_of_birth, s.canonical_gender, s.canonical_street, s.canonical_city,
           s.canonical_region, s.canonical_postcode, s.canonical_country, s.canonical_tax_id,
           s.canonical_customer_number, s.canonical_organisation, s.extra, s.source_systems,
           s.primary_source, s.record_count, s.data_quality_score, s.match_confidence,
           s.last_seen_at, :as_of, :as_of, :run_id
    FROM scored AS s
    RETURNING global_customer_id
)
INSERT INTO gold.customer_changes (run_id, occurred_at, change_type, global_customer_id, related_customer_id)
SELECT :run_id, :as_of, CASE WHEN s.origin_id IS NULL THEN 'INSERT' ELSE 'SPLIT' END,
       a.global_customer_id, s.origin_id
FROM added AS a
LEFT JOIN splits AS s USING (global_customer_id)
ORDER BY a.global_customer_id

-- name: merge_golden
-- Bring gold.dim_customers to the golden values and stage what changed: one row of
-- gold.customer_changes per customer whose meaning changed. Counters are brought up to date silently.
-- Rows are found as in gold/members.sql, in the order of their keys.
WITH splits AS ({splits}), confidences AS MATERIALIZED (
    SELECT k.global_customer_id, k.confidence
    FROM identity.customer_clusters AS k
    WHERE k.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_golden))
), scored AS ({scored}), merged AS (
    MERGE INTO gold.dim_customers AS d
    USING scored AS s
       ON d.global_customer_id = s.global_customer_id
      AND d.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_golden))
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
    -- counters alone leave updated_at as it was: there is nothing to tell apart
    RETURNING d.global_customer_id, merge_action() = 'INSERT' AS is_new,
              CASE WHEN merge_action() = 'UPDATE' AND new.updated_at = :as_of
                   THEN gold.changed_columns(old, new) END AS changed_columns,
              CASE WHEN merge_action() = 'UPDATE' AND new.updated_at = :as_of THEN old END AS before
)
INSERT INTO gold.customer_changes
    (run_id, occurred_at, change_type, global_customer_id, related_customer_id, changed_columns, old_row)
SELECT :run_id, :as_of,
       CASE WHEN NOT m.is_new THEN 'UPDATE' WHEN s.origin_id IS NULL THEN 'INSERT' ELSE 'SPLIT' END,
       m.global_customer_id, CASE WHEN m.is_new THEN s.origin_id END, m.changed_columns,
       CASE WHEN NOT m.is_new THEN gold.meaning(m.before) END
FROM merged AS m
LEFT JOIN splits AS s USING (global_customer_id)
WHERE m.is_new OR cardinality(m.changed_columns) > 0
ORDER BY m.global_customer_id

-- name: remove_vanished
-- Take out of gold the touched customers that have no record any more: merged into another, or gone.
WITH gone AS MATERIALIZED (
    SELECT t.global_customer_id
    FROM gold.work_touched AS t
    WHERE NOT EXISTS (SELECT FROM pg_temp.gold_golden AS g WHERE g.global_customer_id = t.global_customer_id)
), removed AS (
    DELETE FROM gold.dim_customers AS d
    USING gone AS t
    WHERE t.global_customer_id = d.global_customer_id
    RETURNING d.global_customer_id, gold.meaning(d) AS old_row
)
INSERT INTO gold.customer_changes
    (run_id, occurred_at, change_type, global_customer_id, related_customer_id, old_row)
SELECT :run_id, :as_of, CASE c.state WHEN 'MERGED' THEN 'MERGE' ELSE 'DELETE' END,
       r.global_customer_id, CASE c.state WHEN 'MERGED' THEN c.merged_into END, r.old_row
FROM removed AS r
JOIN identity.customers AS c USING (global_customer_id)

-- name: fill_lineage
-- Who won each value, in a first load.
INSERT INTO gold.customer_lineage
SELECT g.global_customer_id, g.record_ids, :rule_set_id, g.extra_records, g.overrides
FROM pg_temp.gold_golden AS g

-- name: merge_lineage
-- Who won each value now; rows of customers that left go.
WITH gone AS MATERIALIZED (
    SELECT t.global_customer_id
    FROM gold.work_touched AS t
    WHERE NOT EXISTS (SELECT FROM pg_temp.gold_golden AS g WHERE g.global_customer_id = t.global_customer_id)
), removed AS (
    DELETE FROM gold.customer_lineage AS l
    USING gone AS t
    WHERE t.global_customer_id = l.global_customer_id
)
MERGE INTO gold.customer_lineage AS l
USING pg_temp.gold_golden AS g
   ON l.global_customer_id = g.global_customer_id
  AND l.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_golden))
WHEN MATCHED AND (l.record_ids, l.rule_set_id, l.extra_records, l.overrides)
     IS DISTINCT FROM (g.record_ids, :rule_set_id, g.extra_records, g.overrides) THEN
    UPDATE SET record_ids = g.record_ids, rule_set_id = :rule_set_id, extra_records = g.extra_records,
               overrides = g.overrides
WHEN NOT MATCHED THEN
    INSERT VALUES (g.global_customer_id, g.record_ids, :rule_set_id, g.extra_records, g.overrides)

-- name: analyze_gold
-- What comes behind plans by it, and autovacuum sees nothing before the commit.
ANALYZE gold.dim_customers (global_customer_id);
ANALYZE gold.customer_lineage (global_customer_id, overrides);
ANALYZE gold.customer_changes (run_id, change_type, global_customer_id)

-- name: count_changes
-- The changes of a run by type.
SELECT change_type, count(*) AS n FROM gold.customer_changes WHERE run_id = :run_id GROUP BY change_type
