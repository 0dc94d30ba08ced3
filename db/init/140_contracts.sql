-- Contracts: by which rules an object was judged, which fields it had, and what waits in quarantine.

ALTER TABLE raw.lake_objects ADD COLUMN judged_by text;
COMMENT ON COLUMN raw.lake_objects.judged_by IS 'Digest of the rules that the object was read by: its source''s record id, times, limits and contract. A REJECTED object is read again when they change. NULL: read before this was kept.';
ALTER TABLE raw.lake_objects ADD COLUMN judge_again boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN raw.lake_objects.judge_again IS 'A person asked for it (mdm rejects retry): the next ingestion reads the object anew, whether or not it changed.';
-- What is to be read again is looked for at each run and is nearly always nothing.
CREATE INDEX lake_objects_judge_again ON raw.lake_objects (source) WHERE judge_again;

CREATE TABLE raw.object_fields (
    object_id bigint NOT NULL REFERENCES raw.lake_objects,
    path      text NOT NULL,
    filled_n  bigint NOT NULL,
    records_n bigint NOT NULL,
    PRIMARY KEY (object_id, path),
    CHECK (filled_n BETWEEN 0 AND records_n)
);
COMMENT ON TABLE raw.object_fields IS 'One row per lake object and field (dotted path) that its records have, for sources with a contract. Writer: ingestion.';
COMMENT ON COLUMN raw.object_fields.filled_n IS 'Records of the object in which the field is neither null nor empty.';
COMMENT ON COLUMN raw.object_fields.records_n IS 'Records of the object, those that their contract put into quarantine included; delete markers are none.';

CREATE VIEW raw.source_fields AS
WITH deliveries AS (
    SELECT objects.object_id, objects.source, objects.run_id, objects.loaded_at, watched.records_n,
           objects.run_id = max(objects.run_id) OVER (PARTITION BY objects.source) AS is_newest
    FROM raw.lake_objects AS objects
    JOIN (SELECT object_id, max(records_n) AS records_n
          FROM raw.object_fields GROUP BY object_id) AS watched USING (object_id)
    WHERE objects.state = 'LOADED'
), newest AS (
    SELECT source, sum(records_n) AS records_n FROM deliveries WHERE is_newest GROUP BY source
)
SELECT deliveries.source, fields.path,
       min(deliveries.run_id) AS first_run_id, min(deliveries.loaded_at) AS first_seen_at,
       max(deliveries.run_id) AS last_run_id, max(deliveries.loaded_at) AS last_seen_at,
       NOT bool_or(deliveries.is_newest) AS is_vanished,
       round(coalesce(sum(fields.filled_n) FILTER (WHERE deliveries.is_newest), 0)
             / newest.records_n, 4) AS fill_share
FROM deliveries
JOIN raw.object_fields AS fields USING (object_id)
JOIN newest USING (source)
GROUP BY deliveries.source, fields.path, newest.records_n;
COMMENT ON VIEW raw.source_fields IS 'One row per source with a contract and field that its loaded objects ever had: since which run, until which, how well filled. is_vanished: the newest delivery had it no more.';
COMMENT ON COLUMN raw.source_fields.fill_share IS 'Share of the records of the newest run that delivered in which the field is filled.';

CREATE VIEW raw.quarantine AS
SELECT lines.object_id, lines.line_no, lines.source, objects.object_key, objects.state,
       lines.reason, lines.detail, lines.line, lines.run_id, lines.rejected_at
FROM raw.rejected_lines AS lines
JOIN raw.lake_objects AS objects USING (object_id)
WHERE objects.state IN ('LOADED', 'REJECTED');
COMMENT ON VIEW raw.quarantine IS 'One row per rejected line that still stands: raw.rejected_lines without those of objects that were superseded or retracted since.';
