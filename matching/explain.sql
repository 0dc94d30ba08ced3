-- Explaining: what the tables know about two records, or about one customer. Reads only.

-- name: record
-- One record: its profile and customer, if it has them; no row for one that is not live.
SELECT i.source, i.source_record_id, i.profile_id, m.global_customer_id, m.decision AS held_by
FROM staging.identity_inputs AS i
LEFT JOIN identity.customer_identity_map AS m USING (record_id)
WHERE i.source = :source AND i.source_record_id = :record;

-- name: ignored_values
-- What a record has that the shared-value register leaves out of its profile; one row per value.
SELECT h.attribute, h.value, s.name_n
FROM staging.records AS r
JOIN staging.shareable_values AS h USING (record_id)
JOIN identity.shared_values AS s USING (attribute, value)
WHERE r.source = :source AND r.source_record_id = :record AND s.is_ignored
ORDER BY h.attribute;

-- name: profiles
-- The wanted profiles in the order of their fingerprints.
SELECT profile_id, fingerprint::text AS fingerprint, given_name, middle_name, family_name,
       name_suffix, organisation, email, phone, date_of_birth::text AS date_of_birth, gender, street,
       city, region, postcode, country, tax_id, customer_number, extra::text AS extra
FROM staging.profiles
WHERE profile_id = ANY (:profile_ids)
ORDER BY fingerprint;

-- name: stored_score
-- The score on record for two profiles with what brought them together: one row or none.
SELECT c.match_probability, c.match_weight, c.decision,
       coalesce(r.name, CASE WHEN c.rule_id > 0 THEN 'a block too large, cut by a further attribute'
                             ELSE 'a proposed group or an exact rule' END) AS found_by
FROM staging.identity_match_candidates AS c
LEFT JOIN staging.blocking_rules AS r USING (rule_id)
WHERE c.profile_id_l = least(CAST(:left AS bigint), :right)
  AND c.profile_id_r = greatest(CAST(:left AS bigint), :right);

-- name: rules
-- The blocking rules in use, in their order.
SELECT rule_id, name FROM staging.blocking_rules ORDER BY rule_id;

-- name: keys
-- One row per key that one of two profiles has under a rule, whose query goes in the braces.
SELECT DISTINCT k.profile_id, k.key FROM ({rule}) AS k WHERE k.profile_id IN (%(left)s, %(right)s)

-- name: cut
-- What was done about one of the blocks because of its size; NULL for nothing.
SELECT max(o.profile_n || ' profiles, ' || o.action) FROM staging.oversized_blocks AS o
WHERE o.rule_id = :rule_id AND o.key = ANY (:keys);

-- name: current_model
-- The pinned model, if there is one.
SELECT version, kind, parameters FROM ops.match_models WHERE is_current;

-- name: steward_word
-- The live decision of a steward on two records, if there is one.
SELECT d.decision_id, d.verdict, d.steward, d.reason
FROM identity.live_link_decisions AS d
WHERE (d.source_l, d.source_record_id_l, d.source_r, d.source_record_id_r)
      IN ((:source_l, :record_l, :source_r, :record_r), (:source_r, :record_r, :source_l, :record_l));

-- name: members
-- One row per record of a customer.
SELECT m.source, m.source_record_id, m.profile_id, m.decision AS held_by
FROM identity.customer_identity_map AS m
WHERE m.global_customer_id = :customer_id
ORDER BY m.source, m.source_record_id;

-- name: inner_pairs
-- One row per scored pair of profiles of one customer.
SELECT c.profile_id_l, c.profile_id_r, c.match_probability, c.match_weight, c.decision
FROM staging.identity_match_candidates AS c
WHERE c.profile_id_l = ANY (:profile_ids) AND c.profile_id_r = ANY (:profile_ids)
ORDER BY c.match_weight DESC, c.profile_id_l, c.profile_id_r;

-- name: inner_decisions
-- One row per live steward decision between records of one customer.
SELECT d.decision_id, d.verdict, d.source_l, d.source_record_id_l, d.source_r, d.source_record_id_r,
       d.steward, d.reason
FROM identity.live_link_decisions AS d
JOIN identity.customer_identity_map AS l
  ON l.source = d.source_l AND l.source_record_id = d.source_record_id_l
JOIN identity.customer_identity_map AS r
  ON r.source = d.source_r AND r.source_record_id = d.source_record_id_r
WHERE l.global_customer_id = :customer_id AND r.global_customer_id = :customer_id
ORDER BY d.decision_id;

-- name: resolve
-- The live customer that an id stands for today; NULL for none.
SELECT identity.resolve(:customer_id);
