-- What people use: golden customers, why each value is what it is, what they were, what changed.
-- All of it LOGGED: history, events and stewards' words cannot be recomputed from other layers.

CREATE TABLE gold.layer_state (
    layer    text PRIMARY KEY CHECK (layer IN ('golden', 'history', 'events', 'conflicts', 'metrics', 'review')),
    run_id   bigint NOT NULL,
    marks    jsonb NOT NULL
);
COMMENT ON TABLE gold.layer_state IS 'One row per phase of gold: how far in its inputs it has come. Writer: gold, each phase its own row.';
COMMENT ON COLUMN gold.layer_state.marks IS 'golden: change_seq, identity_event_id, identity_run_id, override_id, digest of the rules, as_of. history, events: change_id. conflicts: touched_id. metrics, review: signature of what they were made from.';

CREATE TABLE gold.golden_attributes (
    attribute text PRIMARY KEY,
    position  smallint NOT NULL UNIQUE,
    kind      text NOT NULL CHECK (kind IN ('text', 'email', 'phone', 'date', 'number')),
    is_extra  boolean NOT NULL DEFAULT false,
    -- The fixed sixteen are columns canonical_<attribute>; further ones are keys of extra.
    CHECK (is_extra = (position > 16))
);
INSERT INTO gold.golden_attributes (position, attribute, kind) VALUES
    (1, 'full_name', 'text'), (2, 'given_name', 'text'), (3, 'middle_name', 'text'),
    (4, 'family_name', 'text'), (5, 'email', 'email'), (6, 'phone', 'phone'),
    (7, 'date_of_birth', 'date'), (8, 'gender', 'text'), (9, 'street', 'text'),
    (10, 'city', 'text'), (11, 'region', 'text'), (12, 'postcode', 'text'),
    (13, 'country', 'text'), (14, 'tax_id', 'text'), (15, 'customer_number', 'text'),
    (16, 'organisation', 'text');
COMMENT ON TABLE gold.golden_attributes IS 'The attributes a golden customer can have, in their order: sixteen fixed ones, then those of [attributes] in mdm.toml. Writer: gold (phase 7).';

-- Golden customers -------------------------------------------------------------------------------

CREATE TABLE gold.dim_customers (
    global_customer_id        uuid PRIMARY KEY,
    canonical_full_name       text,
    canonical_given_name      text,
    canonical_middle_name     text,
    canonical_family_name     text,
    canonical_email           text,
    canonical_phone           text,
    canonical_date_of_birth   date,
    canonical_gender          text,
    canonical_street          text,
    canonical_city            text,
    canonical_region          text,
    canonical_postcode        text,
    canonical_country         text,
    canonical_tax_id          text,
    canonical_customer_number text,
    canonical_organisation    text,
    extra                     jsonb NOT NULL DEFAULT '{}',
    source_systems            text[] NOT NULL CHECK (cardinality(source_systems) > 0),
    primary_source            text NOT NULL,
    record_count              integer NOT NULL CHECK (record_count > 0),
    data_quality_score        numeric(4, 3) NOT NULL CHECK (data_quality_score BETWEEN 0 AND 1),
    match_confidence          real NOT NULL CHECK (match_confidence BETWEEN 0 AND 1),
    last_seen_at              timestamptz NOT NULL,
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL,
    run_id                    bigint NOT NULL,
    CHECK (created_at <= updated_at),
    CHECK (primary_source = ANY (source_systems))
);
-- Finds the customers whose recency steps down as time passes (data_quality_score).
CREATE INDEX dim_customers_last_seen ON gold.dim_customers (last_seen_at);
COMMENT ON TABLE gold.dim_customers IS 'One row per live customer: the golden record. Why each value won: gold.customer_attribute_lineage. Writer: gold (phase 7).';
COMMENT ON COLUMN gold.dim_customers.canonical_full_name IS 'As the winning record spells it; composed of its parts where it has no full name.';
COMMENT ON COLUMN gold.dim_customers.canonical_email IS 'In standard form, as are phone (E.164), date_of_birth, gender, postcode and country. All other values keep the spelling of the record that won.';
COMMENT ON COLUMN gold.dim_customers.extra IS 'Further attributes of [attributes] in mdm.toml, attribute to value.';
COMMENT ON COLUMN gold.dim_customers.source_systems IS 'Every source with a live record of this customer, sorted.';
COMMENT ON COLUMN gold.dim_customers.primary_source IS 'Its source of the highest priority.';
COMMENT ON COLUMN gold.dim_customers.record_count IS 'Live source records. A counter: counters (this, data_quality_score, match_confidence, last_seen_at, run_id) change without a version, an event or a new updated_at.';
COMMENT ON COLUMN gold.dim_customers.data_quality_score IS '0.5 completeness (share of [quality] expected with a golden value) + 0.3 validity (share of its records'' filled values that could be standardised) + 0.2 recency (1 when seen within stale_after_days, 0.5 within twice that, else 0).';
COMMENT ON COLUMN gold.dim_customers.match_confidence IS 'Probability of the weakest link that holds its records together; 1 where all show the same profile.';
COMMENT ON COLUMN gold.dim_customers.last_seen_at IS 'Latest event_at of its records.';
COMMENT ON COLUMN gold.dim_customers.created_at IS 'occurred_at of the event that brought it into gold (again, when it had been deleted).';
COMMENT ON COLUMN gold.dim_customers.updated_at IS 'occurred_at of its last event: when its meaning last changed.';
COMMENT ON COLUMN gold.dim_customers.run_id IS 'The run that last wrote this row.';

