-- The limit is a step of a ladder, not the size of a block that is there.
COMMENT ON COLUMN staging.blocking_state.largest_block IS 'Blocks of at most so many profiles make candidate pairs.';
