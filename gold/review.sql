-- Phase 10: the steward's queue, one row per thing to decide.

-- name: drop_work
-- Two runs in one transaction are allowed.
DROP TABLE IF EXISTS pg_temp.gold_stirred, pg_temp.gold_own, pg_temp.gold_doubtful,
                     pg_temp.gold_suspicious, pg_temp.gold_needed, pg_temp.gold_homes,
                     pg_temp.gold_waiting

-- name: create_stirred
-- The customers whose rows may differ since the last look: those phase 7 rebuilt, and those a new
-- decision names.
CREATE TEMPORARY TABLE gold_stirred ON COMMIT DROP AS
SELECT t.global_customer_id FROM gold.touched_customers AS t
WHERE t.touched_id > CAST(:touched_id AS bigint) AND t.global_customer_id IS NOT NULL
UNION
SELECT m.global_customer_id
FROM identity.steward_link_decisions AS d
CROSS JOIN LATERAL (VALUES (d.source_l, d.source_record_id_l), (d.source_r, d.source_record_id_r))
    AS named (source, source_record_id)
JOIN identity.customer_identity_map AS m USING (source, source_record_id)
WHERE d.decision_id > :decision_id;
ANALYZE pg_temp.gold_stirred

-- name: may_look_at_some
-- Whether phase 7 has rebuilt single customers only since the last look, and the queue has not run
-- low while more waits than it may hold. Where there are other pairs, it must be full.
SELECT NOT EXISTS (SELECT FROM gold.touched_customers
                   WHERE touched_id > CAST(:touched_id AS bigint) AND global_customer_id IS NULL)
   AND (:beyond = 0 AND NOT :has_other_pairs
        OR :beyond > 0 AND 10 * (SELECT count(*) FROM gold.steward_review_queue WHERE state = 'OPEN')
                           > 9 * :review_limit)

-- name: create_doubtful
-- The doubtful pairs of profiles, and the customers that look wrong with their weakest link.
CREATE TEMPORARY TABLE gold_doubtful ON COMMIT DROP AS
SELECT p.profile_id_l, p.profile_id_r, p.match_probability, p.match_weight
FROM staging.identity_match_candidates AS p
WHERE p.decision = 'FLAG_REVIEW' AND NOT p.is_vetoed;
CREATE TEMPORARY TABLE gold_suspicious ON COMMIT DROP AS
SELECT c.global_customer_id, c.weakest_profile_l, c.weakest_profile_r, c.weakest_probability, s.why
FROM identity.customer_clusters AS c
CROSS JOIN LATERAL (
    SELECT 'VERY_LARGE' WHERE c.profile_n >= :large_profiles
    UNION ALL
    SELECT 'WEAK_LINK' WHERE c.weakest_probability < :auto_merge) AS s (why)
UNION ALL
SELECT c.global_customer_id, c.weakest_profile_l, c.weakest_profile_r, c.weakest_probability,
       'BIRTH_DATES_DIFFER'
FROM gold.customer_attribute_conflicts AS f
JOIN identity.customer_clusters AS c USING (global_customer_id)
WHERE f.attribute = 'date_of_birth' AND f.resolved_at IS NULL;
ANALYZE pg_temp.gold_doubtful, pg_temp.gold_suspicious

-- name: create_doubtful_of_stirred
-- The same of the stirred customers: of the pairs that their own profiles have. Most of these are known
-- where phase 7 has run in this transaction. (Of all that is wanted the server makes one array and
-- walks the index once along it: a fifth of the time of as many look-ups.)
CREATE TEMPORARY TABLE IF NOT EXISTS gold_linked (
    global_customer_id uuid NOT NULL,
    profile_id         bigint NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE gold_own ON COMMIT DROP AS
SELECT l.profile_id
FROM pg_temp.gold_linked AS l
UNION
SELECT m.profile_id
FROM identity.customer_identity_map AS m
WHERE m.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_stirred
                                        EXCEPT SELECT global_customer_id FROM pg_temp.gold_linked));
