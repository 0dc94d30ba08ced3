-- Where blocking keys are kept between runs.

-- name: select_keys
-- For COPY: the stored arrays of one rule, oldest first.
SELECT k.change_seq, k.keys, k.profile_ids
FROM staging.blocking_keys AS k
WHERE k.rule_id = %(rule_id)s AND k.is_refined = %(refined)s
ORDER BY k.change_seq, k.part

-- name: clear
-- Forget all keys.
TRUNCATE staging.blocking_keys;

-- name: forget
-- Forget the keys of one rule.
DELETE FROM staging.blocking_keys WHERE rule_id = :rule_id AND is_refined = :refined;
