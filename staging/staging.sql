-- name: sources_changed
-- Whether the ledger of ingestion holds an object state that staging has not consumed (one row per
-- source that has one). An object that was never staged and does not count has nothing to say.
SELECT objects.source
FROM raw.lake_objects AS objects
LEFT JOIN staging.staged_objects AS staged USING (object_id)
WHERE staged.state IS DISTINCT FROM objects.state
  AND (objects.state = 'LOADED' OR staged.state = 'LOADED')
GROUP BY objects.source

-- name: consumed_rules
-- The digest of the rules that each source was last staged by (one row per source staged).
SELECT layer, config_hash
FROM staging.volatile_marker
WHERE layer LIKE 'records:%'

-- name: take_change_number
-- The number in the change feed for all that this run changes.
SELECT nextval('staging.change_seq')

-- name: open_source
-- The raw table of the source under one name, for the statements that follow.
CREATE OR REPLACE TEMPORARY VIEW source_rows AS SELECT * FROM {raw}

-- name: close_source
-- Let go of the raw table, which ingestion may want to alter.
DROP VIEW pg_temp.source_rows

-- name: source_table_exists
-- Whether ingestion has made the raw table of a source yet.
SELECT to_regclass('raw.' || quote_ident(:table)) IS NOT NULL

-- name: find_changed_objects
-- Temporary: the objects of one source whose state staging has not consumed; with :whole all of
-- them. is_whole tells whether no counted object is left out.
DROP TABLE IF EXISTS pg_temp.changed_objects;
CREATE TEMPORARY TABLE changed_objects ON COMMIT DROP AS
SELECT objects.object_id, objects.state
FROM raw.lake_objects AS objects
LEFT JOIN staging.staged_objects AS staged USING (object_id)
WHERE objects.source = :source
  AND (objects.state = 'LOADED' OR staged.state = 'LOADED')
  AND (:whole OR staged.state IS DISTINCT FROM objects.state);
ANALYZE pg_temp.changed_objects;
SELECT NOT EXISTS (
    SELECT
    FROM raw.lake_objects AS objects
    WHERE objects.source = :source AND objects.state = 'LOADED'
      AND NOT EXISTS (SELECT FROM pg_temp.changed_objects AS changed
                      WHERE changed.object_id = objects.object_id)
) AS is_whole

-- name: find_touched_records
-- Temporary: the records that a changed object speaks of, or has spoken of, each with the row of raw
-- that staging has of it: none of a NEW record; one that STANDS is the latest of all objects that have
-- not changed; an OPEN one's object has changed or does not count. (One column for the three, so that
-- the planner knows how many there are of each. The limit has it seek each record by its key.)
DROP TABLE IF EXISTS pg_temp.touched_records;
CREATE TEMPORARY TABLE touched_records ON COMMIT DROP AS
SELECT touched.source_record_id, staged.object_id, staged.line_no, staged.event_at, staged.is_deleted,
       CASE WHEN staged.object_id IS NULL THEN 'NEW'
            WHEN objects.state = 'LOADED'
                 AND NOT EXISTS (SELECT FROM pg_temp.changed_objects AS changed
                                 WHERE changed.object_id = staged.object_id) THEN 'STANDS'
            ELSE 'OPEN' END AS standing
FROM (
    SELECT rows.source_record_id
    FROM pg_temp.source_rows AS rows
    JOIN pg_temp.changed_objects USING (object_id)
    UNION
    SELECT records.source_record_id
    FROM staging.records AS records
    JOIN pg_temp.changed_objects USING (object_id)
    WHERE records.source = :source
) AS touched
LEFT JOIN LATERAL (
    SELECT records.object_id, records.line_no, records.event_at, records.is_deleted
    FROM staging.records AS records
    WHERE records.source = :source AND records.source_record_id = touched.source_record_id
    LIMIT 1
) AS staged ON true
LEFT JOIN raw.lake_objects AS objects ON objects.object_id = staged.object_id;
ANALYZE pg_temp.touched_records

