-- Taking customers apart: what they are made of, and what a run merged.

-- name: members
-- One row per record of the living customers that the given ids stand for, in a fixed order.
SELECT wanted.id AS wanted_id, m.global_customer_id, m.record_id, m.source, m.source_record_id,
       m.profile_id, m.first_customer_id
FROM unnest(CAST(:customers AS uuid[])) AS wanted (id)
JOIN identity.customer_identity_map AS m ON m.global_customer_id = identity.resolve(wanted.id)
ORDER BY m.global_customer_id, m.source COLLATE "C", m.source_record_id COLLATE "C";

-- name: pairs
-- The scored pairs among the given profiles that may join them: without these no two groups merge.
SELECT p.profile_id_l, p.profile_id_r, p.match_weight
FROM staging.identity_match_candidates AS p
WHERE p.profile_id_l = ANY (CAST(:profiles AS bigint[]))
  AND p.profile_id_r = ANY (CAST(:profiles AS bigint[]))
  AND p.decision <> 'REJECT' AND NOT p.is_vetoed;

-- name: merges
-- One row per id that the run merged away and per id whose records it stood for then: itself and
-- what had been merged into it before. `records` are those that came with it; NULL for a merge of a
-- time that did not put them on record.
WITH RECURSIVE merged AS (
    SELECT e.global_customer_id AS ended_id, e.related_customer_id AS survivor_id,
           e.global_customer_id AS former_id, e.event_id, e.detail -> 'records' AS records
    FROM identity.identity_events AS e
    WHERE e.run_id = :run_id AND e.event_type = 'MERGE'
    UNION
    SELECT m.ended_id, m.survivor_id, e.global_customer_id, e.event_id, m.records
    FROM merged AS m
    JOIN identity.identity_events AS e
      ON e.related_customer_id = m.former_id AND e.event_type = 'MERGE' AND e.event_id < m.event_id
     AND e.run_id <> :run_id
)
SELECT DISTINCT m.ended_id, m.survivor_id, m.former_id, m.records FROM merged AS m
ORDER BY m.survivor_id, m.ended_id, m.former_id;
