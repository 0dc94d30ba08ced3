-- Who chose a model. A model nobody chose and that was learnt from little is provisional: it is
-- learnt anew as data come in, so that the first ten records do not decide about the next million.
ALTER TABLE ops.match_models ADD COLUMN chosen_by text;
COMMENT ON COLUMN ops.match_models.chosen_by IS 'Who pinned it by mdm train or mdm models use; NULL where a run trained and pinned it by itself.';
