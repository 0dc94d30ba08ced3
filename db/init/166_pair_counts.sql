-- How scored pairs are distributed follows the night that moved some of them.

CREATE UNLOGGED TABLE staging.scored_pair_counts (
    decision        text NOT NULL,
    band            smallint NOT NULL,
    is_gone         boolean NOT NULL,
    pair_n          bigint NOT NULL,
    probability_sum double precision NOT NULL,
    weight_sum      double precision NOT NULL,
    lowest          real NOT NULL,
    lowest_n        bigint NOT NULL,
    highest         real NOT NULL,
    highest_n       bigint NOT NULL
);
COMMENT ON TABLE staging.scored_pair_counts IS 'Counts of scored pairs by decision and band of probability: those that came less those that went are all there are. Empty until gold has counted all once; from then on each statement that writes staging.identity_match_candidates adds what it moved, and gold puts the rows together. Writer: triggers of that table; gold (phase 10).';
COMMENT ON COLUMN staging.scored_pair_counts.band IS '1 to 7: from 0, 0.1, 0.5, 0.8, 0.9, 0.95 and 0.99 on.';
COMMENT ON COLUMN staging.scored_pair_counts.is_gone IS 'Whether these pairs went.';
COMMENT ON COLUMN staging.scored_pair_counts.lowest_n IS 'How many of these pairs have the lowest probability among them: at least so many of those that came, at most so many of those that went.';
COMMENT ON COLUMN staging.scored_pair_counts.highest_n IS 'The same of the highest probability.';

CREATE FUNCTION staging.probability_band(probability real) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CAST(width_bucket(probability, CAST('{0,0.1,0.5,0.8,0.9,0.95,0.99}' AS real[])) AS smallint);
COMMENT ON FUNCTION staging.probability_band(real) IS 'The band in which a match probability is counted (staging.scored_pair_counts.band).';

-- Where many pairs share the lowest or highest probability of a band it is 0 or 1, to which real numbers
-- round: these are counted. Elsewhere a bound will do: the next figures count all when it is used up.
CREATE FUNCTION staging.count_moved_pairs() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    went CONSTANT boolean := TG_ARGV[0] = 'went';
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM staging.scored_pair_counts;
        RETURN NULL;
    END IF;
    INSERT INTO staging.scored_pair_counts
    SELECT c.decision, c.band, went, c.pair_n, c.probability_sum, c.weight_sum,
           c.lowest, CASE WHEN c.lowest = 0 THEN c.none_n WHEN went THEN c.pair_n ELSE 1 END,
           c.highest, CASE WHEN c.highest = 1 THEN c.sure_n WHEN went THEN c.pair_n ELSE 1 END
    FROM (SELECT m.decision, staging.probability_band(m.match_probability) AS band, count(*) AS pair_n,
                 sum(CAST(m.match_probability AS double precision)) AS probability_sum,
                 sum(CAST(m.match_weight AS double precision)) AS weight_sum,
                 min(m.match_probability) AS lowest, max(m.match_probability) AS highest,
                 count(*) FILTER (WHERE m.match_probability = 0) AS none_n,
                 count(*) FILTER (WHERE m.match_probability = 1) AS sure_n
          FROM moved AS m
          GROUP BY 1, 2) AS c;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION staging.count_moved_pairs() IS 'Counts the scored pairs that a statement has moved into staging.scored_pair_counts.';

-- Off until gold has counted all pairs once: a first load need not remember each row that it copies.
CREATE TRIGGER count_came AFTER INSERT ON staging.identity_match_candidates
    REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION staging.count_moved_pairs('came');
CREATE TRIGGER count_went AFTER DELETE ON staging.identity_match_candidates
    REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION staging.count_moved_pairs('went');
CREATE TRIGGER count_as_was AFTER UPDATE ON staging.identity_match_candidates
    REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION staging.count_moved_pairs('went');
CREATE TRIGGER count_as_is AFTER UPDATE ON staging.identity_match_candidates
    REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION staging.count_moved_pairs('came');
CREATE TRIGGER count_none AFTER TRUNCATE ON staging.identity_match_candidates
    FOR EACH STATEMENT EXECUTE FUNCTION staging.count_moved_pairs();
ALTER TABLE staging.identity_match_candidates DISABLE TRIGGER USER;
