-- Matching: profiles and candidate pairs in, scored pairs and the model out.

-- name: select_profiles
-- For COPY: every profile in the order of its fingerprint.
SELECT profile_id, fingerprint, given_name, middle_name, family_name, name_suffix, organisation,
       email, phone, date_of_birth, gender, street, city, region, postcode, country, tax_id,
       customer_number, extra
FROM staging.profiles
ORDER BY fingerprint

-- name: select_candidates
-- For COPY: every candidate pair with the rule that found it.
SELECT profile_id_l, profile_id_r, rule_id FROM staging.identity_match_candidates_blocked

-- name: clear
-- Empty the outcome of the last matching.
TRUNCATE staging.identity_match_candidates;

-- name: consumed
-- One row: what matching would work on now, and what it last worked on.
SELECT (SELECT b.change_seq FROM staging.volatile_marker AS b WHERE b.layer = 'blocking')
           AS change_seq,
       (SELECT b.run_id FROM staging.volatile_marker AS b WHERE b.layer = 'blocking') AS blocking_run,
       (SELECT m.model_id FROM ops.match_models AS m WHERE m.is_current) AS model_id,
       (SELECT concat(v.change_seq, ' ', v.config_hash) FROM staging.volatile_marker AS v
        WHERE v.layer = 'matching') AS marker;

-- name: mark
-- Say what matching has worked on.
INSERT INTO staging.volatile_marker (layer, change_seq, run_id, config_hash)
VALUES ('matching', :change_seq, :run_id, :config_hash)
ON CONFLICT (layer) DO UPDATE SET change_seq = excluded.change_seq, run_id = excluded.run_id,
    config_hash = excluded.config_hash;