CREATE TEMPORARY TABLE gold_doubtful ON COMMIT DROP AS
SELECT l.profile_id_l, l.profile_id_r, l.match_probability, l.match_weight
FROM staging.identity_match_candidates AS l
WHERE l.profile_id_l = ANY (ARRAY(SELECT profile_id FROM pg_temp.gold_own))
  AND l.decision = 'FLAG_REVIEW' AND NOT l.is_vetoed
UNION
SELECT r.profile_id_l, r.profile_id_r, r.match_probability, r.match_weight
FROM staging.identity_match_candidates AS r
WHERE r.profile_id_r = ANY (ARRAY(SELECT profile_id FROM pg_temp.gold_own))
  AND r.decision = 'FLAG_REVIEW' AND NOT r.is_vetoed;
CREATE TEMPORARY TABLE gold_suspicious ON COMMIT DROP AS
WITH of_two_births AS (
    SELECT f.global_customer_id
    FROM gold.customer_attribute_conflicts AS f
    WHERE f.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_stirred))
      AND f.attribute = 'date_of_birth' AND f.resolved_at IS NULL
)
SELECT c.global_customer_id, c.weakest_profile_l, c.weakest_profile_r, c.weakest_probability, s.why
FROM identity.customer_clusters AS c
CROSS JOIN LATERAL (
    SELECT 'VERY_LARGE' WHERE c.profile_n >= :large_profiles
    UNION ALL
    SELECT 'WEAK_LINK' WHERE c.weakest_probability < :auto_merge
    UNION ALL
    SELECT 'BIRTH_DATES_DIFFER' WHERE c.global_customer_id IN (SELECT global_customer_id FROM of_two_births)
    ) AS s (why)
WHERE c.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM pg_temp.gold_stirred));
ANALYZE pg_temp.gold_doubtful, pg_temp.gold_suspicious

-- name: create_needed
-- The profiles whose customers must be known.
CREATE TEMPORARY TABLE gold_needed ON COMMIT DROP AS
SELECT profile_id_l AS profile_id FROM pg_temp.gold_doubtful
UNION SELECT profile_id_r FROM pg_temp.gold_doubtful
UNION SELECT weakest_profile_l FROM pg_temp.gold_suspicious
UNION SELECT weakest_profile_r FROM pg_temp.gold_suspicious;
ANALYZE pg_temp.gold_needed

-- name: create_homes
-- The customers of each needed profile, each by its first record there.
CREATE TEMPORARY TABLE gold_homes ON COMMIT DROP AS
SELECT DISTINCT ON (m.profile_id, m.global_customer_id)
       m.profile_id, m.global_customer_id, m.record_id, m.source, m.source_record_id
FROM identity.customer_identity_map AS m
JOIN pg_temp.gold_needed USING (profile_id)
ORDER BY m.profile_id, m.global_customer_id, m.record_id;
ANALYZE pg_temp.gold_homes

-- name: create_homes_by_input
-- The same for few profiles: their records are found by index.
CREATE TEMPORARY TABLE gold_homes ON COMMIT DROP AS
SELECT DISTINCT ON (m.profile_id, m.global_customer_id)
       m.profile_id, m.global_customer_id, m.record_id, m.source, m.source_record_id
FROM identity.customer_identity_map AS m
WHERE m.record_id = ANY (ARRAY(
    SELECT i.record_id
    FROM staging.identity_inputs AS i
    WHERE i.profile_id = ANY (ARRAY(SELECT profile_id FROM pg_temp.gold_needed))))
ORDER BY m.profile_id, m.global_customer_id, m.record_id;
ANALYZE pg_temp.gold_homes