CREATE TYPE gold.customer_meaning AS (
    canonical_full_name       text,
    canonical_given_name      text,
    canonical_middle_name     text,
    canonical_family_name     text,
    canonical_email           text,
    canonical_phone           text,
    canonical_date_of_birth   date,
    canonical_gender          text,
    canonical_street          text,
    canonical_city            text,
    canonical_region          text,
    canonical_postcode        text,
    canonical_country         text,
    canonical_tax_id          text,
    canonical_customer_number text,
    canonical_organisation    text,
    extra                     jsonb,
    source_systems            text[],
    primary_source            text
);
COMMENT ON TYPE gold.customer_meaning IS 'The columns of gold.dim_customers whose change is news: everything but counters and times.';

-- A row of a type of its own, because to_jsonb of a row takes two thirds of the time that
-- jsonb_build_object takes. STABLE, as to_jsonb is: declared IMMUTABLE it would not be inlined.
CREATE FUNCTION gold.meaning(customer gold.dim_customers) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_jsonb(CAST(ROW(
    (customer).canonical_full_name,
    (customer).canonical_given_name,
    (customer).canonical_middle_name,
    (customer).canonical_family_name,
    (customer).canonical_email,
    (customer).canonical_phone,
    (customer).canonical_date_of_birth,
    (customer).canonical_gender,
    (customer).canonical_street,
    (customer).canonical_city,
    (customer).canonical_region,
    (customer).canonical_postcode,
    (customer).canonical_country,
    (customer).canonical_tax_id,
    (customer).canonical_customer_number,
    (customer).canonical_organisation,
    (customer).extra, (customer).source_systems, (customer).primary_source) AS gold.customer_meaning));
COMMENT ON FUNCTION gold.meaning(gold.dim_customers) IS 'The columns of a golden customer whose change is news (everything but counters and times), by column name. Events and history speak of these.';

CREATE FUNCTION gold.changed_columns(before gold.dim_customers, after gold.dim_customers) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN array_remove(ARRAY[
    CASE WHEN (before).canonical_full_name IS DISTINCT FROM (after).canonical_full_name THEN 'canonical_full_name' END,
    CASE WHEN (before).canonical_given_name IS DISTINCT FROM (after).canonical_given_name THEN 'canonical_given_name' END,
    CASE WHEN (before).canonical_middle_name IS DISTINCT FROM (after).canonical_middle_name THEN 'canonical_middle_name' END,
    CASE WHEN (before).canonical_family_name IS DISTINCT FROM (after).canonical_family_name THEN 'canonical_family_name' END,
    CASE WHEN (before).canonical_email IS DISTINCT FROM (after).canonical_email THEN 'canonical_email' END,
    CASE WHEN (before).canonical_phone IS DISTINCT FROM (after).canonical_phone THEN 'canonical_phone' END,
    CASE WHEN (before).canonical_date_of_birth IS DISTINCT FROM (after).canonical_date_of_birth THEN 'canonical_date_of_birth' END,
    CASE WHEN (before).canonical_gender IS DISTINCT FROM (after).canonical_gender THEN 'canonical_gender' END,
    CASE WHEN (before).canonical_street IS DISTINCT FROM (after).canonical_street THEN 'canonical_street' END,
    CASE WHEN (before).canonical_city IS DISTINCT FROM (after).canonical_city THEN 'canonical_city' END,
    CASE WHEN (before).canonical_region IS DISTINCT FROM (after).canonical_region THEN 'canonical_region' END,
    CASE WHEN (before).canonical_postcode IS DISTINCT FROM (after).canonical_postcode THEN 'canonical_postcode' END,
    CASE WHEN (before).canonical_country IS DISTINCT FROM (after).canonical_country THEN 'canonical_country' END,
    CASE WHEN (before).canonical_tax_id IS DISTINCT FROM (after).canonical_tax_id THEN 'canonical_tax_id' END,
    CASE WHEN (before).canonical_customer_number IS DISTINCT FROM (after).canonical_customer_number THEN 'canonical_customer_number' END,
    CASE WHEN (before).canonical_organisation IS DISTINCT FROM (after).canonical_organisation THEN 'canonical_organisation' END,
    CASE WHEN (before).extra IS DISTINCT FROM (after).extra THEN 'extra' END,
    CASE WHEN (before).source_systems IS DISTINCT FROM (after).source_systems THEN 'source_systems' END,
    CASE WHEN (before).primary_source IS DISTINCT FROM (after).primary_source THEN 'primary_source' END],
    NULL);
COMMENT ON FUNCTION gold.changed_columns(gold.dim_customers, gold.dim_customers) IS 'Which columns of meaning differ between two states of a golden customer; empty when only counters do.';

