-- Who is who, for life. Nothing here is UNLOGGED: ids are published, stewards have spoken, and
-- neither can be recomputed from the layers before.

CREATE TABLE identity.customers (
    global_customer_id uuid PRIMARY KEY DEFAULT uuidv7(),
    -- The age of an id, as a strict order: ids made in one statement share created_at.
    customer_seq       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- LIVE -> MERGED (redirects) | DELETED (its last record went).
    -- DELETED -> LIVE when a record comes back; MERGED -> LIVE when the merge is undone.
    state              text NOT NULL DEFAULT 'LIVE' CHECK (state IN ('LIVE', 'MERGED', 'DELETED')),
    merged_into        uuid REFERENCES identity.customers,
    created_at         timestamptz NOT NULL,
    created_run_id     bigint NOT NULL,
    ended_at           timestamptz,
    ended_run_id       bigint,
    -- A redirect without a target, or a living id with one, would make resolve() lie.
    CHECK ((state = 'MERGED') = (merged_into IS NOT NULL)),
    CHECK (merged_into <> global_customer_id),
    CHECK ((state = 'LIVE') = (ended_at IS NULL)),
    CHECK ((ended_at IS NULL) = (ended_run_id IS NULL))
);
-- Finds the redirects to shorten when their target is merged in turn.
CREATE INDEX customers_merged_into ON identity.customers (merged_into) WHERE merged_into IS NOT NULL;
COMMENT ON TABLE identity.customers IS 'One row per global customer id ever published; rows are never removed. Writer: identity.';
COMMENT ON COLUMN identity.customers.customer_seq IS 'Order of birth: of several ids that merge, the one with the smallest survives.';
COMMENT ON COLUMN identity.customers.merged_into IS 'Where a MERGED id redirects. Kept path-compressed: never itself MERGED.';
COMMENT ON COLUMN identity.customers.ended_at IS 'as_of of the run that merged or deleted it; NULL while it lives.';

CREATE TABLE identity.customer_identity_map (
    record_id          bigint PRIMARY KEY,
    profile_id         bigint NOT NULL,
    global_customer_id uuid NOT NULL,
    first_customer_id  uuid NOT NULL,
    linked_at          timestamptz NOT NULL,
    run_id             bigint NOT NULL,
    match_confidence   real NOT NULL CHECK (match_confidence BETWEEN 0 AND 1),
    -- What holds the record in its customer, strongest first. Closed, because gold counts by it.
    decision           text NOT NULL
        CHECK (decision IN ('SINGLETON', 'SAME_PROFILE', 'STEWARD', 'AUTO_MERGE', 'FLAG_REVIEW')),
    source             text NOT NULL,
    source_record_id   text NOT NULL,
    -- The column that tells rows apart comes first: the index of a million rows sorts twice as fast.
    UNIQUE (source_record_id, source)
);
-- No foreign key to identity.customers: a million checks per load for what `mdm check` proves at
-- the end of every run.
CREATE INDEX customer_identity_map_customer ON identity.customer_identity_map (global_customer_id);
COMMENT ON TABLE identity.customer_identity_map IS 'The crosswalk: one row per live source record with its global customer id. Writer: identity.';
COMMENT ON COLUMN identity.customer_identity_map.first_customer_id IS 'The id the record was first published under: when a merge is undone, the part gets its former id back.';
COMMENT ON COLUMN identity.customer_identity_map.match_confidence IS 'Probability of the best link between the record and the rest of its customer; 1 where there is no other profile.';
COMMENT ON COLUMN identity.customer_identity_map.decision IS 'SINGLETON: the only record. SAME_PROFILE: the others have equal data. STEWARD: a steward said SAME. AUTO_MERGE: the model. FLAG_REVIEW: a doubtful pair, only with merge_flagged = true.';
COMMENT ON COLUMN identity.customer_identity_map.linked_at IS 'as_of of the run that put the record into its present customer.';
COMMENT ON COLUMN identity.customer_identity_map.run_id IS 'The run that last changed this row.';

