CREATE UNLOGGED TABLE staging.blocking_rules (
    rule_id  smallint PRIMARY KEY,
    name     text NOT NULL UNIQUE,
    keys_n   bigint NOT NULL,
    blocks_n bigint NOT NULL,
    pairs_n  bigint NOT NULL,
    new_pairs_n bigint NOT NULL
);
COMMENT ON TABLE staging.blocking_rules IS 'The blocking rules in their order, with keys, blocks of two or more, pairs and pairs no earlier rule found. Writer: matching (blocking).';

CREATE UNLOGGED TABLE staging.oversized_blocks (
    rule_id    smallint NOT NULL,
    key        bigint NOT NULL,
    profile_n  bigint NOT NULL,
    pairs_left_out bigint NOT NULL,
    action     text NOT NULL,
    sample_profile_id bigint,
    run_id     bigint NOT NULL,
    PRIMARY KEY (rule_id, key)
);
COMMENT ON TABLE staging.oversized_blocks IS 'One row per block over the cap or the pair budget: what was done about it. Writer: matching (blocking).';

CREATE UNLOGGED TABLE staging.identity_match_candidates_blocked (
    profile_id_l bigint NOT NULL,
    profile_id_r bigint NOT NULL,
    rule_id      smallint NOT NULL
);
COMMENT ON TABLE staging.identity_match_candidates_blocked IS 'One row per candidate pair of profiles (smaller id left) with the first rule that found it. Writer: matching (blocking).';

CREATE UNLOGGED TABLE staging.identity_match_candidates (
    profile_id_l      bigint NOT NULL,
    profile_id_r      bigint NOT NULL,
    rule_id           smallint NOT NULL,
    model_id          integer NOT NULL,
    match_weight      real NOT NULL,
    match_probability real NOT NULL,
    decision          text NOT NULL CHECK (decision IN ('AUTO_MERGE', 'FLAG_REVIEW', 'REJECT')),
    is_vetoed         boolean NOT NULL DEFAULT false,
    levels            smallint[] NOT NULL,
    contributions     real[] NOT NULL,
    CHECK (profile_id_l < profile_id_r)
);
COMMENT ON TABLE staging.identity_match_candidates IS 'One row per scored pair of profiles: weight in bits, probability, decision, and per attribute (in the order of the model) the comparison level and the bits it contributed. Writer: matching.';
COMMENT ON COLUMN staging.identity_match_candidates.is_vetoed IS 'An exact rule (never_match) or hard evidence forbids that the two are ever one customer.';
