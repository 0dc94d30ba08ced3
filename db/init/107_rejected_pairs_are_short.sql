-- Three of four scored pairs are rejected: what all of them have in common is not sent and not stored.

ALTER TABLE staging.identity_match_candidates
    ALTER COLUMN decision SET DEFAULT 'REJECT',
    ALTER COLUMN levels DROP NOT NULL,
    ALTER COLUMN contributions DROP NOT NULL;
COMMENT ON COLUMN staging.identity_match_candidates.levels IS 'Per attribute, in the order of the model, the comparison level; NULL (or empty) for rejected pairs, which mdm explain compares anew.';
COMMENT ON COLUMN staging.identity_match_candidates.contributions IS 'Per attribute, in the order of the model, the bits that its level contributed, then the correction for related customers; NULL (or empty) for rejected pairs.';