-- name: find_current_rows_of_touched
-- Temporary: the current raw row of each touched record, where it is another than staging has: the
-- latest by event time, object key and line number among objects that count, whatever the order in
-- which they arrived. Object keys are compared byte by byte, so that no locale of a server can change
-- what is current. All versions are looked up only of a record whose row is open. Rows of records that
-- are staged (is_known) are in batches of their own, those with odd numbers: they are to be compared
-- with what is there, others just added.
DROP TABLE IF EXISTS pg_temp.current_rows;
CREATE TEMPORARY TABLE current_rows ON COMMIT DROP AS
WITH touched_rows AS (
    SELECT source_record_id, object_id, line_no, event_at, is_deleted, true AS is_staged
    FROM pg_temp.touched_records
    WHERE standing = 'STANDS'
    UNION ALL
    SELECT rows.source_record_id, rows.object_id, rows.line_no, rows.event_at, rows.is_deleted, false
    FROM pg_temp.source_rows AS rows
    JOIN pg_temp.changed_objects USING (object_id)
    UNION ALL
    SELECT rows.source_record_id, rows.object_id, rows.line_no, rows.event_at, rows.is_deleted, false
    FROM pg_temp.touched_records AS touched
    JOIN pg_temp.source_rows AS rows USING (source_record_id)
    WHERE touched.standing = 'OPEN'
)
SELECT versions.source_record_id, versions.object_id, versions.line_no, versions.event_at,
       versions.is_deleted, known.is_known,
       2 * ((row_number() OVER (PARTITION BY known.is_known
                                ORDER BY versions.object_id, versions.line_no) - 1)
            / :batch_rows)::integer + known.is_known::integer AS batch
FROM (
    SELECT DISTINCT ON (rows.source_record_id COLLATE "C") rows.*
    FROM touched_rows AS rows
    JOIN raw.lake_objects AS objects USING (object_id)
    WHERE objects.state = 'LOADED'
    ORDER BY rows.source_record_id COLLATE "C", rows.event_at DESC,
             objects.object_key COLLATE "C" DESC, rows.line_no DESC
) AS versions
JOIN pg_temp.touched_records AS touched USING (source_record_id)
CROSS JOIN LATERAL (VALUES (touched.standing <> 'NEW')) AS known (is_known)
WHERE NOT versions.is_staged;
ANALYZE pg_temp.current_rows

-- name: find_current_rows_of_all
-- Temporary: the same for every record of the source, when all of its objects changed; any of them
-- may be staged already.
DROP TABLE IF EXISTS pg_temp.current_rows;
CREATE TEMPORARY TABLE current_rows ON COMMIT DROP AS
SELECT versions.*, true AS is_known,
       ((row_number() OVER (ORDER BY object_id, line_no) - 1) / :batch_rows)::integer AS batch
FROM (
    SELECT DISTINCT ON (rows.source_record_id COLLATE "C")
           rows.source_record_id, rows.object_id, rows.line_no, rows.event_at, rows.is_deleted
    FROM pg_temp.source_rows AS rows
    JOIN raw.lake_objects AS objects USING (object_id)
    WHERE objects.state = 'LOADED'
    ORDER BY rows.source_record_id COLLATE "C", rows.event_at DESC,
             objects.object_key COLLATE "C" DESC, rows.line_no DESC
) AS versions;
ANALYZE pg_temp.current_rows

-- name: batches
-- The batches of the current rows in the order of raw: rows that are records, and the objects
-- between which they lie (one row per batch).
SELECT batch, bool_and(is_known) AS is_known, count(*) FILTER (WHERE NOT is_deleted) AS rows_n,
       min(object_id) AS first_object_id, max(object_id) AS last_object_id
FROM pg_temp.current_rows
GROUP BY batch
ORDER BY batch