CREATE TABLE identity.retired_records (
    source             text NOT NULL,
    source_record_id   text NOT NULL,
    global_customer_id uuid NOT NULL REFERENCES identity.customers,
    first_customer_id  uuid NOT NULL REFERENCES identity.customers,
    retired_at         timestamptz NOT NULL,
    run_id             bigint NOT NULL,
    PRIMARY KEY (source, source_record_id)
);
COMMENT ON TABLE identity.retired_records IS 'One row per deleted or retracted source record with the last id it had, so that what comes back gets its id back. Writer: identity.';

CREATE TABLE identity.identity_events (
    event_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id              bigint NOT NULL,
    event_type          text NOT NULL
        CHECK (event_type IN ('MERGE', 'SPLIT', 'MOVE', 'DELETE', 'RESURRECT')),
    global_customer_id  uuid NOT NULL REFERENCES identity.customers,
    related_customer_id uuid REFERENCES identity.customers,
    record_n            bigint NOT NULL CHECK (record_n >= 0),
    cause               text NOT NULL
        CHECK (cause IN ('new evidence', 'evidence gone', 'steward', 'model change', 'retraction', 'deletion')),
    detail              jsonb NOT NULL DEFAULT '{}',
    occurred_at         timestamptz NOT NULL,
    -- The three that tell of two customers name both; the two that tell of one name one.
    CHECK ((event_type IN ('MERGE', 'SPLIT', 'MOVE')) = (related_customer_id IS NOT NULL)),
    CHECK (related_customer_id <> global_customer_id)
);
CREATE INDEX identity_events_customer ON identity.identity_events (global_customer_id);
CREATE INDEX identity_events_related ON identity.identity_events (related_customer_id);
CREATE INDEX identity_events_run ON identity.identity_events (run_id);
COMMENT ON TABLE identity.identity_events IS 'One row per thing that happened to a published id, in order of event_id. Births are in identity.customers. Writer: identity.';
COMMENT ON COLUMN identity.identity_events.global_customer_id IS 'MERGE: the id that ended. SPLIT, MOVE: the id that lost records. DELETE, RESURRECT: the id.';
COMMENT ON COLUMN identity.identity_events.related_customer_id IS 'MERGE: the survivor. SPLIT: the id of the part that left. MOVE: the id that got the records.';
COMMENT ON COLUMN identity.identity_events.record_n IS 'Source records that changed hands, went, or came back.';

CREATE TABLE identity.customer_clusters (
    global_customer_id  uuid PRIMARY KEY,
    profile_n           integer NOT NULL CHECK (profile_n > 1),
    record_n            integer NOT NULL CHECK (record_n > 1),
    confidence          real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    weakest_profile_l   bigint,
    weakest_profile_r   bigint,
    weakest_probability real CHECK (weakest_probability BETWEEN 0 AND 1)
);
COMMENT ON TABLE identity.customer_clusters IS 'One row per live customer made of more than one profile: how well it holds together. Writer: identity.';
COMMENT ON COLUMN identity.customer_clusters.confidence IS 'Probability by the mean evidence of the weakest merge that built it; 1 where stewards alone hold it together.';
COMMENT ON COLUMN identity.customer_clusters.weakest_profile_l IS 'With weakest_profile_r the weakest pair of its strongest spanning tree: where a cut is cheapest. NULL where stewards alone hold it together.';

CREATE TABLE identity.consumption (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    change_seq     bigint NOT NULL,
    decision_id    bigint NOT NULL,
    layers         text NOT NULL,
    signature      text NOT NULL,
    rules          text NOT NULL,
    merges_flagged boolean NOT NULL,
    run_id         bigint NOT NULL
);
COMMENT ON TABLE identity.consumption IS 'What the present ids were made from, in one row: a run that finds the same has nothing to do. Writer: identity.';
COMMENT ON COLUMN identity.consumption.layers IS 'State of the layers before alone, as their markers told it: when it is the same, only stewards can have changed anything.';
COMMENT ON COLUMN identity.consumption.signature IS 'State of the layers before, steward decisions and rules. Equal signature, equal customers.';
COMMENT ON COLUMN identity.consumption.rules IS 'Digest of model, thresholds and clustering rules alone: tells a model change from new evidence.';

