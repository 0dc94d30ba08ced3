-- Reading staging.match_groups, packed as it is.

-- name: select_all
-- For COPY: the pairs of all groups, in parts of a size that a value may have.
SELECT string_agg(g.pairs, '') FROM staging.match_groups AS g GROUP BY g.group_id >> 22, g.part

-- name: select_of_profiles
-- For COPY: the pairs of the groups of some profiles, in parts as above. (The server puts the array of
-- groups in order and walks the index along it.)
SELECT string_agg(g.pairs, '')
FROM staging.match_groups AS g
WHERE g.group_id = ANY (ARRAY(
    SELECT DISTINCT CAST(substr(b.group_ids, CAST(8 * (p.id & 127) + 1 AS integer), 8) AS bigint)
    FROM unnest(CAST({profiles} AS bigint[])) AS p (id)
    JOIN staging.profile_groups AS b ON b.bucket = p.id >> 7))
GROUP BY g.group_id >> 22, g.part