-- name: read_batch
-- The keys and the wanted fields of one batch of current rows, as they were written. The bounds on
-- the object let PostgreSQL read a stretch of raw instead of all of it for every batch.
SELECT present.source_record_id, present.object_id, present.line_no, present.event_at, {items}
FROM pg_temp.current_rows AS present
JOIN pg_temp.source_rows AS rows
  ON rows.object_id = present.object_id AND rows.line_no = present.line_no
 AND rows.object_id BETWEEN {first_object_id} AND {last_object_id}
{joins}
WHERE present.batch = {batch} AND NOT present.is_deleted

-- name: join_by_hash
-- Whole batches are joined by hash. The statistics of raw do not know its newest objects until the
-- next ANALYZE; the planner takes their rows for one or two, and would read a batch for each.
SET LOCAL enable_nestloop = off

-- name: join_as_planned
-- What the statements after the batches are planned with.
SET LOCAL enable_nestloop = on

-- name: select_record_hashes
-- For COPY, for the first load of a source: a hash of each row's record, because to sort numbers in
-- an array costs a quarter of grouping a million ids.
SELECT hashtextextended(source_record_id, 0) FROM pg_temp.source_rows

-- name: find_outdated_rows
-- Temporary: for the first load of a source, the rows of records that came more than once (:keys are
-- their hashes) but for their current one: current is what find_current_rows_of_all says. They are
-- few as a rule, so the batches of a first load are stretches of raw without these.
DROP TABLE IF EXISTS pg_temp.outdated_rows;
CREATE TEMPORARY TABLE outdated_rows ON COMMIT DROP AS
SELECT object_id, line_no
FROM (
    SELECT rows.object_id, rows.line_no,
           row_number() OVER (
               PARTITION BY rows.source_record_id COLLATE "C"
               ORDER BY rows.event_at DESC, objects.object_key COLLATE "C" DESC, rows.line_no DESC
           ) AS version
    FROM pg_temp.source_rows AS rows
    JOIN raw.lake_objects AS objects USING (object_id)
    WHERE objects.state = 'LOADED' AND cardinality(CAST(:keys AS bigint[])) > 0
      AND hashtextextended(rows.source_record_id, 0) = ANY (CAST(:keys AS bigint[]))
) AS versions
WHERE version > 1;
ANALYZE pg_temp.outdated_rows

-- name: first_batches
-- The batches of a first load in the order of raw: stretches of whole objects, of lines where an
-- object is large (one row per batch, both ends included; of :batch_rows to twice as many rows).
WITH pieces AS (
    SELECT objects.object_id, lines.first_line_no,
           CASE WHEN objects.rows_n > :batch_rows THEN lines.first_line_no + :batch_rows - 1
                ELSE 2147483647 END AS last_line_no,
           least(objects.rows_n, :batch_rows) AS rows_n
    FROM raw.lake_objects AS objects
    CROSS JOIN LATERAL generate_series(
        1,
        CASE WHEN objects.rows_n > :batch_rows THEN
            (SELECT max(rows.line_no) FROM pg_temp.source_rows AS rows
             WHERE rows.object_id = objects.object_id)
        ELSE 1 END,
        :batch_rows
    ) AS lines (first_line_no)
    WHERE objects.source = :source AND objects.state = 'LOADED' AND objects.rows_n > 0
), numbered_pieces AS (
    SELECT *,
           (sum(rows_n) OVER (ORDER BY object_id, first_line_no) - rows_n)::bigint / :batch_rows
               AS batch
    FROM pieces
)
SELECT batch, false AS is_known, sum(rows_n)::bigint AS rows_n,
       min(object_id) AS first_object_id,
       (array_agg(first_line_no ORDER BY object_id, first_line_no))[1] AS first_line_no,
       max(object_id) AS last_object_id,
       (array_agg(last_line_no ORDER BY object_id DESC, first_line_no DESC))[1] AS last_line_no
