-- Reading the identity graph: what is a node, what links nodes, what keeps them apart.

-- name: signature
-- One row: the state of everything customer ids are made from, and the parts a cause is told by.
SELECT coalesce((SELECT string_agg(concat_ws(':', v.layer, v.change_seq, v.run_id, v.config_hash),
                                   ' ' ORDER BY v.layer)
                 FROM staging.volatile_marker AS v
                 WHERE v.layer IN ('identity_inputs', 'blocking', 'matching')), '') AS layers,
       EXISTS (SELECT FROM staging.volatile_marker AS v WHERE v.layer = 'identity_inputs')
           AS has_inputs,
       EXISTS (SELECT FROM staging.volatile_marker AS v WHERE v.layer = 'matching') AS has_pairs,
       -- Without a marker, groups that are there, or customers that need none, will do.
       EXISTS (SELECT FROM staging.match_groups)
           OR NOT EXISTS (SELECT FROM identity.customer_clusters) AS can_do_without,
       (SELECT coalesce(max(v.change_seq), 0) FROM staging.volatile_marker AS v
        WHERE v.layer = 'identity_inputs') AS change_seq,
       (SELECT coalesce(max(d.decision_id), 0) FROM identity.steward_link_decisions AS d)
           AS decision_id,
       (SELECT m.version FROM ops.match_models AS m WHERE m.is_current) AS model_version;

-- name: consumption
-- The one row of what the last resolution consumed; none before the first.
SELECT c.change_seq, c.decision_id, c.layers, c.signature, c.rules FROM identity.consumption AS c;

-- name: has_seen_all_pairs
-- Whether a resolution has followed the last scoring of all pairs: then what is rescored since is
-- known by profile.
SELECT EXISTS (SELECT FROM identity.consumption AS c
               JOIN staging.matching_state AS m ON m.run_id <= c.run_id);

-- name: rescored
-- For COPY: the profiles whose scored pairs are not those of the last resolution, where that may
-- regroup them.
SELECT string_agg(int8send(r.profile_id), '')
FROM staging.rescored_profiles AS r
JOIN identity.consumption AS c ON r.run_id > c.run_id
WHERE r.may_regroup

-- name: select_profiles
-- For COPY: each profile, its place in an order that depends on content alone, and how many records
-- have it, as a negative number where it is too poor to tell people apart; as columns in binary form,
-- in parts of a size that a value may have.
-- (OFFSET 0: or the planner sorts whole profiles to form the parts.)
SELECT string_agg(int8send(f.profile_id), ''), string_agg(uuid_send(f.fingerprint), ''),
       string_agg(int4send(f.record_n), '')
FROM (SELECT p.profile_id, p.fingerprint, p.record_n * CASE WHEN
          num_nonnulls(p.email, p.phone, p.tax_id, p.customer_number) = 0
          -- Many people have one name, few organisations do.
          AND (num_nonnulls(p.name, p.given_name, p.family_name, p.organisation) = 0
               OR p.organisation IS NULL
                  AND num_nonnulls(p.date_of_birth, p.street, p.postcode, p.extra) = 0)
          AND NOT jsonb_exists_any(coalesce(p.extra, '{{}}'), CAST({identifiers} AS text[]))
          -- An exact rule of the user outranks our caution.
          AND NOT EXISTS (
              SELECT FROM jsonb_array_elements(CAST({always_match} AS jsonb)) AS rule (attributes)
              WHERE NOT EXISTS (
                  SELECT FROM jsonb_array_elements_text(rule.attributes) AS needed (attribute)
                  WHERE coalesce(to_jsonb(p) ->> CASE needed.attribute WHEN 'full_name' THEN 'name'
                                                                       ELSE needed.attribute END,
                                 p.extra ->> needed.attribute) IS NULL))
          THEN -1 ELSE 1 END AS record_n
      FROM staging.profiles AS p {scope} OFFSET 0) AS f
GROUP BY f.profile_id >> 22

-- name: some_profiles
-- The scope of the last where it is not all profiles. No statement. (The server puts the array in order
-- and walks the index along it.)
WHERE p.profile_id = ANY (CAST({profiles} AS bigint[]))

-- name: create_poor_profiles
-- The profiles too poor to tell people apart; filled by COPY.
CREATE TEMP TABLE identity_poor_profiles (profile_id bigint NOT NULL) ON COMMIT DROP;

-- name: select_own_nodes
-- One row per live record that is a node of its own instead of standing behind its profile, by profile
-- and key; is_whole: none of the profile's records is left behind the profile itself.
-- A judged record, because a steward speaks of records: father and son may have equal data.
-- A record of a profile too poor to tell people apart (all blank, or a person's bare name), because equal
-- blanks prove nothing: such records meet others through their pairs or not at all.
WITH judged_records AS (
    SELECT DISTINCT r.record_id
    FROM identity.live_link_decisions AS d
    CROSS JOIN LATERAL (VALUES (d.source_l, d.source_record_id_l),
                               (d.source_r, d.source_record_id_r)) AS side (source, record)
    JOIN staging.records AS r ON r.source = side.source AND r.source_record_id = side.record
), own AS (
    SELECT i.record_id FROM judged_records AS j JOIN staging.identity_inputs AS i USING (record_id)
    UNION
    SELECT i.record_id
    FROM pg_temp.identity_poor_profiles AS q
    CROSS JOIN LATERAL (SELECT shown.record_id FROM staging.identity_inputs AS shown
                        WHERE shown.profile_id = q.profile_id OFFSET 0) AS i
)
SELECT o.record_id, i.profile_id,
       j.record_id IS NOT NULL AND poor.profile_id IS NULL AS is_held_by_profile,
       p.record_n = count(*) OVER (PARTITION BY i.profile_id) AS is_whole
FROM own AS o
JOIN staging.identity_inputs AS i USING (record_id)
JOIN staging.profiles AS p USING (profile_id)
LEFT JOIN judged_records AS j USING (record_id)
LEFT JOIN pg_temp.identity_poor_profiles AS poor USING (profile_id)
ORDER BY i.profile_id, i.source COLLATE "C", i.source_record_id COLLATE "C";

-- name: last_profile_id
-- The greatest profile id, 0 without profiles: record nodes are numbered above it.
SELECT coalesce(max(p.profile_id), 0) FROM staging.profiles AS p;

-- name: select_rejected
-- For COPY: the rejected pairs of which some profiles are the left side; the decision as
-- staging.match_groups has it.
SELECT p.profile_id_l, p.profile_id_r, p.match_probability,
       CAST(CASE WHEN p.is_vetoed THEN -1 ELSE 0 END AS smallint)
FROM staging.identity_match_candidates AS p
WHERE p.profile_id_l = ANY (CAST({profiles} AS bigint[])) AND p.decision = 'REJECT'

-- name: select_judgements
-- Live steward decisions as pairs of records, deleted ones included.
SELECT l.record_id AS record_id_l, r.record_id AS record_id_r, d.verdict
FROM identity.live_link_decisions AS d
JOIN staging.records AS l ON l.source = d.source_l AND l.source_record_id = d.source_record_id_l
JOIN staging.records AS r ON r.source = d.source_r AND r.source_record_id = d.source_record_id_r
ORDER BY 1, 2;