-- name: create_waiting
-- What waits for a person now: doubtful pairs of customers, and customers that look wrong; of all
-- customers, or of the stirred ones. A steward's DIFFERENT ends a pair; SAME on two records of a
-- customer confirms the customer.
CREATE TEMPORARY TABLE gold_waiting ON COMMIT DROP AS
WITH decided AS (
    SELECT d.verdict, l.global_customer_id AS customer_l, r.global_customer_id AS customer_r
    FROM identity.live_link_decisions AS d
    JOIN identity.customer_identity_map AS l
      ON l.source = d.source_l AND l.source_record_id = d.source_record_id_l
    JOIN identity.customer_identity_map AS r
      ON r.source = d.source_r AND r.source_record_id = d.source_record_id_r
), between_customers AS (
    SELECT least(l.global_customer_id, r.global_customer_id) AS customer,
           greatest(l.global_customer_id, r.global_customer_id) AS other,
           CASE WHEN l.global_customer_id < r.global_customer_id THEN l.record_id ELSE r.record_id END AS record_l,
           CASE WHEN l.global_customer_id < r.global_customer_id THEN r.record_id ELSE l.record_id END AS record_r,
           CASE WHEN l.global_customer_id < r.global_customer_id THEN l.profile_id ELSE r.profile_id END AS profile_l,
           CASE WHEN l.global_customer_id < r.global_customer_id THEN r.profile_id ELSE l.profile_id END AS profile_r,
           p.match_probability, p.match_weight
    FROM pg_temp.gold_doubtful AS p
    JOIN pg_temp.gold_homes AS l ON l.profile_id = p.profile_id_l
    JOIN pg_temp.gold_homes AS r ON r.profile_id = p.profile_id_r
    WHERE l.global_customer_id <> r.global_customer_id
), pairs AS (
    SELECT DISTINCT ON (b.customer, b.other) b.*,
           count(*) OVER (PARTITION BY b.customer, b.other) AS pair_n
    FROM between_customers AS b
    WHERE (:everyone OR b.customer IN (SELECT global_customer_id FROM pg_temp.gold_stirred)
           OR b.other IN (SELECT global_customer_id FROM pg_temp.gold_stirred))
      AND NOT EXISTS (SELECT FROM decided AS d
                      WHERE d.verdict = 'DIFFERENT'
                        AND least(d.customer_l, d.customer_r) = b.customer
                        AND greatest(d.customer_l, d.customer_r) = b.other)
    ORDER BY b.customer, b.other, b.match_weight DESC, b.record_l, b.record_r
), subjects AS (
    SELECT 'PAIR' AS kind, format('pair:%s:%s', p.customer, p.other) AS subject_key,
           p.customer AS global_customer_id, p.other AS other_customer_id, p.profile_l, p.profile_r,
           'DOUBTFUL_PAIR' AS why, p.match_probability, p.match_weight, p.pair_n
    FROM pairs AS p
    UNION ALL
    SELECT 'CUSTOMER', format('customer:%s:%s', s.global_customer_id, s.why), s.global_customer_id,
           NULL, s.weakest_profile_l, s.weakest_profile_r, s.why, s.weakest_probability, NULL, 0
    FROM pg_temp.gold_suspicious AS s
    WHERE NOT EXISTS (SELECT FROM decided AS d
                      WHERE d.verdict = 'SAME' AND d.customer_l = s.global_customer_id
                        AND d.customer_r = s.global_customer_id)
)
SELECT s.*, l.source AS source_l, l.source_record_id AS source_record_id_l,
       r.source AS source_r, r.source_record_id AS source_record_id_r
FROM subjects AS s
LEFT JOIN pg_temp.gold_homes AS l ON l.profile_id = s.profile_l AND l.global_customer_id = s.global_customer_id
LEFT JOIN pg_temp.gold_homes AS r ON r.profile_id = s.profile_r
                    AND r.global_customer_id = coalesce(s.other_customer_id, s.global_customer_id)

-- name: analyze_waiting
-- What follows plans by how many there are.
ANALYZE pg_temp.gold_waiting (subject_key)

