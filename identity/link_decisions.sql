-- The words of stewards on who is who. All checks are the table's own, so psql is as safe as this.

-- name: insert_decision
-- One decision on two sides, each a record or a customer; the row as the database completed it.
INSERT INTO identity.steward_link_decisions (
    verdict, source_l, source_record_id_l, customer_l, source_r, source_record_id_r, customer_r,
    steward, reason)
VALUES (:verdict, :source_l, :record_l, :customer_l, :source_r, :record_r, :customer_r,
        :steward, :reason)
RETURNING decision_id, verdict, source_l, source_record_id_l, source_r, source_record_id_r,
          steward, reason, decided_at, undoes;

-- name: insert_undo
-- The undoing of one decision; the row as the database completed it.
INSERT INTO identity.steward_link_decisions (undoes, steward, reason)
VALUES (:decision_id, :steward, :reason)
RETURNING decision_id, verdict, source_l, source_record_id_l, source_r, source_record_id_r,
          steward, reason, decided_at, undoes;

-- name: live_decisions
-- The decisions that hold, in the order they were taken.
SELECT d.decision_id, d.verdict, d.source_l, d.source_record_id_l, d.source_r,
       d.source_record_id_r, d.steward, d.reason, d.decided_at, CAST(NULL AS bigint) AS undoes
FROM identity.live_link_decisions AS d
ORDER BY d.decision_id;
