-- The records of the customers a phase works on, read once: survivorship and conflicts share them.

-- name: known_sources
-- Every source gold has ever counted.
SELECT source FROM gold.source_volumes ORDER BY source COLLATE "C"

-- name: member_exists
-- Whether this transaction has read members.
SELECT to_regclass('pg_temp.gold_member') IS NOT NULL

-- name: create_member
-- One row per live record of the customers in gold_touched (of all customers with :everyone, which
-- spares the join and lets the scans run in parallel): what it may contribute, the rank of its
-- source, the set of its source alone as bits, and its place in the order of recency: the most
-- recent first, then the source of higher priority, then record id. The place is unique over all
-- customers, so one sort serves them all, and any subset of customers keeps its order.
CREATE TEMPORARY TABLE gold_member ON COMMIT DROP AS
WITH ranks AS (
    SELECT given.source, given.rank,
           set_bit(CAST(repeat('0', cardinality(CAST(:sources AS text[]))) AS varbit),
                   CAST(given.rank AS integer) - 1, 1) AS source_mask
    FROM unnest(CAST(:sources AS text[])) WITH ORDINALITY AS given (source, rank)
), shown AS (
    SELECT v.* FROM gold.survivorship_values AS v WHERE :everyone
    UNION ALL
    SELECT v.*
    FROM gold.survivorship_values AS v
    JOIN pg_temp.gold_touched USING (global_customer_id)
    WHERE NOT :everyone
)
SELECT s.*, r.rank, r.source_mask,
       row_number() OVER (ORDER BY s.event_at DESC, r.rank, s.source_record_id COLLATE "C") AS recency
FROM shown AS s
JOIN ranks AS r ON r.source = s.source
