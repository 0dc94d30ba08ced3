-- How many records a source has follows from what it had and what came.

ALTER TABLE gold.source_volumes ADD COLUMN record_n bigint;
COMMENT ON COLUMN gold.source_volumes.record_n IS 'Its records, the deleted ones too, as of that publication (NULL: not counted yet).';

CREATE INDEX records_deleted ON staging.records (source) WHERE is_deleted;
COMMENT ON INDEX staging.records_deleted IS 'Deleted records are few; all others of a source live.';

COMMENT ON COLUMN gold.layer_state.marks IS 'golden: change_seq, record_id (the newest record that the volumes of sources count), identity_event_id, identity_run_id, override_id, digest of the rules, as_of. history, events: change_id. conflicts: touched_id, and open: conflicts by attribute. enrichment: touched_id. metrics, review: signature of what they were made from; metrics also matches (the pairs that were counted last) and event_seq (the last event that the figures of customers tell); review also beyond: how many waited that the queue had no room for.';