FROM numbered_pieces
GROUP BY batch
ORDER BY batch

-- name: read_first_batch
-- The keys and the wanted fields of one batch of a first load, as they were written. The comparison
-- of the object alone is for the planner, which knows nothing of the other kind.
SELECT rows.source_record_id, rows.object_id, rows.line_no, rows.event_at, {items}
FROM pg_temp.source_rows AS rows
JOIN raw.lake_objects AS objects ON objects.object_id = rows.object_id AND objects.state = 'LOADED'
{joins}
WHERE rows.object_id BETWEEN {first_object_id} AND {last_object_id}
  AND (rows.object_id, rows.line_no) >= ({first_object_id}, {first_line_no})
  AND (rows.object_id, rows.line_no) <= ({last_object_id}, {last_line_no})
  AND NOT rows.is_deleted
  AND NOT EXISTS (SELECT FROM pg_temp.outdated_rows AS outdated
                  WHERE outdated.object_id = rows.object_id AND outdated.line_no = rows.line_no)

-- name: records_are_there
-- Whether staging.records holds anything, of any source.
SELECT EXISTS (SELECT FROM staging.records)

-- name: source_is_staged
-- Whether staging.records holds anything of the source yet.
SELECT EXISTS (SELECT FROM staging.records WHERE source = :source)

-- name: open_staged_records
-- Temporary: what touched records are to become, in the columns of staging.records. One table
-- serves all sources of a run: to make it costs more than a few records do.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_records (LIKE staging.records INCLUDING DEFAULTS)
    ON COMMIT DROP;
ALTER TABLE pg_temp.staged_records ALTER record_id DROP NOT NULL

-- name: empty_staged_records
-- Ready for the next source. For a few rows this is half the price of TRUNCATE.
DELETE FROM pg_temp.staged_records

-- name: drop_staged_records
-- The same for many rows, which would be read again as dead ones.
DROP TABLE pg_temp.staged_records

-- name: stage_deletions
-- A record whose last version is a delete marker becomes a tombstone without values.
INSERT INTO pg_temp.staged_records
    (source, source_record_id, object_id, line_no, event_at, is_deleted, change_seq, run_id)
SELECT :source, source_record_id, object_id, line_no, event_at, true, :change_seq, :run_id
FROM pg_temp.current_rows
WHERE is_deleted

-- name: count_current_rows
-- How many rows of a source are current in its first load, by the ledger: what is not a record among
-- them is a delete marker. There are none as a rule, and then they need not be looked for.
SELECT coalesce(sum(rows_n), 0) - (SELECT count(*) FROM pg_temp.outdated_rows)
FROM raw.lake_objects
WHERE source = :source AND state = 'LOADED'

-- name: stage_first_deletions
-- The same in the first load of a source.
INSERT INTO pg_temp.staged_records
    (source, source_record_id, object_id, line_no, event_at, is_deleted, change_seq, run_id)
SELECT :source, rows.source_record_id, rows.object_id, rows.line_no, rows.event_at, true,
       :change_seq, :run_id
FROM pg_temp.source_rows AS rows
JOIN raw.lake_objects AS objects USING (object_id)
WHERE objects.state = 'LOADED' AND rows.is_deleted
  AND NOT EXISTS (SELECT FROM pg_temp.outdated_rows AS outdated
                  WHERE outdated.object_id = rows.object_id AND outdated.line_no = rows.line_no)

-- name: stage_disappearances_of_touched
-- So does a touched record that no counted object speaks of any more, as after a retraction; it
-- keeps the place where it was last seen. These are few, and found before records are sought.
INSERT INTO pg_temp.staged_records
    (source, source_record_id, object_id, line_no, event_at, is_deleted, change_seq, run_id)
