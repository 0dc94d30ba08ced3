-- name: current
-- The pinned model, if there is one.
SELECT model_id, version, kind, parameters, data_profile, chosen_by
FROM ops.match_models
WHERE is_current

-- name: list_all
-- Every model, the newest first, with what it was learnt from.
SELECT model_id, version, kind, created_at, run_id, code_version, is_current, chosen_by, data_profile
FROM ops.match_models
ORDER BY model_id DESC

-- name: find
-- Models whose version begins so.
SELECT model_id, version, kind, parameters, is_current
FROM ops.match_models
WHERE starts_with(version, :version)
ORDER BY model_id

-- name: unpin
-- No model is the current one.
UPDATE ops.match_models SET is_current = false WHERE is_current

-- name: pin
-- Make a model the one that runs use.
UPDATE ops.match_models SET is_current = true, chosen_by = :chosen_by WHERE model_id = :model_id

-- name: insert
-- One new model, pinned; gives its id.
INSERT INTO ops.match_models
    (version, kind, run_id, code_version, parameters, data_profile, is_current, chosen_by)
VALUES (:version, :kind, :run_id, :code_version, CAST(:parameters AS jsonb),
        CAST(:data_profile AS jsonb), true, :chosen_by)
RETURNING model_id
