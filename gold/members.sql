-- The records of the customers a phase works on, read once: survivorship and conflicts share them.
-- Work tables (gold.work_…) are UNLOGGED and not temporary, because parallel workers cannot read the
-- temporary tables of a session. They are made and dropped in one transaction: nobody else sees them.

-- name: drop_work
-- Nothing of an earlier phase in this transaction is in the way; nothing is left for later ones.
DROP TABLE IF EXISTS gold.work_touched, gold.work_record, gold.work_member, gold.work_winner, gold.work_chosen

-- name: favour_many_cores
-- Where all customers are rebuilt: a core that would idle is worth the rows that its worker hands over,
-- which the planner takes for dearer than they are.
SET LOCAL parallel_tuple_cost = 0.01

-- name: favour_no_more
-- What follows is planned as always.
SET LOCAL parallel_tuple_cost TO DEFAULT

-- name: known_sources
-- Every source gold has ever counted.
SELECT source FROM gold.source_volumes ORDER BY source COLLATE "C"

-- name: create_member
-- One row per live record of the customers in work_touched with more than one: what it may
-- contribute, the rank of its source, the set of its source alone as bits, and its place among the
-- records of its customer by recency: the most recent first, then the source of higher priority, then
-- record id. One sort serves all customers and lays the records of each together. In the braces goes
-- the table that links records to customers: the identity map where all are touched; else work_record,
-- which holds the links of a few and whose records two cores look up.
CREATE UNLOGGED TABLE gold.work_member AS
WITH ranks AS (
    SELECT given.source, given.rank,
           set_bit(CAST(repeat('0', cardinality(CAST(:sources AS text[]))) AS varbit),
                   CAST(given.rank AS integer) - 1, 1) AS source_mask
    FROM unnest(CAST(:sources AS text[])) WITH ORDINALITY AS given (source, rank)
)
SELECT l.global_customer_id, v.*, r.rank, r.source_mask,
       row_number() OVER (PARTITION BY l.global_customer_id
                          ORDER BY v.event_at DESC, r.rank, v.source_record_id COLLATE "C") AS recency
FROM gold.work_touched AS t
JOIN {links} AS l USING (global_customer_id)
JOIN gold.contributed_values AS v USING (record_id)
JOIN ranks AS r ON r.source = v.source
WHERE t.record_n > 1;
ANALYZE gold.work_member (global_customer_id, recency)

-- name: keep_profiles
-- The profiles of the records in work_record, for the review queue in the same transaction: so that it
-- need not look for them again.
DROP TABLE IF EXISTS pg_temp.gold_linked;
CREATE TEMPORARY TABLE gold_linked ON COMMIT DROP AS
SELECT global_customer_id, profile_id FROM gold.work_record

-- name: create_winner
-- Per customer in work_member the record that wins each part (name, e-mail, … address), as the smallest of
-- the rule's keys; what is counted over its records; and on which attributes these disagree (more
-- than one standardised value; extra: more than one record has any).
--
-- A key (gold.rule_key) holds the whole order of a rule: bit 62 is set for a fragment (a name
-- without given or family name, an address without street: it never displaces a whole one), then
-- what the rule looks at, then source priority where the rule is not recency, and in the lowest 31
-- bits the record's place in the order of recency, which is unique: so there are no ties, and the
-- winner can be read off its key.
CREATE UNLOGGED TABLE gold.work_winner AS
SELECT m.global_customer_id, CAST(count(*) AS integer) AS record_count, CAST(bit_or(m.source_mask) AS text) AS source_set,
       max(m.event_at) AS last_seen_at,
       CAST(sum(m.filled_n) AS real) / greatest(sum(m.filled_n) + sum(m.refused_n), 1) AS validity,
       min(gold.rule_key(:rule_name, m.rank, m.recency, m.filled_n,
                         length(coalesce(m.full_name, concat_ws(' ', m.given_name, m.middle_name, m.family_name))))
           + CASE WHEN m.std_given_name IS NULL OR m.std_family_name IS NULL THEN 1::bigint << 62 ELSE 0 END)
           FILTER (WHERE m.std_name IS NOT NULL) AS name_key,
       min(gold.rule_key(:rule_email, m.rank, m.recency, m.filled_n, length(m.email)))
           FILTER (WHERE m.email IS NOT NULL) AS email_key,
       min(gold.rule_key(:rule_phone, m.rank, m.recency, m.filled_n, length(m.phone)))
           FILTER (WHERE m.phone IS NOT NULL) AS phone_key,
       min(gold.rule_key(:rule_date_of_birth, m.rank, m.recency, m.filled_n, 10))
           FILTER (WHERE m.date_of_birth IS NOT NULL) AS date_of_birth_key,
       min(gold.rule_key(:rule_gender, m.rank, m.recency, m.filled_n, length(m.gender)))
           FILTER (WHERE m.gender IS NOT NULL) AS gender_key,
       min(gold.rule_key(:rule_address, m.rank, m.recency, m.filled_n,
                         length(concat(m.street, m.city, m.region, m.postcode, m.country)))
           + CASE WHEN m.std_street IS NULL THEN 1::bigint << 62 ELSE 0 END)
           FILTER (WHERE num_nonnulls(m.std_street, m.std_city, m.std_region, m.postcode, m.country) > 0) AS address_key,
       min(gold.rule_key(:rule_tax_id, m.rank, m.recency, m.filled_n, length(m.tax_id)))
           FILTER (WHERE m.std_tax_id IS NOT NULL) AS tax_id_key,
       min(gold.rule_key(:rule_customer_number, m.rank, m.recency, m.filled_n, length(m.customer_number)))
           FILTER (WHERE m.std_customer_number IS NOT NULL) AS customer_number_key,
       min(gold.rule_key(:rule_organisation, m.rank, m.recency, m.filled_n, length(m.organisation)))
           FILTER (WHERE m.std_organisation IS NOT NULL) AS organisation_key,
       coalesce(min(m.std_name) <> max(m.std_name), false) AS full_name_differs,
       coalesce(min(m.email) <> max(m.email), false) AS email_differs,
       coalesce(min(m.phone) <> max(m.phone), false) AS phone_differs,
       coalesce(min(m.date_of_birth) <> max(m.date_of_birth), false) AS date_of_birth_differs,
       coalesce(min(m.gender) <> max(m.gender), false) AS gender_differs,
       coalesce(min(m.std_street) <> max(m.std_street), false) AS street_differs,
       coalesce(min(m.std_city) <> max(m.std_city), false) AS city_differs,
       coalesce(min(m.std_region) <> max(m.std_region), false) AS region_differs,
       coalesce(min(m.postcode) <> max(m.postcode), false) AS postcode_differs,
       coalesce(min(m.country) <> max(m.country), false) AS country_differs,
       coalesce(min(m.std_tax_id) <> max(m.std_tax_id), false) AS tax_id_differs,
       coalesce(min(m.std_customer_number) <> max(m.std_customer_number), false) AS customer_number_differs,
       coalesce(min(m.std_organisation) <> max(m.std_organisation), false) AS organisation_differs,
       count(m.std_extra) > 1 AS extra_may_differ,
       coalesce(bool_or(m.std_given_name IS NULL OR m.std_family_name IS NULL)
                FILTER (WHERE m.std_name IS NOT NULL), false) AS has_name_fragment
FROM gold.work_member AS m
GROUP BY m.global_customer_id;
ANALYZE gold.work_winner (global_customer_id, source_set, extra_may_differ)