-- Steward link decisions -----------------------------------------------------------------------

CREATE TABLE identity.steward_link_decisions (
    decision_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verdict            text NOT NULL CHECK (verdict IN ('SAME', 'DIFFERENT', 'UNDO')),
    source_l           text NOT NULL,
    source_record_id_l text NOT NULL,
    source_r           text NOT NULL,
    source_record_id_r text NOT NULL,
    customer_l         uuid,
    customer_r         uuid,
    steward            text NOT NULL CHECK (btrim(steward) <> ''),
    reason             text NOT NULL CHECK (btrim(reason) <> ''),
    decided_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- An undo is a further row; a decision can be undone once, then be taken anew.
    undoes             bigint UNIQUE REFERENCES identity.steward_link_decisions,
    CHECK ((verdict = 'UNDO') = (undoes IS NOT NULL)),
    CHECK ((source_l, source_record_id_l) <> (source_r, source_record_id_r))
);
CREATE INDEX steward_link_decisions_l ON identity.steward_link_decisions (source_l, source_record_id_l);
CREATE INDEX steward_link_decisions_r ON identity.steward_link_decisions (source_r, source_record_id_r);
COMMENT ON TABLE identity.steward_link_decisions IS 'One row per word of a steward on two records: SAME or DIFFERENT, or UNDO of an earlier row. Append-only; checked on insert. Writer: stewards, by SQL or mdm link / unlink / undo.';
COMMENT ON COLUMN identity.steward_link_decisions.source_l IS 'With source_record_id_l one of the two records; stored smaller first. May be left out when customer_l is given.';
COMMENT ON COLUMN identity.steward_link_decisions.customer_l IS 'The customer the steward named instead of a record, or NULL; the decision holds for its first record.';
COMMENT ON COLUMN identity.steward_link_decisions.undoes IS 'With verdict UNDO: the decision that no longer holds. The records are filled in from it.';

CREATE VIEW identity.live_link_decisions AS
SELECT d.decision_id, d.verdict, d.source_l, d.source_record_id_l, d.source_r,
       d.source_record_id_r, d.steward, d.reason, d.decided_at
FROM identity.steward_link_decisions AS d
WHERE d.verdict <> 'UNDO'
  AND NOT EXISTS (SELECT FROM identity.steward_link_decisions AS u WHERE u.undoes = d.decision_id);
COMMENT ON VIEW identity.live_link_decisions IS 'The steward decisions that hold: one row per pair of records at most.';

CREATE FUNCTION identity.resolve(id uuid) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE STRICT
RETURN (SELECT CASE c.state WHEN 'LIVE' THEN c.global_customer_id
                            WHEN 'MERGED' THEN t.global_customer_id END
        FROM identity.customers AS c
        LEFT JOIN identity.customers AS t
               ON t.global_customer_id = c.merged_into AND t.state = 'LIVE'
        WHERE c.global_customer_id = id);
COMMENT ON FUNCTION identity.resolve(uuid) IS 'The live customer an id ever published stands for today. NULL for an id never published, and for one whose customer is deleted (until it comes back).';

