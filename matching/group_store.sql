-- The groups that scored pairs propose, kept for identity and for the nights to come.

-- name: select_places
-- For COPY: the groups of the profiles of some buckets.
SELECT b.bucket, b.group_ids
FROM staging.profile_groups AS b
WHERE b.bucket = ANY (CAST({buckets} AS integer[]))

-- name: drop_groups
-- These are no groups any more, or have changed, and with them the groups of the profiles of some buckets.
DELETE FROM staging.match_groups AS g WHERE g.group_id = ANY (CAST(:groups AS bigint[]));
DELETE FROM staging.profile_groups AS b WHERE b.bucket = ANY (CAST(:buckets AS integer[]));
