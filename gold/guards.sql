-- Source guards: what a source had when gold was last published, and what it has now.

-- name: source_volumes
-- Per source: live records now and at the last publication, and of the records delivered since,
-- how many there are and how many have a usable value per attribute, beside the same of all
-- deliveries before. Grain: source.
--
-- Records are never removed, only marked as deleted, and those that came last have the greatest
-- numbers: what a source has is what it had plus the records after :record_id (0: all of them), and
-- what of it lives is all but the deleted.
WITH counted AS (
    SELECT v.source, v.record_n FROM gold.source_volumes AS v WHERE :record_id > 0
    UNION ALL
    SELECT source, count(*) FROM staging.records WHERE record_id > :record_id GROUP BY source
), deleted AS (
    SELECT source, count(*) AS deleted_n FROM staging.records WHERE is_deleted GROUP BY source
), live AS (
    SELECT c.source, sum(c.record_n) AS record_n, sum(c.record_n) - coalesce(max(d.deleted_n), 0) AS live_n
    FROM counted AS c
    LEFT JOIN deleted AS d USING (source)
    GROUP BY c.source
), delivered AS (
    SELECT source, count(*) AS delivered_n,
           jsonb_build_object(
               'full_name', count(std_name), 'email', count(std_email), 'phone', count(std_phone),
               'date_of_birth', count(std_date_of_birth), 'gender', count(std_gender),
               'street', count(std_street), 'city', count(std_city), 'region', count(std_region),
               'postcode', count(std_postcode), 'country', count(std_country),
               'tax_id', count(std_tax_id), 'customer_number', count(std_customer_number),
               'organisation', count(std_organisation)) AS filled
    FROM staging.records
    WHERE change_seq > :change_seq AND NOT is_deleted
    GROUP BY source
)
SELECT source, CAST(coalesce(live.record_n, 0) AS bigint) AS record_n,
       CAST(coalesce(live.live_n, 0) AS bigint) AS live_n, coalesce(v.live_n, 0) AS former_live_n,
       coalesce(delivered.delivered_n, 0) AS delivered_n, coalesce(delivered.filled, '{}') AS filled,
       coalesce(v.delivered_n, 0) AS former_delivered_n, coalesce(v.filled, '{}') AS former_filled
FROM live
FULL JOIN gold.source_volumes AS v USING (source)
LEFT JOIN delivered USING (source)
ORDER BY source

-- name: keep_volume
-- The volume of a source as of this publication.
INSERT INTO gold.source_volumes (source, record_n, live_n, delivered_n, filled, run_id)
VALUES (:source, :record_n, :live_n, :delivered_n, CAST(:filled AS jsonb), :run_id)
ON CONFLICT (source) DO UPDATE
SET record_n = excluded.record_n, live_n = excluded.live_n, delivered_n = excluded.delivered_n, filled = excluded.filled,
    run_id = excluded.run_id