CREATE FUNCTION gold.original_spelling(full_name text, word text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE position(' ' || word || ' ' IN ' ' || lower(translate(full_name, ',.', '  ')) || ' ')
       WHEN 0 THEN NULL
       ELSE substr(full_name,
                   position(' ' || word || ' ' IN ' ' || lower(translate(full_name, ',.', '  ')) || ' '),
                   length(word)) END;
COMMENT ON FUNCTION gold.original_spelling(text, text) IS 'How a full name spells the name part that staging found in it; NULL where folding changed more than its case.';

CREATE FUNCTION gold.rule_key(rule text, rank bigint, recency bigint, filled_n integer, length_n integer)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE rule
           WHEN 'source_priority' THEN least(rank, 511) << 31
           WHEN 'most_complete' THEN ((100 - CAST(filled_n AS bigint)) << 40) + (least(rank, 511) << 31)
           WHEN 'longest' THEN ((2097151 - least(CAST(length_n AS bigint), 2097151)) << 40) + (least(rank, 511) << 31)
           ELSE 0
       END + recency;
COMMENT ON FUNCTION gold.rule_key(text, bigint, bigint, integer, integer) IS 'A record''s place under a survivorship rule: the smallest key wins. What the rule looks at (bits 40-60), then the rank of the source (31-39) unless the rule is recency, then the unique place in the order of recency (0-30).';

CREATE VIEW gold.survivorship_values AS
SELECT m.global_customer_id, r.record_id, r.source, r.source_record_id, r.event_at, r.change_seq,
       CASE WHEN r.std_name IS NOT NULL THEN nullif(r.full_name, '') END AS full_name,
       CASE WHEN r.std_given_name IS NOT NULL THEN nullif(r.given_name, '') END AS given_name,
       CASE WHEN r.std_middle_name IS NOT NULL THEN nullif(r.middle_name, '') END AS middle_name,
       CASE WHEN r.std_family_name IS NOT NULL THEN nullif(r.family_name, '') END AS family_name,
       r.std_email AS email, r.std_phone AS phone, r.std_date_of_birth AS date_of_birth,
       r.std_gender AS gender,
       CASE WHEN r.std_street IS NOT NULL THEN r.street END AS street,
       CASE WHEN r.std_city IS NOT NULL THEN r.city END AS city,
       CASE WHEN r.std_region IS NOT NULL THEN r.region END AS region,
       upper(r.std_postcode) AS postcode, r.std_country AS country,
       CASE WHEN r.std_tax_id IS NOT NULL THEN r.tax_id END AS tax_id,
       CASE WHEN r.std_customer_number IS NOT NULL THEN r.customer_number END AS customer_number,
       CASE WHEN r.std_organisation IS NOT NULL THEN r.organisation END AS organisation,
       r.extra, r.std_name, r.std_given_name, r.std_middle_name, r.std_family_name, r.std_street,
       r.std_city, r.std_region, r.std_tax_id, r.std_customer_number, r.std_organisation, r.std_extra,
       num_nonnulls(r.std_name, r.std_given_name, r.std_middle_name, r.std_family_name, r.std_email,
                    r.std_phone, r.std_date_of_birth, r.std_gender, r.std_street, r.std_city,
                    r.std_region, r.std_postcode, r.std_country, r.std_tax_id,
                    r.std_customer_number, r.std_organisation) AS filled_n,
       num_nonnulls(CASE WHEN r.std_name IS NULL THEN r.full_name END,
                    CASE WHEN r.std_email IS NULL THEN r.email END,
                    CASE WHEN r.std_phone IS NULL THEN r.phone END,
                    CASE WHEN r.std_date_of_birth IS NULL THEN r.date_of_birth END,
                    CASE WHEN r.std_gender IS NULL THEN r.gender END,
                    CASE WHEN r.std_street IS NULL THEN r.street END,
                    CASE WHEN r.std_city IS NULL THEN r.city END,
                    CASE WHEN r.std_region IS NULL THEN r.region END,
                    CASE WHEN r.std_postcode IS NULL THEN r.postcode END,
                    CASE WHEN r.std_country IS NULL THEN r.country END,
                    CASE WHEN r.std_tax_id IS NULL THEN r.tax_id END,
                    CASE WHEN r.std_customer_number IS NULL THEN r.customer_number END,
                    CASE WHEN r.std_organisation IS NULL THEN r.organisation END) AS refused_n
FROM identity.customer_identity_map AS m
JOIN staging.records AS r USING (record_id)
WHERE NOT r.is_deleted;
COMMENT ON VIEW gold.survivorship_values IS 'One row per live record with its customer and the values it may contribute: the golden spelling beside what is compared (std_*). Placeholders and invalid values are NULL and never win.';
COMMENT ON COLUMN gold.survivorship_values.filled_n IS 'Attributes with a usable value: what most_complete counts.';
COMMENT ON COLUMN gold.survivorship_values.refused_n IS 'Values the source gave that are placeholders or invalid.';

-- Lineage ----------------------------------------------------------------------------------------

CREATE TABLE gold.survivorship_rule_sets (
    rule_set_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest       text NOT NULL UNIQUE,
    rules        jsonb NOT NULL,
    first_run_id bigint NOT NULL
);
COMMENT ON TABLE gold.survivorship_rule_sets IS 'One row per set of survivorship rules that ever made golden values: attribute to rule, and the sources in order of priority. Writer: gold (phase 7).';

CREATE TABLE gold.customer_lineage (
    global_customer_id uuid PRIMARY KEY,
    record_ids         bigint[] NOT NULL,
    rule_set_id        integer NOT NULL,
    extra_records      jsonb,
    overrides          jsonb
);
-- The few customers a steward has touched, to see which overrides came, moved or ran out.
CREATE INDEX customer_lineage_overridden ON gold.customer_lineage (global_customer_id) WHERE overrides IS NOT NULL;
COMMENT ON TABLE gold.customer_lineage IS 'One row per golden customer, compact: who won each value. Read gold.customer_attribute_lineage instead. Writer: gold (phase 7).';
COMMENT ON COLUMN gold.customer_lineage.record_ids IS 'The record whose value the rules chose, per attribute by golden_attributes.position; NULL where none has one. Kept beneath an override.';
COMMENT ON COLUMN gold.customer_lineage.extra_records IS 'The same for extra: attribute to record_id.';
COMMENT ON COLUMN gold.customer_lineage.overrides IS 'Attribute to override_id, where a steward decided.';

CREATE VIEW gold.customer_attribute_lineage AS
SELECT d.global_customer_id, v.attribute, v.value,
       r.source, r.source_record_id, v.record_id, o.object_key, r.line_no,
       CASE WHEN v.override_id IS NOT NULL THEN 'steward_override'
            ELSE coalesce(s.rules -> 'attributes' ->> v.attribute, s.rules ->> 'default') END AS rule,
       v.override_id
FROM gold.dim_customers AS d
JOIN gold.customer_lineage AS l USING (global_customer_id)
JOIN gold.survivorship_rule_sets AS s USING (rule_set_id)
CROSS JOIN LATERAL (
    SELECT c.attribute, c.value,
           CASE WHEN l.overrides ? c.attribute THEN NULL ELSE l.record_ids[c.position] END AS record_id,
           CAST(l.overrides ->> c.attribute AS bigint) AS override_id
    FROM (VALUES
        (1, 'full_name', d.canonical_full_name), (2, 'given_name', d.canonical_given_name),
        (3, 'middle_name', d.canonical_middle_name), (4, 'family_name', d.canonical_family_name),
        (5, 'email', d.canonical_email), (6, 'phone', d.canonical_phone),
        (7, 'date_of_birth', CAST(d.canonical_date_of_birth AS text)),
        (8, 'gender', d.canonical_gender), (9, 'street', d.canonical_street),
        (10, 'city', d.canonical_city), (11, 'region', d.canonical_region),
        (12, 'postcode', d.canonical_postcode), (13, 'country', d.canonical_country),
        (14, 'tax_id', d.canonical_tax_id), (15, 'customer_number', d.canonical_customer_number),
        (16, 'organisation', d.canonical_organisation)) AS c (position, attribute, value)
    WHERE c.value IS NOT NULL
    UNION ALL
    SELECT e.key, e.value,
           CASE WHEN l.overrides ? e.key THEN NULL ELSE CAST(l.extra_records ->> e.key AS bigint) END,
           CAST(l.overrides ->> e.key AS bigint)
    FROM jsonb_each_text(d.extra) AS e) AS v
LEFT JOIN staging.records AS r ON r.record_id = v.record_id
LEFT JOIN raw.lake_objects AS o ON o.object_id = r.object_id;
COMMENT ON VIEW gold.customer_attribute_lineage IS 'Why every value is what it is: one row per golden value with the source record (and the lake line it stands in) and the rule that won it, or the steward''s override.';

-- Steward overrides ------------------------------------------------------------------------------

CREATE TABLE gold.customer_steward_overrides (
    override_id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    global_customer_id      uuid NOT NULL,
    attribute               text NOT NULL,
    value                   text,
    action                  text NOT NULL DEFAULT 'SET' CHECK (action IN ('SET', 'CLEAR', 'REVOKE')),
    steward                 text NOT NULL CHECK (btrim(steward) <> ''),
    reason                  text NOT NULL CHECK (btrim(reason) <> ''),
    valid_from              timestamptz NOT NULL DEFAULT now(),
    valid_to                timestamptz,
    created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    anchor_source           text NOT NULL,
    anchor_source_record_id text NOT NULL,
    CHECK (valid_from < valid_to),
    -- SET needs a value; CLEAR sets the attribute to empty; REVOKE hands it back to the rules.
    CHECK ((action = 'SET') = (value IS NOT NULL))
);
CREATE INDEX customer_steward_overrides_customer ON gold.customer_steward_overrides (global_customer_id);
COMMENT ON TABLE gold.customer_steward_overrides IS 'One row per word of a steward on a golden value: the top survivorship rule. INSERT is all it takes; checked on insert, append-only. The latest row whose time has come wins. Writer: stewards, by SQL or mdm overrides.';
COMMENT ON COLUMN gold.customer_steward_overrides.global_customer_id IS 'The customer as the steward named it; an id that was merged is replaced by its survivor.';
COMMENT ON COLUMN gold.customer_steward_overrides.attribute IS 'email, family_name, … (canonical_email is understood too), or a further attribute of mdm.toml.';
COMMENT ON COLUMN gold.customer_steward_overrides.action IS 'SET value; CLEAR: empty, whatever sources say; REVOKE: ends what earlier rows said, the rules decide again.';
COMMENT ON COLUMN gold.customer_steward_overrides.valid_from IS 'Counts for runs with as_of in [valid_from, valid_to); when it has run out, an earlier row that still holds counts again.';
COMMENT ON COLUMN gold.customer_steward_overrides.anchor_source IS 'With anchor_source_record_id the oldest record of the customer when the row was written: the override follows this record through merges and splits. While it is deleted, it follows the id.';

CREATE FUNCTION gold.check_steward_override() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    survivor uuid := identity.resolve(NEW.global_customer_id);
    known    gold.golden_attributes;
    parsed   date;
BEGIN
    IF survivor IS NULL THEN
        RAISE EXCEPTION 'no living customer has or had the id %', NEW.global_customer_id
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'Ids are in gold.dim_customers; a merged id is understood, a deleted customer''s is not.';
    END IF;
    NEW.global_customer_id := survivor;
    SELECT m.source, m.source_record_id INTO NEW.anchor_source, NEW.anchor_source_record_id
    FROM identity.customer_identity_map AS m
    WHERE m.global_customer_id = survivor
    ORDER BY m.record_id
    LIMIT 1;
    IF NEW.anchor_source IS NULL THEN
        RAISE EXCEPTION 'customer % has no record', survivor USING ERRCODE = 'foreign_key_violation';
    END IF;

    NEW.attribute := regexp_replace(lower(btrim(NEW.attribute)), '^canonical_', '');
    SELECT * INTO known FROM gold.golden_attributes AS a WHERE a.attribute = NEW.attribute;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a customer has no attribute "%"', NEW.attribute
            USING ERRCODE = 'check_violation',
                  HINT = (SELECT 'Attributes: ' || string_agg(a.attribute, ', ' ORDER BY a.position)
                          FROM gold.golden_attributes AS a);
    END IF;
    IF coalesce(btrim(NEW.steward), '') = '' OR coalesce(btrim(NEW.reason), '') = '' THEN
        RAISE EXCEPTION 'an override needs a steward and a reason' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.valid_to <= NEW.valid_from THEN
        RAISE EXCEPTION 'valid_to (%) must be later than valid_from (%)', NEW.valid_to, NEW.valid_from
            USING ERRCODE = 'check_violation';
    END IF;
    -- When it was said is a fact, not a claim; of two rows the later one counts.
    NEW.created_at := clock_timestamp();

    IF NEW.action IN ('CLEAR', 'REVOKE') THEN
        IF NEW.value IS NOT NULL THEN
            RAISE EXCEPTION '% takes no value', NEW.action USING ERRCODE = 'check_violation',
                HINT = 'Leave value out, or use action SET.';
        END IF;
        RETURN NEW;
    END IF;
    NEW.value := btrim(NEW.value);
    IF coalesce(NEW.value, '') = '' THEN
        RAISE EXCEPTION 'SET needs a value for %', NEW.attribute USING ERRCODE = 'check_violation',
            HINT = 'Use action CLEAR to make it empty, REVOKE to let the rules decide again.';
    END IF;

    IF known.kind = 'email' THEN
        NEW.value := lower(NEW.value);
        IF NEW.value !~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:].]+$' THEN
            RAISE EXCEPTION 'not an e-mail address' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF known.kind = 'phone' THEN
        NEW.value := regexp_replace(NEW.value, '[[:space:]().-]', '', 'g');
        IF NEW.value !~ '^\+[1-9][0-9]{6,14}$' THEN
            RAISE EXCEPTION 'not a phone number in international form' USING ERRCODE = 'check_violation',
                HINT = 'Write it as +<country code><number>, such as +442079460000.';
        END IF;
    ELSIF known.kind = 'date' THEN
        BEGIN
            IF NEW.value !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
                RAISE invalid_datetime_format;
            END IF;
            parsed := CAST(NEW.value AS date);
        EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow THEN
            RAISE EXCEPTION 'not a date' USING ERRCODE = 'check_violation',
                HINT = 'Write it as YYYY-MM-DD.';
        END;
        IF NEW.attribute = 'date_of_birth' AND (parsed > current_date OR parsed < DATE '1850-01-01') THEN
            RAISE EXCEPTION 'nobody alive was born on that date' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF known.kind = 'number' THEN
        IF NOT pg_input_is_valid(NEW.value, 'numeric') THEN
            RAISE EXCEPTION '% is a number', NEW.attribute USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_steward_override BEFORE INSERT ON gold.customer_steward_overrides
    FOR EACH ROW EXECUTE FUNCTION gold.check_steward_override();