-- name: end_reviews
-- Open rows that wait no more: DONE with the steward who answered, GONE where the evidence went.
WITH decided AS (
    SELECT d.decision_id, d.verdict, d.steward, l.global_customer_id AS customer_l, r.global_customer_id AS customer_r
    FROM identity.live_link_decisions AS d
    JOIN identity.customer_identity_map AS l
      ON l.source = d.source_l AND l.source_record_id = d.source_record_id_l
    JOIN identity.customer_identity_map AS r
      ON r.source = d.source_r AND r.source_record_id = d.source_record_id_r
), ended AS (
    SELECT q.review_id, a.steward, a.decision_id
    FROM gold.steward_review_queue AS q
    LEFT JOIN LATERAL (
        SELECT d.steward, d.decision_id
        FROM decided AS d
        WHERE (d.customer_l, d.customer_r) IN (
                  (identity.resolve(q.global_customer_id),
                   coalesce(identity.resolve(q.other_customer_id), identity.resolve(q.global_customer_id))),
                  (coalesce(identity.resolve(q.other_customer_id), identity.resolve(q.global_customer_id)),
                   identity.resolve(q.global_customer_id)))
           OR (q.source_l, q.source_record_id_l, q.source_r, q.source_record_id_r) IN (
                  SELECT x.source_l, x.source_record_id_l, x.source_r, x.source_record_id_r
                  FROM identity.live_link_decisions AS x WHERE x.decision_id = d.decision_id
                  UNION ALL
                  SELECT x.source_r, x.source_record_id_r, x.source_l, x.source_record_id_l
                  FROM identity.live_link_decisions AS x WHERE x.decision_id = d.decision_id)
        ORDER BY d.decision_id DESC
        LIMIT 1) AS a ON true
    WHERE q.state = 'OPEN'
      AND (:everyone OR q.global_customer_id IN (SELECT global_customer_id FROM pg_temp.gold_stirred)
           OR q.other_customer_id IN (SELECT global_customer_id FROM pg_temp.gold_stirred))
      AND NOT EXISTS (SELECT FROM pg_temp.gold_waiting AS w WHERE w.subject_key = q.subject_key)
)
UPDATE gold.steward_review_queue AS q
SET state = CASE WHEN e.steward IS NULL THEN 'GONE' ELSE 'DONE' END,
    ended_at = :as_of, resolved_by = e.steward, decision_id = e.decision_id, run_id = :run_id
FROM ended AS e
WHERE e.review_id = q.review_id

-- name: refresh_reviews
-- Open rows that still wait, where what is known of them has changed.
UPDATE gold.steward_review_queue AS q
SET why = w.why, source_l = w.source_l, source_record_id_l = w.source_record_id_l,
    source_r = w.source_r, source_record_id_r = w.source_record_id_r,
    match_probability = w.match_probability, match_weight = w.match_weight, pair_n = w.pair_n,
    last_seen_at = :as_of, run_id = :run_id
FROM pg_temp.gold_waiting AS w
WHERE w.subject_key = q.subject_key AND q.state = 'OPEN'
  AND (q.why, q.source_record_id_l, q.source_record_id_r, q.match_probability, q.match_weight, q.pair_n)
      IS DISTINCT FROM
      (w.why, w.source_record_id_l, w.source_record_id_r, w.match_probability, w.match_weight, w.pair_n)

-- name: open_reviews
-- New rows, the strongest first, as many as the limit of open rows leaves room for.
INSERT INTO gold.steward_review_queue
    (kind, subject_key, global_customer_id, other_customer_id, source_l, source_record_id_l,
     source_r, source_record_id_r, why, match_probability, match_weight, pair_n,
     first_seen_at, last_seen_at, run_id)
SELECT w.kind, w.subject_key, w.global_customer_id, w.other_customer_id, w.source_l,
       w.source_record_id_l, w.source_r, w.source_record_id_r, w.why, w.match_probability,
       w.match_weight, w.pair_n, :as_of, :as_of, :run_id
FROM pg_temp.gold_waiting AS w
WHERE NOT EXISTS (SELECT FROM gold.steward_review_queue AS q
                  WHERE q.subject_key = w.subject_key AND q.state = 'OPEN')
ORDER BY w.kind, w.match_probability DESC NULLS LAST, w.pair_n DESC, w.subject_key
LIMIT greatest(:review_limit - (SELECT count(*) FROM gold.steward_review_queue WHERE state = 'OPEN'), 0)

-- name: count_beyond
-- How many wait that the queue has no room for.
SELECT count(*) FROM pg_temp.gold_waiting AS w
WHERE NOT EXISTS (SELECT FROM gold.steward_review_queue AS q
                  WHERE q.subject_key = w.subject_key AND q.state = 'OPEN')
