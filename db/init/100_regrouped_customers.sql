-- What a night tells the next phase, so that it looks at what may have changed and at no more.

ALTER TABLE staging.rescored_profiles ADD COLUMN may_regroup boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN staging.rescored_profiles.may_regroup IS 'Whether that may change which profiles are one customer. Not where all that is new is that a profile which came, or went, is or was another person: what came is looked at anyway, and what it is not part of stays as it is.';

ALTER TABLE identity.customer_clusters ADD COLUMN run_id bigint;
COMMENT ON COLUMN identity.customer_clusters.run_id IS 'Run that wrote or last changed the row: a confidence can change while no record moves, and gold repeats it. NULL: before runs were kept here.';
-- Rows of one run lie together; see customer_identity_map_run.
CREATE INDEX customer_clusters_run ON identity.customer_clusters
    USING brin (run_id) WITH (pages_per_range = 32);
