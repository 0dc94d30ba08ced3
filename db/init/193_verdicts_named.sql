-- Who types a verdict by SQL reads in the error what would have been right.
ALTER TABLE identity.steward_link_decisions
    RENAME CONSTRAINT steward_link_decisions_verdict_check TO verdict_is_same_or_different_or_undo;
