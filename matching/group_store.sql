-- The groups that scored pairs propose, kept for identity and for the nights to come.

-- name: take_places
-- For COPY: the groups of the profiles of some buckets, which go from the table.
DELETE FROM staging.profile_groups AS b
WHERE b.bucket = ANY (CAST({buckets} AS integer[]))
RETURNING b.bucket, b.group_ids

-- name: drop_groups
-- These are no groups any more, or have changed.
DELETE FROM staging.match_groups AS g WHERE g.group_id = ANY (CAST(:groups AS bigint[]));
