-- How scored pairs are distributed, kept by whoever moves them.

-- name: select_counts
-- One row per decision and band, as they were left.
SELECT c.decision, c.band, c.pair_n, c.probability_sum, c.weight_sum, c.lowest, c.lowest_n, c.highest,
       c.highest_n
FROM staging.scored_pair_counts AS c;

-- name: select_edges
-- The lowest and the highest probability of a decision between two, and how many pairs have them: one
-- row. For a band of which the known ones went.
SELECT e.lowest, e.highest,
       (SELECT count(*) FROM staging.identity_match_candidates AS p
        WHERE p.decision = :decision AND p.match_probability = e.lowest) AS lowest_n,
       (SELECT count(*) FROM staging.identity_match_candidates AS p
        WHERE p.decision = :decision AND p.match_probability = e.highest) AS highest_n
FROM (SELECT min(p.match_probability) AS lowest, max(p.match_probability) AS highest
      FROM staging.identity_match_candidates AS p
      WHERE p.decision = :decision AND staging.probability_band(p.match_probability) = :band) AS e;

-- name: forget_counts
-- Room for the new ones.
DELETE FROM staging.scored_pair_counts;

-- name: insert_count
-- One decision and band.
INSERT INTO staging.scored_pair_counts
    (decision, band, pair_n, probability_sum, weight_sum, lowest, lowest_n, highest, highest_n)
VALUES (:decision, :band, :pair_n, :probability_sum, :weight_sum, :lowest, :lowest_n, :highest, :highest_n);