WITH gone AS MATERIALIZED (
    SELECT touched.source_record_id
    FROM pg_temp.touched_records AS touched
    WHERE touched.standing = 'OPEN'
      AND NOT EXISTS (SELECT FROM pg_temp.current_rows AS present
                      WHERE present.source_record_id = touched.source_record_id)
)
SELECT records.source, records.source_record_id, records.object_id, records.line_no,
       records.event_at, true, :change_seq, :run_id
FROM gone
JOIN staging.records AS records USING (source_record_id)
WHERE records.source = :source AND NOT records.is_deleted

-- name: stage_disappearances_of_all
-- The same for any record of the source.
INSERT INTO pg_temp.staged_records
    (source, source_record_id, object_id, line_no, event_at, is_deleted, change_seq, run_id)
SELECT records.source, records.source_record_id, records.object_id, records.line_no,
       records.event_at, true, :change_seq, :run_id
FROM staging.records AS records
WHERE records.source = :source AND NOT records.is_deleted
  AND NOT EXISTS (SELECT FROM pg_temp.current_rows AS present
                  WHERE present.source_record_id = records.source_record_id)

-- name: apply_staged_records
-- Staged records into staging.records: only what changed in content or time gets a number in the
-- change feed; a row that was merely delivered again moves its pointer to raw. Returns the counts.
WITH applied AS (
    MERGE INTO staging.records AS records
    USING pg_temp.staged_records AS staged
       ON records.source = staged.source AND records.source_record_id = staged.source_record_id
    WHEN MATCHED AND (
        records.is_deleted, records.event_at,
        records.full_name, records.given_name, records.middle_name, records.family_name,
        records.email, records.phone, records.date_of_birth, records.gender, records.street,
        records.city, records.region, records.postcode, records.country, records.tax_id,
        records.customer_number, records.organisation, records.extra,
        records.std_name, records.std_given_name, records.std_middle_name,
        records.std_family_name, records.std_name_suffix, records.std_email, records.std_phone,
        records.std_date_of_birth, records.std_gender, records.std_street, records.std_city,
        records.std_region, records.std_postcode, records.std_country, records.std_tax_id,
        records.std_customer_number, records.std_organisation, records.std_extra
    ) IS DISTINCT FROM (
        staged.is_deleted, staged.event_at,
        staged.full_name, staged.given_name, staged.middle_name, staged.family_name,
        staged.email, staged.phone, staged.date_of_birth, staged.gender, staged.street,
        staged.city, staged.region, staged.postcode, staged.country, staged.tax_id,
        staged.customer_number, staged.organisation, staged.extra,
        staged.std_name, staged.std_given_name, staged.std_middle_name,
        staged.std_family_name, staged.std_name_suffix, staged.std_email, staged.std_phone,
        staged.std_date_of_birth, staged.std_gender, staged.std_street, staged.std_city,
        staged.std_region, staged.std_postcode, staged.std_country, staged.std_tax_id,
        staged.std_customer_number, staged.std_organisation, staged.std_extra
    ) THEN UPDATE SET
        object_id = staged.object_id, line_no = staged.line_no, event_at = staged.event_at,
        is_deleted = staged.is_deleted, change_seq = staged.change_seq, run_id = staged.run_id,
        full_name = staged.full_name, given_name = staged.given_name,
        middle_name = staged.middle_name, family_name = staged.family_name,
        email = staged.email, phone = staged.phone, date_of_birth = staged.date_of_birth,
        gender = staged.gender, street = staged.street, city = staged.city,
        region = staged.region, postcode = staged.postcode, country = staged.country,
        tax_id = staged.tax_id, customer_number = staged.customer_number,
        organisation = staged.organisation, extra = staged.extra,
        std_name = staged.std_name, std_given_name = staged.std_given_name,
        std_middle_name = staged.std_middle_name, std_family_name = staged.std_family_name,
        std_name_suffix = staged.std_name_suffix, std_email = staged.std_email,
        std_phone = staged.std_phone, std_date_of_birth = staged.std_date_of_birth,
        std_gender = staged.std_gender, std_street = staged.std_street,
        std_city = staged.std_city, std_region = staged.std_region,
        std_postcode = staged.std_postcode, std_country = staged.std_country,
        std_tax_id = staged.std_tax_id, std_customer_number = staged.std_customer_number,
        std_organisation = staged.std_organisation, std_extra = staged.std_extra
    WHEN MATCHED AND (records.object_id, records.line_no)
                     IS DISTINCT FROM (staged.object_id, staged.line_no)
        THEN UPDATE SET object_id = staged.object_id, line_no = staged.line_no
    WHEN NOT MATCHED THEN INSERT (
        source, source_record_id, object_id, line_no, event_at, is_deleted, change_seq, run_id,
        full_name, given_name, middle_name, family_name, email, phone, date_of_birth, gender,
        street, city, region, postcode, country, tax_id, customer_number, organisation, extra,
        std_name, std_given_name, std_middle_name, std_family_name, std_name_suffix, std_email,
        std_phone, std_date_of_birth, std_gender, std_street, std_city, std_region, std_postcode,
        std_country, std_tax_id, std_customer_number, std_organisation, std_extra
    ) VALUES (
        staged.source, staged.source_record_id, staged.object_id, staged.line_no,
        staged.event_at, staged.is_deleted, staged.change_seq, staged.run_id,
        staged.full_name, staged.given_name, staged.middle_name, staged.family_name,
        staged.email, staged.phone, staged.date_of_birth, staged.gender, staged.street,
        staged.city, staged.region, staged.postcode, staged.country, staged.tax_id,
        staged.customer_number, staged.organisation, staged.extra,
        staged.std_name, staged.std_given_name, staged.std_middle_name,
        staged.std_family_name, staged.std_name_suffix, staged.std_email, staged.std_phone,
        staged.std_date_of_birth, staged.std_gender, staged.std_street, staged.std_city,
        staged.std_region, staged.std_postcode, staged.std_country, staged.std_tax_id,
        staged.std_customer_number, staged.std_organisation, staged.std_extra
    )
    RETURNING merge_action() AS action, records.is_deleted,
              records.change_seq = :change_seq AS is_in_feed
)
SELECT count(*) FILTER (WHERE action = 'INSERT' AND NOT is_deleted) AS inserted,
       count(*) FILTER (WHERE action = 'UPDATE' AND NOT is_deleted AND is_in_feed) AS updated,
       count(*) FILTER (WHERE is_deleted AND is_in_feed) AS deleted,
       count(*) FILTER (WHERE NOT is_in_feed) AS moved
