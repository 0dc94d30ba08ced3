-- Enrichment remembers, like every layer of gold, how far in its inputs it has come.

ALTER TABLE gold.layer_state DROP CONSTRAINT layer_state_layer_check;
ALTER TABLE gold.layer_state ADD CONSTRAINT layer_state_layer_check
    CHECK (layer IN ('golden', 'history', 'events', 'conflicts', 'metrics', 'review', 'enrichment'));
COMMENT ON COLUMN gold.layer_state.marks IS 'golden: change_seq, identity_event_id, identity_run_id, override_id, digest of the rules, as_of. history, events: change_id. conflicts, enrichment: touched_id. metrics, review: signature of what they were made from.';
