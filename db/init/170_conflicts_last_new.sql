-- A conflict that stays as it is is not written over, however often its customer is rebuilt.

COMMENT ON COLUMN gold.customer_attribute_conflicts.last_seen_at IS 'as_of of the last run that found something new in it: these values, or this winner.';
COMMENT ON COLUMN gold.customer_attribute_conflicts.run_id IS 'The run that last changed this row.';
