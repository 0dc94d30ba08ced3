-- A night's figures and questions follow what it changed.

COMMENT ON COLUMN gold.layer_state.marks IS 'golden: change_seq, identity_event_id, identity_run_id, override_id, digest of the rules, as_of. history, events: change_id. conflicts: touched_id, and open: conflicts by attribute. enrichment: touched_id. metrics, review: signature of what they were made from; metrics also matches (the pairs that were counted last) and event_seq (the last event that the figures of customers tell); review also beyond: how many waited that the queue had no room for.';
