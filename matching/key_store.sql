-- Where blocking keys are kept between runs.

-- name: select_keys
-- For COPY: the stored arrays of one rule, oldest first.
SELECT k.change_seq, CAST(k.entries_n AS bigint) AS entries_n, CAST(k.bucket_bits AS bigint) AS bucket_bits,
       k.keys, k.profile_ids
FROM staging.blocking_keys AS k
WHERE k.rule_id = %(rule_id)s AND k.is_refined = %(refined)s
ORDER BY k.change_seq, k.part

-- name: find_entries
-- For COPY: the entries of the wanted buckets of a rule, in one value.
SELECT coalesce(string_agg(b.entries, ''), '') AS entries
FROM staging.blocking_key_buckets AS b
WHERE b.rule_id = %(rule_id)s AND b.bucket = ANY (CAST(%(buckets)s AS integer[]))

-- name: select_entries
-- For COPY: all entries of a rule that are in buckets, in values far below what a value may hold.
SELECT string_agg(b.entries, '') AS entries
FROM staging.blocking_key_buckets AS b
WHERE b.rule_id = %(rule_id)s
GROUP BY b.bucket >> 14

-- name: clear
-- Forget all keys. An index made after its rows costs a fraction of one kept up to date.
TRUNCATE staging.blocking_keys, staging.blocking_key_buckets;
DROP INDEX staging.blocking_key_buckets_bucket;

-- name: create_index
-- By it a night finds the keys of its profiles.
CREATE UNIQUE INDEX blocking_key_buckets_bucket ON staging.blocking_key_buckets (rule_id, bucket);

-- name: forget
-- Forget the keys of one rule.
DELETE FROM staging.blocking_keys WHERE rule_id = :rule_id AND is_refined = :refined;
DELETE FROM staging.blocking_key_buckets WHERE rule_id = :rule_id AND NOT :refined;
