-- What must always hold of identity: each query returns what breaks it, so no rows when all is
-- well. What ends in _since is asked at the end of a run instead, of what changed since the last check.

-- name: inv_every_record_has_one_customer
-- title: every live record has exactly one living customer, and nothing else has
-- What changed in staging since the last resolution is not its fault, so it is left out.
SELECT coalesce(r.record_id, m.record_id) AS record_id, m.global_customer_id
FROM staging.records AS r
FULL JOIN identity.customer_identity_map AS m ON m.record_id = r.record_id
LEFT JOIN identity.customers AS c ON c.global_customer_id = m.global_customer_id
CROSS JOIN identity.consumption AS seen
WHERE (m.record_id IS NULL AND NOT r.is_deleted AND r.change_seq <= seen.change_seq)
   OR (m.record_id IS NOT NULL AND r.record_id IS NULL)
   OR (m.record_id IS NOT NULL AND r.is_deleted AND r.change_seq <= seen.change_seq)
   OR (r.source, r.source_record_id) <> (m.source, m.source_record_id)
   OR (m.record_id IS NOT NULL AND c.state IS DISTINCT FROM 'LIVE')

-- name: inv_every_record_has_one_customer_since
-- Of the records that changed, the links that were made, and the customers that ended. Each side is read
-- in the order of its keys, and only what it has not told already; then both are brought together by
-- grouping, because of how many there are the planner knows nothing. What is another record than the
-- link says is one of each to the grouping, and so broken.
WITH changed AS MATERIALIZED (
    SELECT r.record_id, r.source, r.source_record_id, r.is_deleted, r.change_seq
    FROM staging.records AS r
    WHERE r.change_seq > :since_change_seq
), linked AS MATERIALIZED (
    SELECT m.record_id, m.source, m.source_record_id, m.global_customer_id
    FROM identity.customer_identity_map AS m
    WHERE m.run_id > :since_run_id
), links AS MATERIALIZED (
    SELECT * FROM linked
    UNION ALL
    SELECT m.record_id, m.source, m.source_record_id, m.global_customer_id
    FROM identity.customer_identity_map AS m
    WHERE m.record_id = ANY (ARRAY(SELECT record_id FROM changed EXCEPT SELECT record_id FROM linked))
), records AS (
    SELECT * FROM changed
    UNION ALL
    SELECT r.record_id, r.source, r.source_record_id, r.is_deleted, r.change_seq
    FROM staging.records AS r
    WHERE r.record_id = ANY (ARRAY(SELECT record_id FROM linked EXCEPT SELECT record_id FROM changed))
)
SELECT s.record_id, any_value(s.global_customer_id) AS global_customer_id
FROM (SELECT r.record_id, r.source, r.source_record_id, true AS is_record, NULL AS global_customer_id,
             r.is_deleted, r.change_seq <= seen.change_seq AS is_seen
      FROM records AS r
      CROSS JOIN identity.consumption AS seen
      UNION ALL
      SELECT l.record_id, l.source, l.source_record_id, false, l.global_customer_id, NULL, NULL
      FROM links AS l) AS s
GROUP BY s.record_id, s.source, s.source_record_id
HAVING CASE WHEN NOT bool_or(s.is_record) THEN true
            WHEN bool_and(s.is_record) THEN bool_or(s.is_seen AND NOT s.is_deleted)
            ELSE bool_or(s.is_seen AND s.is_deleted) END
UNION ALL
SELECT NULL, dead.global_customer_id
FROM (SELECT l.global_customer_id FROM links AS l
      EXCEPT
      SELECT c.global_customer_id
      FROM identity.customers AS c
      WHERE c.state = 'LIVE' AND c.global_customer_id = ANY (ARRAY(SELECT global_customer_id FROM links))) AS dead
UNION ALL
SELECT m.record_id, m.global_customer_id
FROM identity.customers AS c
CROSS JOIN LATERAL (SELECT x.record_id, x.global_customer_id FROM identity.customer_identity_map AS x
                    WHERE x.global_customer_id = c.global_customer_id OFFSET 0) AS m
WHERE c.ended_run_id > :since_run_id

-- name: inv_living_customers_have_records
-- title: every living customer has a record
SELECT c.global_customer_id
FROM identity.customers AS c
WHERE c.state = 'LIVE'
  AND NOT EXISTS (SELECT FROM identity.customer_identity_map AS m
                  WHERE m.global_customer_id = c.global_customer_id)

-- name: inv_living_customers_have_records_since
-- Of the customers that were born, that lost records, or that an event names.
WITH named AS (
    SELECT c.global_customer_id FROM identity.customers AS c WHERE c.created_run_id > :since_run_id
    UNION
    SELECT x.global_customer_id FROM identity.retired_records AS x WHERE x.run_id > :since_run_id
    UNION
    SELECT e.global_customer_id FROM identity.identity_events AS e WHERE e.run_id > :since_run_id
    UNION
    SELECT e.related_customer_id FROM identity.identity_events AS e WHERE e.run_id > :since_run_id
)
SELECT n.global_customer_id
FROM named AS n
CROSS JOIN LATERAL (SELECT k.state FROM identity.customers AS k
                    WHERE k.global_customer_id = n.global_customer_id OFFSET 0) AS c
