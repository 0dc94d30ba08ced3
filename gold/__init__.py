"""Gold: survivorship, overrides, history, change events, conflicts, metrics, review queue."""
