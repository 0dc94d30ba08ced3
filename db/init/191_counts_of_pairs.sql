-- Matching counts what it writes: it knows each pair that it moves, so nothing has to watch the table.

DROP TRIGGER count_came ON staging.identity_match_candidates;
DROP TRIGGER count_went ON staging.identity_match_candidates;
DROP TRIGGER count_as_was ON staging.identity_match_candidates;
DROP TRIGGER count_as_is ON staging.identity_match_candidates;
DROP TRIGGER count_none ON staging.identity_match_candidates;
DROP FUNCTION staging.count_moved_pairs();

TRUNCATE staging.scored_pair_counts;
ALTER TABLE staging.scored_pair_counts DROP COLUMN is_gone, ADD PRIMARY KEY (decision, band);
INSERT INTO staging.scored_pair_counts
    (decision, band, pair_n, probability_sum, weight_sum, lowest, lowest_n, highest, highest_n)
SELECT e.decision, e.band, count(*), sum(CAST(e.match_probability AS double precision)),
       sum(CAST(e.match_weight AS double precision)), e.lowest,
       count(*) FILTER (WHERE e.match_probability = e.lowest), e.highest,
       count(*) FILTER (WHERE e.match_probability = e.highest)
FROM (SELECT p.decision, staging.probability_band(p.match_probability) AS band, p.match_probability, p.match_weight,
             min(p.match_probability) OVER in_band AS lowest, max(p.match_probability) OVER in_band AS highest
      FROM staging.identity_match_candidates AS p
      WINDOW in_band AS (PARTITION BY p.decision, staging.probability_band(p.match_probability))) AS e
GROUP BY e.decision, e.band, e.lowest, e.highest;
COMMENT ON TABLE staging.scored_pair_counts IS 'How scored pairs are distributed: one row per decision and band of probability that has any. Writer: matching.';
COMMENT ON COLUMN staging.scored_pair_counts.lowest_n IS 'How many pairs have the lowest probability of these: when the last of them goes, the next is sought.';
COMMENT ON COLUMN staging.scored_pair_counts.highest_n IS 'The same of the highest probability.';
