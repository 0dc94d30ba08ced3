-- One steward decision costs what it touches, however many customers there are.

-- Rows of one run lie together, and who asks wants those of the newest: a few ranges of the table say
-- where these are, at a fortieth of the size of a B-tree and without a search per row written.
CREATE INDEX customer_identity_map_run ON identity.customer_identity_map
    USING brin (run_id) WITH (pages_per_range = 32);

COMMENT ON TABLE gold.data_quality_metrics IS 'Golden customers per run and attribute: how many have a value, an open conflict, an override. Written whenever a delivery, a model or an override has changed gold, or stewards have moved one customer in a thousand since the last figures. Writer: gold (phase 10).';
COMMENT ON COLUMN gold.layer_state.marks IS 'golden: change_seq, identity_event_id, identity_run_id, override_id, digest of the rules, as_of. history, events: change_id. conflicts, enrichment: touched_id. metrics, review: signature of what they were made from; review also beyond: how many waited that the queue had no room for.';