CREATE FUNCTION gold.refuse_override_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'gold.customer_steward_overrides is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation',
              HINT = 'Insert a row with action REVOKE for the same customer and attribute, or call mdm overrides revoke.';
END $$;
-- Who decided what, when and why is evidence; evidence is added to, not edited.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gold.customer_steward_overrides
    FOR EACH STATEMENT EXECUTE FUNCTION gold.refuse_override_change();

CREATE FUNCTION gold.effective_overrides(at timestamptz)
RETURNS TABLE (global_customer_id uuid, attribute text, action text, value text, override_id bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH placed_overrides AS (
        SELECT coalesce(m.global_customer_id, identity.resolve(o.global_customer_id)) AS customer,
               o.attribute, o.action, o.value, o.override_id, o.created_at
        FROM gold.customer_steward_overrides AS o
        LEFT JOIN identity.customer_identity_map AS m
               ON m.source = o.anchor_source AND m.source_record_id = o.anchor_source_record_id
        WHERE o.valid_from <= at AND (o.valid_to IS NULL OR o.valid_to > at)
    ), latest_overrides AS (
        SELECT DISTINCT ON (p.customer, p.attribute) p.*
        FROM placed_overrides AS p
        WHERE p.customer IS NOT NULL
        ORDER BY p.customer, p.attribute, p.created_at DESC, p.override_id DESC
    )
    SELECT l.customer, l.attribute, l.action, l.value, l.override_id
    FROM latest_overrides AS l
    WHERE l.action <> 'REVOKE';
END;
COMMENT ON FUNCTION gold.effective_overrides(timestamptz) IS 'The overrides that count at an instant: one row per living customer and attribute. After a merge the one written last counts.';

-- Changes, history, events -----------------------------------------------------------------------

CREATE TABLE gold.customer_changes (
    change_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id              bigint NOT NULL,
    occurred_at         timestamptz NOT NULL,
    change_type         text NOT NULL CHECK (change_type IN ('INSERT', 'UPDATE', 'MERGE', 'SPLIT', 'DELETE')),
    global_customer_id  uuid NOT NULL,
    related_customer_id uuid,
    changed_columns     text[],
    old_row             jsonb,
    -- With the old row of each change, every state between two runs of history can be told.
    CHECK ((change_type IN ('INSERT', 'SPLIT')) = (old_row IS NULL)),
    CHECK ((change_type = 'UPDATE') = (changed_columns IS NOT NULL)),
    CHECK ((change_type IN ('MERGE', 'SPLIT')) = (related_customer_id IS NOT NULL))
);
COMMENT ON TABLE gold.customer_changes IS 'The staged difference: one row per change of meaning of a golden customer, until both history and events have consumed it. Writer: gold (phase 7).';
COMMENT ON COLUMN gold.customer_changes.old_row IS 'gold.meaning() before the change.';

CREATE TABLE gold.touched_customers (
    touched_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id             bigint NOT NULL,
    global_customer_id uuid
);
COMMENT ON TABLE gold.touched_customers IS 'One row per customer that phase 7 rebuilt, changed or not, until conflict detection has looked at it. Writer: gold (phase 7).';
COMMENT ON COLUMN gold.touched_customers.global_customer_id IS 'NULL: every customer was rebuilt.';

CREATE TABLE gold.dim_customers_history (
    history_id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    global_customer_id        uuid NOT NULL,
    version                   integer NOT NULL CHECK (version > 0),
    valid_from                timestamptz NOT NULL,
    valid_to                  timestamptz,
    previous_valid_to         timestamptz,
    change_id                 bigint NOT NULL,
    run_id                    bigint NOT NULL,
    canonical_full_name       text,
    canonical_given_name      text,
    canonical_middle_name     text,
    canonical_family_name     text,
    canonical_email           text,
    canonical_phone           text,
    canonical_date_of_birth   date,
    canonical_gender          text,
    canonical_street          text,
    canonical_city            text,
    canonical_region          text,
    canonical_postcode        text,
    canonical_country         text,
    canonical_tax_id          text,
    canonical_customer_number text,
    canonical_organisation    text,
    extra                     jsonb NOT NULL,
    source_systems            text[] NOT NULL,
    primary_source            text NOT NULL,
    CHECK (valid_from < valid_to),
    -- Versions of one id cannot overlap, by a chain (A. Kuznetsov, "Storing intervals of time with no
    -- overlaps"): each version names the end of the one before and starts no earlier; no end is
    -- named twice, and only one version is the first (NULL). An exclusion constraint would need
    -- btree_gist, which is not core.
    CHECK (previous_valid_to <= valid_from),
    CONSTRAINT dim_customers_history_one_successor UNIQUE NULLS NOT DISTINCT (global_customer_id, previous_valid_to),
    -- NULLS NOT DISTINCT: at most one version of an id is open.
    CONSTRAINT dim_customers_history_one_open UNIQUE NULLS NOT DISTINCT (global_customer_id, valid_to),
    CONSTRAINT dim_customers_history_chain FOREIGN KEY (global_customer_id, previous_valid_to)
        REFERENCES gold.dim_customers_history (global_customer_id, valid_to)
);
COMMENT ON TABLE gold.dim_customers_history IS 'SCD2: one row per version of a golden customer, valid in [valid_from, valid_to). A new version only where meaning changed. Writer: gold (phase 8).';
COMMENT ON COLUMN gold.dim_customers_history.valid_to IS 'NULL while the version is current; ids that were merged or deleted have no open version.';
COMMENT ON COLUMN gold.dim_customers_history.previous_valid_to IS 'valid_to of the version before; later valid_from means the customer was gone in between.';
COMMENT ON COLUMN gold.dim_customers_history.change_id IS 'The change (and change event) that opened this version.';

CREATE FUNCTION gold.customers_as_of(at timestamptz) RETURNS SETOF gold.dim_customers_history
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT h.* FROM gold.dim_customers_history AS h
    WHERE h.valid_from <= at AND (h.valid_to IS NULL OR h.valid_to > at);
END;
COMMENT ON FUNCTION gold.customers_as_of(timestamptz) IS 'The golden customers as they were at an instant, one row each.';

CREATE TABLE gold.customer_change_events (
    event_seq           bigint PRIMARY KEY,
    run_id              bigint NOT NULL,
    event_type          text NOT NULL CHECK (event_type IN ('INSERT', 'UPDATE', 'MERGE', 'SPLIT', 'DELETE')),
    global_customer_id  uuid NOT NULL,
    related_customer_id uuid,
    occurred_at         timestamptz NOT NULL,
    changed_attributes  text[],
    old_values          jsonb,
    new_values          jsonb,
    CHECK ((event_type IN ('MERGE', 'SPLIT')) = (related_customer_id IS NOT NULL)),
    CHECK ((event_type IN ('INSERT', 'SPLIT')) = (old_values IS NULL)),
    CHECK ((event_type IN ('MERGE', 'DELETE')) = (new_values IS NULL))
);
CREATE INDEX customer_change_events_customer ON gold.customer_change_events (global_customer_id);
COMMENT ON TABLE gold.customer_change_events IS 'Change data capture: every change of meaning once, in the transaction of the change. Follow it by WHERE event_seq > <last seen> ORDER BY event_seq. Writer: gold (phase 9).';
COMMENT ON COLUMN gold.customer_change_events.event_seq IS 'The change_id. Has gaps; never committed out of order, because one transaction at a time may write changes (phase 7 locks their table until it commits).';
COMMENT ON COLUMN gold.customer_change_events.event_type IS 'INSERT, SPLIT: new_values is the whole row (SPLIT: out of related_customer_id). UPDATE: old and new of the changed columns. MERGE: the row went, related_customer_id is the survivor. DELETE: the row went.';
COMMENT ON COLUMN gold.customer_change_events.changed_attributes IS 'UPDATE: the columns of gold.dim_customers that changed, the keys of old_values and new_values.';

CREATE AGGREGATE gold.merged_values(jsonb) (
    SFUNC = pg_catalog.jsonb_concat, STYPE = jsonb, INITCOND = '{}', PARALLEL = SAFE);
COMMENT ON AGGREGATE gold.merged_values(jsonb) IS 'The keys of all objects; of equal keys the later one counts. Give it an ORDER BY.';

CREATE FUNCTION gold.replayed_customers(up_to bigint DEFAULT NULL)
RETURNS TABLE (global_customer_id uuid, meaning jsonb, created_at timestamptz, updated_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH lives AS (
        -- a life begins with the last event that made the customer, or that removed it
        SELECT e.global_customer_id, max(e.event_seq) AS last_seq,
               max(e.event_seq) FILTER (WHERE e.event_type <> 'UPDATE') AS life_seq
        FROM gold.customer_change_events AS e
        WHERE up_to IS NULL OR e.event_seq <= up_to
        GROUP BY e.global_customer_id
    )
    SELECT l.global_customer_id, e.new_values, e.occurred_at, e.occurred_at
    FROM lives AS l
    JOIN gold.customer_change_events AS e ON e.event_seq = l.life_seq
    WHERE l.last_seq = l.life_seq AND e.event_type IN ('INSERT', 'SPLIT')
    UNION ALL
    SELECT l.global_customer_id, gold.merged_values(e.new_values ORDER BY e.event_seq),
           min(e.occurred_at) FILTER (WHERE e.event_seq = l.life_seq), max(e.occurred_at)
    FROM lives AS l
    JOIN gold.customer_change_events AS e
      ON e.global_customer_id = l.global_customer_id
     AND e.event_seq BETWEEN l.life_seq AND l.last_seq
    WHERE l.last_seq > l.life_seq
    GROUP BY l.global_customer_id
    HAVING bool_or(e.event_type IN ('INSERT', 'SPLIT'));
END;
COMMENT ON FUNCTION gold.replayed_customers(bigint) IS 'The golden customers that applying the change events in order to an empty table gives (up to an event_seq, or all).';

-- Quality ----------------------------------------------------------------------------------------

CREATE TABLE gold.customer_attribute_conflicts (
    conflict_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    global_customer_id uuid NOT NULL,
    attribute          text NOT NULL,
    value_n            integer NOT NULL CHECK (value_n > 1),
    "values"           jsonb NOT NULL,
    winner             text,
    first_seen_at      timestamptz NOT NULL,
    last_seen_at       timestamptz NOT NULL,
    resolved_at        timestamptz,
    run_id             bigint NOT NULL,
    CHECK (first_seen_at <= last_seen_at),
    CHECK (resolved_at >= last_seen_at)
);
-- One open conflict per customer and attribute; closed ones stay as history.
CREATE UNIQUE INDEX customer_attribute_conflicts_open
    ON gold.customer_attribute_conflicts (global_customer_id, attribute) WHERE resolved_at IS NULL;
COMMENT ON TABLE gold.customer_attribute_conflicts IS 'One row per customer and attribute whose records disagree, from when to when. Writer: gold (phase 10).';
COMMENT ON COLUMN gold.customer_attribute_conflicts."values" IS 'Standardised value to the sources that hold it.';
COMMENT ON COLUMN gold.customer_attribute_conflicts.winner IS 'The golden value.';
COMMENT ON COLUMN gold.customer_attribute_conflicts.last_seen_at IS 'as_of of the last run that found these values (a run looks at customers it rebuilt).';
COMMENT ON COLUMN gold.customer_attribute_conflicts.resolved_at IS 'as_of of the run that found them agreeing, or the customer gone.';

CREATE TABLE gold.match_confidence_metrics (
    run_id             bigint NOT NULL,
    decision           text NOT NULL,
    band               text NOT NULL,
    pair_n             bigint NOT NULL,
    mean_probability   real NOT NULL,
    min_probability    real NOT NULL,
    max_probability    real NOT NULL,
    mean_weight        real NOT NULL,
    measured_at        timestamptz NOT NULL,
    PRIMARY KEY (run_id, decision, band)
);
COMMENT ON TABLE gold.match_confidence_metrics IS 'Scored pairs per run, decision and band of match probability, whenever the pairs changed. Writer: gold (phase 10).';

CREATE TABLE gold.steward_override_metrics (
    run_id       bigint NOT NULL,
    attribute    text NOT NULL,
    effective_n  bigint NOT NULL,
    set_n        bigint NOT NULL,
    clear_n      bigint NOT NULL,
    revoked_n    bigint NOT NULL,
    steward_n    bigint NOT NULL,
    agreeing_n   bigint NOT NULL,
    measured_at  timestamptz NOT NULL,
    PRIMARY KEY (run_id, attribute)
);
COMMENT ON TABLE gold.steward_override_metrics IS 'Overrides per run and attribute, whenever gold changed. Writer: gold (phase 10).';
COMMENT ON COLUMN gold.steward_override_metrics.agreeing_n IS 'Effective ones that say what the rules would have chosen anyway: they could be revoked.';

CREATE TABLE gold.data_quality_metrics (
    run_id        bigint NOT NULL,
    attribute     text NOT NULL,
    customer_n    bigint NOT NULL,
    filled_n      bigint NOT NULL,
    completeness  real NOT NULL CHECK (completeness BETWEEN 0 AND 1),
    conflict_n    bigint NOT NULL,
    overridden_n  bigint NOT NULL,
    measured_at   timestamptz NOT NULL,
    PRIMARY KEY (run_id, attribute)
);
COMMENT ON TABLE gold.data_quality_metrics IS 'Golden customers per run and attribute: how many have a value, an open conflict, an override. Written whenever gold changed. Writer: gold (phase 10).';

CREATE TABLE gold.source_volumes (
    source      text PRIMARY KEY,
    live_n      bigint NOT NULL,
    delivered_n bigint NOT NULL,
    filled      jsonb NOT NULL,
    run_id      bigint NOT NULL
);
COMMENT ON TABLE gold.source_volumes IS 'What each source had when gold was last published: the guards measure a new delivery against it. Writer: gold (phase 7).';
COMMENT ON COLUMN gold.source_volumes.delivered_n IS 'Records of all deliveries so far; filled counts the usable values among them per attribute.';

CREATE TABLE gold.steward_review_queue (
    review_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind                 text NOT NULL CHECK (kind IN ('PAIR', 'CUSTOMER')),
    subject_key          text NOT NULL,
    global_customer_id   uuid NOT NULL,
    other_customer_id    uuid,
    source_l             text,
    source_record_id_l   text,
    source_r             text,
    source_record_id_r   text,
    why                  text NOT NULL
        CHECK (why IN ('DOUBTFUL_PAIR', 'VERY_LARGE', 'WEAK_LINK', 'BIRTH_DATES_DIFFER')),
    match_probability    real CHECK (match_probability BETWEEN 0 AND 1),
    match_weight         real,
    pair_n               bigint NOT NULL DEFAULT 0,
    first_seen_at        timestamptz NOT NULL,
    last_seen_at         timestamptz NOT NULL,
    -- OPEN -> DONE (a steward answered) | GONE (the evidence went). What comes back is a new row.
    state                text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'DONE', 'GONE')),
    ended_at             timestamptz,
    resolved_by          text,
    decision_id          bigint,
    run_id               bigint NOT NULL,
    CHECK ((kind = 'PAIR') = (other_customer_id IS NOT NULL)),
    CHECK ((state = 'OPEN') = (ended_at IS NULL)),
    CHECK ((state = 'DONE') = (resolved_by IS NOT NULL))
);
-- One open row per thing to decide.
CREATE UNIQUE INDEX steward_review_queue_open ON gold.steward_review_queue (subject_key) WHERE state = 'OPEN';
CREATE INDEX steward_review_queue_customer ON gold.steward_review_queue (global_customer_id);
CREATE INDEX steward_review_queue_other ON gold.steward_review_queue (other_customer_id);
COMMENT ON TABLE gold.steward_review_queue IS 'One row per thing a steward should decide: two customers that may be one (PAIR), or a customer that may be two (CUSTOMER). Answer a pair with mdm link / unlink. Writer: gold (phase 10).';
COMMENT ON COLUMN gold.steward_review_queue.subject_key IS 'What it is about: pair:<smaller id>:<larger id>, or customer:<id>:<why>.';
COMMENT ON COLUMN gold.steward_review_queue.why IS 'DOUBTFUL_PAIR: scored between the thresholds. VERY_LARGE, WEAK_LINK, BIRTH_DATES_DIFFER: the customer may be several.';
COMMENT ON COLUMN gold.steward_review_queue.source_l IS 'With source_record_id_l and the same of _r: the pair of records with the strongest evidence (PAIR), or the weakest link (CUSTOMER).';
COMMENT ON COLUMN gold.steward_review_queue.pair_n IS 'Doubtful pairs of profiles between the two customers.';
