-- Two clocks: beside when gold said a version (valid_from, valid_to), what it could know by then.

ALTER TABLE gold.dim_customers_history ADD COLUMN rests_on_until timestamptz;
-- For versions of before: an open one rests on nothing later than its customer was last seen. Of a
-- closed one nobody kept it; it is taken to rest on all up to its own instant.
UPDATE gold.dim_customers_history AS h
SET rests_on_until = CASE WHEN h.valid_to IS NULL THEN d.last_seen_at ELSE h.valid_from END
FROM gold.dim_customers AS d
WHERE d.global_customer_id = h.global_customer_id;
UPDATE gold.dim_customers_history SET rests_on_until = valid_from WHERE rests_on_until IS NULL;
ALTER TABLE gold.dim_customers_history ALTER COLUMN rests_on_until SET NOT NULL;
COMMENT ON COLUMN gold.dim_customers_history.rests_on_until IS 'Latest event_at among the records the customer had when the version was made: nothing in the version is evidence of a later time.';

-- Made again because their result has one more column.
CREATE OR REPLACE FUNCTION gold.customers_as_of(at timestamptz) RETURNS SETOF gold.dim_customers_history
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT h.* FROM gold.dim_customers_history AS h
    WHERE h.valid_from <= at AND (h.valid_to IS NULL OR h.valid_to > at);
END;

CREATE FUNCTION gold.customers_as_of(valid_at timestamptz, known_at timestamptz)
RETURNS SETOF gold.dim_customers_history
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH known_customers AS (
        SELECT h.global_customer_id, h.version
        FROM gold.dim_customers_history AS h
        WHERE h.valid_from <= known_at AND (h.valid_to IS NULL OR h.valid_to > known_at)
    ), last_versions AS (
        SELECT h.global_customer_id, max(h.version) AS version
        FROM gold.dim_customers_history AS h
        JOIN known_customers AS k USING (global_customer_id)
        WHERE h.version <= k.version AND h.rests_on_until <= valid_at
        GROUP BY h.global_customer_id
    )
    SELECT h.*
    FROM gold.dim_customers_history AS h
    JOIN last_versions AS l USING (global_customer_id, version);
END;
COMMENT ON FUNCTION gold.customers_as_of(timestamptz, timestamptz) IS 'Two clocks: of each customer that gold listed at known_at, the last version said by then that rests on no record dated after valid_at; one row each, none where gold had no such version. So nothing is in the answer that was not known at known_at, and nothing that is evidence of a time after valid_at. A fact that was delivered late counts from the newest fact its customer had by then, not from its own date, a steward''s word has no date of its own, and who is who is as known at known_at. With valid_at = infinity it is customers_as_of(known_at).';