FROM applied

-- name: consume_objects
-- The ledger: the changed objects have reached staging in their present state.
INSERT INTO staging.staged_objects AS staged (object_id, state, run_id)
SELECT object_id, state, :run_id
FROM pg_temp.changed_objects
ON CONFLICT (object_id) DO UPDATE
SET state = excluded.state, run_id = excluded.run_id
WHERE staged.state <> excluded.state

-- name: mark_rules
-- By which rules the source is staged now. (It consumes no feed: the number is of no meaning.)
INSERT INTO staging.volatile_marker AS marker (layer, change_seq, run_id, config_hash)
VALUES (:layer, 0, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET run_id = excluded.run_id, config_hash = excluded.config_hash
WHERE marker.config_hash IS DISTINCT FROM excluded.config_hash

-- name: count_outcomes
-- The outcomes of the run per source and attribute, from a JSON list of them.
INSERT INTO ops.standardisation_counts AS counts (run_id, source, attribute, outcome, n)
SELECT :run_id, :source, found.attribute, found.outcome, found.n
FROM jsonb_to_recordset(CAST(:counts AS jsonb)) AS found (attribute text, outcome text, n bigint)
ON CONFLICT (run_id, source, attribute, outcome) DO UPDATE SET n = counts.n + excluded.n