CREATE FUNCTION identity.first_record(customer uuid, OUT source text, OUT source_record_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT m.source, m.source_record_id
    FROM identity.customer_identity_map AS m
    WHERE m.global_customer_id = identity.resolve(customer)
    ORDER BY m.source COLLATE "C", m.source_record_id COLLATE "C"
    LIMIT 1;
END;
COMMENT ON FUNCTION identity.first_record(uuid) IS 'The first record of a customer in the order of source and source_record_id: the one a decision on the customer is kept by.';

CREATE FUNCTION identity.same_chain(
    from_source text, from_record text, to_source text, to_record text
) RETURNS text
LANGUAGE plpgsql STABLE AS $$
-- Breadth first, so the chain shown is a shortest one; a recursive query that carries its path
-- would walk every path of a densely linked group.
DECLARE
    sources  text[] := ARRAY[from_source];
    records  text[] := ARRAY[from_record];
    parents  integer[] := ARRAY[0];
    decided  bigint[] := ARRAY[0];
    at       integer := 1;
    link     record;
    chain    text;
BEGIN
    WHILE at <= cardinality(sources) LOOP
        IF sources[at] = to_source AND records[at] = to_record THEN
            chain := format('%s:%s', sources[at], records[at]);
            WHILE parents[at] > 0 LOOP
                chain := format('%s:%s = (decision %s) %s', sources[parents[at]],
                                records[parents[at]], decided[at], chain);
                at := parents[at];
            END LOOP;
            RETURN chain;
        END IF;
        FOR link IN
            SELECT d.decision_id, d.source_r AS source, d.source_record_id_r AS record
            FROM identity.live_link_decisions AS d
            WHERE d.verdict = 'SAME'
              AND d.source_l = sources[at] AND d.source_record_id_l = records[at]
            UNION ALL
            SELECT d.decision_id, d.source_l, d.source_record_id_l
            FROM identity.live_link_decisions AS d
            WHERE d.verdict = 'SAME'
              AND d.source_r = sources[at] AND d.source_record_id_r = records[at]
            ORDER BY decision_id
        LOOP
            IF NOT EXISTS (
                SELECT FROM unnest(sources, records) AS seen (source, record)
                WHERE seen.source = link.source AND seen.record = link.record
            ) THEN
                sources := sources || link.source;
                records := records || link.record;
                parents := parents || at;
                decided := decided || link.decision_id;
            END IF;
        END LOOP;
        at := at + 1;
    END LOOP;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION identity.same_chain(text, text, text, text) IS 'The shortest chain of live SAME decisions from one record to another, as text for people; NULL when there is none.';

CREATE FUNCTION identity.same_group(of_source text, of_record text)
RETURNS TABLE (source text, source_record_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH RECURSIVE same_links AS (
        SELECT d.source_l AS source_a, d.source_record_id_l AS record_a,
               d.source_r AS source_b, d.source_record_id_r AS record_b
        FROM identity.live_link_decisions AS d WHERE d.verdict = 'SAME'
        UNION ALL
        SELECT d.source_r, d.source_record_id_r, d.source_l, d.source_record_id_l
        FROM identity.live_link_decisions AS d WHERE d.verdict = 'SAME'
    ), reached (source, source_record_id) AS (
        SELECT of_source, of_record
        UNION
        SELECT s.source_b, s.record_b
        FROM reached AS r
        JOIN same_links AS s ON s.source_a = r.source AND s.record_a = r.source_record_id
    )
    SELECT r.source, r.source_record_id FROM reached AS r;
END;
COMMENT ON FUNCTION identity.same_group(text, text) IS 'The record and all that live SAME decisions join to it, directly or through others.';

CREATE FUNCTION identity.check_link_decision() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    earlier identity.steward_link_decisions;
    swapped identity.steward_link_decisions;
    clash   record;
    chain   text;
BEGIN
    -- Two stewards at once could each be right alone and contradict each other together. Not LOCK
    -- TABLE: both would hold the weaker lock of INSERT already and wait for each other for ever.
    PERFORM pg_advisory_xact_lock(hashtext('identity.steward_link_decisions'));

    IF NEW.undoes IS NOT NULL THEN
        NEW.verdict := coalesce(NEW.verdict, 'UNDO');
        SELECT * INTO earlier FROM identity.steward_link_decisions WHERE decision_id = NEW.undoes;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'there is no link decision % to undo', NEW.undoes
                USING ERRCODE = 'foreign_key_violation';
        ELSIF earlier.verdict = 'UNDO' THEN
            RAISE EXCEPTION 'decision % is itself an undo; decide anew instead', NEW.undoes
                USING ERRCODE = 'check_violation';
        ELSIF EXISTS (SELECT FROM identity.steward_link_decisions WHERE undoes = NEW.undoes) THEN
            RAISE EXCEPTION 'decision % is already undone', NEW.undoes
                USING ERRCODE = 'unique_violation';
        END IF;
        NEW.source_l := earlier.source_l;
        NEW.source_record_id_l := earlier.source_record_id_l;
        NEW.source_r := earlier.source_r;
        NEW.source_record_id_r := earlier.source_record_id_r;
        NEW.customer_l := earlier.customer_l;
        NEW.customer_r := earlier.customer_r;
        RETURN NEW;
    END IF;

    -- A customer's id may move on; its records do not. So decisions are kept by record.
    IF NEW.customer_l IS NOT NULL AND NEW.source_record_id_l IS NULL THEN
        SELECT o.source, o.source_record_id INTO NEW.source_l, NEW.source_record_id_l
        FROM identity.first_record(NEW.customer_l) AS o;
    END IF;
    IF NEW.customer_r IS NOT NULL AND NEW.source_record_id_r IS NULL THEN
        SELECT o.source, o.source_record_id INTO NEW.source_r, NEW.source_record_id_r
        FROM identity.first_record(NEW.customer_r) AS o;
    END IF;
    IF NEW.source_record_id_l IS NULL OR NEW.source_record_id_r IS NULL THEN
        RAISE EXCEPTION 'the % side names no living customer and no record',
            CASE WHEN NEW.source_record_id_l IS NULL THEN 'left' ELSE 'right' END
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'Give source and source_record_id, or a customer that identity.resolve() knows.';
    END IF;
    IF (NEW.source_l, NEW.source_record_id_l) = (NEW.source_r, NEW.source_record_id_r) THEN
        RAISE EXCEPTION 'both sides are the record %:%', NEW.source_l, NEW.source_record_id_l
            USING ERRCODE = 'check_violation';
    END IF;

    -- A deleted record is still known to staging: a decision on it waits for its return.
    SELECT side.source, side.record INTO clash
    FROM (VALUES (NEW.source_l, NEW.source_record_id_l),
                 (NEW.source_r, NEW.source_record_id_r)) AS side (source, record)
    WHERE NOT EXISTS (SELECT FROM staging.records AS s
                      WHERE s.source = side.source AND s.source_record_id = side.record)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there never was a record %:%', clash.source, clash.record
            USING ERRCODE = 'foreign_key_violation';
    END IF;

    -- One order per pair, so that (a, b) and (b, a) are seen to be one.
    IF (NEW.source_l COLLATE "C", NEW.source_record_id_l COLLATE "C")
     > (NEW.source_r COLLATE "C", NEW.source_record_id_r COLLATE "C") THEN
        swapped := NEW;
        NEW.source_l := swapped.source_r;
        NEW.source_record_id_l := swapped.source_record_id_r;
        NEW.customer_l := swapped.customer_r;
        NEW.source_r := swapped.source_l;
        NEW.source_record_id_r := swapped.source_record_id_l;
        NEW.customer_r := swapped.customer_l;
    END IF;

    SELECT d.decision_id, d.verdict INTO clash
    FROM identity.live_link_decisions AS d
    WHERE (d.source_l, d.source_record_id_l, d.source_r, d.source_record_id_r)
        = (NEW.source_l, NEW.source_record_id_l, NEW.source_r, NEW.source_record_id_r);
    IF FOUND THEN
        RAISE EXCEPTION 'decision % already says % of %:% and %:%', clash.decision_id,
            clash.verdict, NEW.source_l, NEW.source_record_id_l, NEW.source_r, NEW.source_record_id_r
            USING ERRCODE = 'unique_violation', HINT = 'Undo it first to decide otherwise.';
    END IF;

    IF NEW.verdict = 'DIFFERENT' THEN
        chain := identity.same_chain(NEW.source_l, NEW.source_record_id_l,
                                     NEW.source_r, NEW.source_record_id_r);
        IF chain IS NOT NULL THEN
            RAISE EXCEPTION 'contradiction: %, so the two cannot be DIFFERENT', chain
                USING ERRCODE = 'check_violation', HINT = 'Undo a decision of the chain first.';
        END IF;
        RETURN NEW;
    END IF;

    -- SAME joins two groups; no member of one may be DIFFERENT from a member of the other.
    SELECT d.* INTO clash
    FROM identity.live_link_decisions AS d
    JOIN identity.same_group(NEW.source_l, NEW.source_record_id_l) AS a ON true
    JOIN identity.same_group(NEW.source_r, NEW.source_record_id_r) AS b ON true
    WHERE d.verdict = 'DIFFERENT'
      AND ((d.source_l, d.source_record_id_l, d.source_r, d.source_record_id_r)
         = (a.source, a.source_record_id, b.source, b.source_record_id)
        OR (d.source_r, d.source_record_id_r, d.source_l, d.source_record_id_l)
         = (a.source, a.source_record_id, b.source, b.source_record_id))
    ORDER BY d.decision_id
    LIMIT 1;
    IF FOUND THEN
        chain := coalesce(
            identity.same_chain(clash.source_l, clash.source_record_id_l, NEW.source_l, NEW.source_record_id_l)
                || ' = (this) '
                || identity.same_chain(NEW.source_r, NEW.source_record_id_r, clash.source_r, clash.source_record_id_r),
            identity.same_chain(clash.source_l, clash.source_record_id_l, NEW.source_r, NEW.source_record_id_r)
                || ' = (this) '
                || identity.same_chain(NEW.source_l, NEW.source_record_id_l, clash.source_r, clash.source_record_id_r));
        RAISE EXCEPTION 'contradiction: %, but decision % says %:% and %:% are DIFFERENT', chain,
            clash.decision_id, clash.source_l, clash.source_record_id_l, clash.source_r, clash.source_record_id_r
            USING ERRCODE = 'check_violation', HINT = 'Undo a decision of the chain first.';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER check_link_decision BEFORE INSERT ON identity.steward_link_decisions
    FOR EACH ROW EXECUTE FUNCTION identity.check_link_decision();

CREATE FUNCTION identity.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only: % refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Undo a decision by inserting a row with verdict UNDO and undoes = its decision_id.';
END $$;
-- Who decided what, when and why is evidence; evidence is added to, not edited.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON identity.steward_link_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION identity.refuse_change();

-- What waits for a person -----------------------------------------------------------------------

CREATE VIEW identity.waiting_edges AS
WITH flagged_pairs AS (
    SELECT p.profile_id_l, p.profile_id_r, p.match_weight, p.match_probability, p.model_id
    FROM staging.identity_match_candidates AS p
    WHERE p.decision = 'FLAG_REVIEW' AND NOT p.is_vetoed
), decided_customers AS (
    -- A negative word holds between whole customers, whichever of their records it was said of.
    SELECT l.global_customer_id AS customer_a, r.global_customer_id AS customer_b
    FROM identity.live_link_decisions AS d
    JOIN identity.customer_identity_map AS l
      ON l.source = d.source_l AND l.source_record_id = d.source_record_id_l
    JOIN identity.customer_identity_map AS r
      ON r.source = d.source_r AND r.source_record_id = d.source_record_id_r
    WHERE d.verdict = 'DIFFERENT'
)
SELECT l.global_customer_id AS customer_l, r.global_customer_id AS customer_r,
       p.profile_id_l, p.profile_id_r, p.match_weight, p.match_probability, p.model_id
FROM flagged_pairs AS p
CROSS JOIN LATERAL (
    SELECT DISTINCT m.global_customer_id
    FROM staging.identity_inputs AS i
    JOIN identity.customer_identity_map AS m USING (record_id)
    WHERE i.profile_id = p.profile_id_l) AS l
CROSS JOIN LATERAL (
    SELECT DISTINCT m.global_customer_id
    FROM staging.identity_inputs AS i
    JOIN identity.customer_identity_map AS m USING (record_id)
    WHERE i.profile_id = p.profile_id_r) AS r
WHERE l.global_customer_id <> r.global_customer_id
  AND NOT EXISTS (
    SELECT FROM decided_customers AS d
    WHERE (d.customer_a, d.customer_b) IN ((l.global_customer_id, r.global_customer_id),
                                           (r.global_customer_id, l.global_customer_id)));
COMMENT ON VIEW identity.waiting_edges IS 'One row per FLAG_REVIEW pair and the two customers it would join, where they still differ and no steward has said DIFFERENT.';