WHERE c.state = 'LIVE'
  AND (SELECT m.record_id FROM identity.customer_identity_map AS m
       WHERE m.global_customer_id = n.global_customer_id LIMIT 1) IS NULL

-- name: inv_redirects_end_at_once
-- title: a merged id redirects straight to an id that was not merged itself
-- A state is MERGED where merged_into is filled (a CHECK sees to it), and these few are indexed: so they
-- are looked up among all customers, whatever the planner takes their share for.
SELECT t.global_customer_id, t.merged_into
FROM identity.customers AS t
WHERE t.merged_into IS NOT NULL
  AND t.global_customer_id = ANY (ARRAY(SELECT c.merged_into FROM identity.customers AS c
                                        WHERE c.merged_into IS NOT NULL))

-- name: inv_endings_are_on_record
-- title: every id that ended has the event that says so
SELECT c.global_customer_id, c.state, c.ended_run_id
FROM identity.customers AS c
WHERE c.state <> 'LIVE'
  AND NOT EXISTS (
    SELECT FROM identity.identity_events AS e
    WHERE e.global_customer_id = c.global_customer_id AND e.run_id = c.ended_run_id
      AND e.event_type = CASE c.state WHEN 'MERGED' THEN 'MERGE' ELSE 'DELETE' END)

-- name: inv_endings_are_on_record_since
-- Of the ids that ended.
SELECT c.global_customer_id, c.state, c.ended_run_id
FROM identity.customers AS c
WHERE c.state <> 'LIVE' AND c.ended_run_id > :since_run_id
  AND NOT EXISTS (
    SELECT FROM identity.identity_events AS e
    WHERE e.global_customer_id = c.global_customer_id AND e.run_id = c.ended_run_id
      AND e.event_type = CASE c.state WHEN 'MERGED' THEN 'MERGE' ELSE 'DELETE' END)

-- name: inv_ids_keep_their_meaning
-- title: a record that left the id it was published under left by an event on record
SELECT m.record_id, m.first_customer_id, m.global_customer_id
FROM identity.customer_identity_map AS m
WHERE m.first_customer_id <> m.global_customer_id
  AND NOT EXISTS (SELECT FROM identity.identity_events AS e
                  WHERE e.global_customer_id = m.first_customer_id
                    AND e.event_type IN ('MERGE', 'SPLIT', 'MOVE', 'DELETE'))

-- name: inv_ids_keep_their_meaning_since
-- Of the records whose row was changed: events are never removed.
SELECT m.record_id, m.first_customer_id, m.global_customer_id
FROM identity.customer_identity_map AS m
WHERE m.run_id > :since_run_id AND m.first_customer_id <> m.global_customer_id
  AND NOT EXISTS (SELECT FROM identity.identity_events AS e
                  WHERE e.global_customer_id = m.first_customer_id
                    AND e.event_type IN ('MERGE', 'SPLIT', 'MOVE', 'DELETE'))

-- name: inv_doubts_do_not_merge
-- title: no record is in its customer by a doubtful pair, unless merge_flagged says so
SELECT m.record_id, m.global_customer_id, m.decision
FROM identity.customer_identity_map AS m
CROSS JOIN identity.consumption AS seen
WHERE m.decision = 'FLAG_REVIEW' AND NOT seen.merges_flagged

-- name: inv_doubts_do_not_merge_since
-- Of the records whose row was changed; of all where the configuration has.
SELECT m.record_id, m.global_customer_id, m.decision
FROM identity.customer_identity_map AS m
CROSS JOIN identity.consumption AS seen
WHERE m.run_id > :since_run_id AND m.decision = 'FLAG_REVIEW' AND NOT seen.merges_flagged
UNION ALL
SELECT m.record_id, m.global_customer_id, m.decision
FROM identity.customer_identity_map AS m
CROSS JOIN identity.consumption AS seen
WHERE (SELECT r.config_hash FROM ops.runs AS r WHERE r.run_id = :run_id)
      IS DISTINCT FROM (SELECT r.config_hash FROM ops.runs AS r WHERE r.run_id = :since_run_id)
  AND m.decision = 'FLAG_REVIEW' AND NOT seen.merges_flagged

-- name: inv_stewards_are_obeyed
-- title: records a steward called the same are one customer, different ones are two
SELECT d.decision_id, d.verdict
FROM identity.live_link_decisions AS d
CROSS JOIN identity.consumption AS seen
JOIN identity.customer_identity_map AS l
  ON l.source = d.source_l AND l.source_record_id = d.source_record_id_l
JOIN identity.customer_identity_map AS r
  ON r.source = d.source_r AND r.source_record_id = d.source_record_id_r
WHERE d.decision_id <= seen.decision_id
  AND (d.verdict = 'SAME') <> (l.global_customer_id = r.global_customer_id)

-- name: inv_decisions_do_not_contradict
-- title: no chain of SAME joins two records that a steward called different
SELECT d.decision_id
FROM identity.live_link_decisions AS d
WHERE d.verdict = 'DIFFERENT'
  AND identity.same_chain(d.source_l, d.source_record_id_l, d.source_r, d.source_record_id_r)
      IS NOT NULL
