-- Keys and profiles of the long arrays as one number each. What is there was written otherwise; blocking makes it anew.
TRUNCATE staging.blocking_key_buckets;
COMMENT ON COLUMN staging.blocking_key_buckets.entries IS 'Of each key and profile an 8-byte big-endian number, one after the other, in order: its upper half is the key''s upper half (the lower is nought), its lower half the profile id.';

CREATE OR REPLACE VIEW staging.blocking_key_entries AS
SELECT k.rule_id, k.is_refined, CAST(substr(k.keys, 8 * i + 1, 8) AS bigint) AS key,
       CAST(substr(k.profile_ids, 8 * i + 1, 8) AS bigint) AS profile_id
FROM staging.blocking_keys AS k
CROSS JOIN generate_series(0, k.entries_n - 1) AS i
WHERE k.bucket_bits = 0
UNION ALL
SELECT b.rule_id, false, e.entry & -4294967296, e.entry & 4294967295
FROM staging.blocking_key_buckets AS b
CROSS JOIN generate_series(0, length(b.entries) / 8 - 1) AS i
CROSS JOIN LATERAL (SELECT CAST(substr(b.entries, 8 * i + 1, 8) AS bigint) AS entry) AS e;
