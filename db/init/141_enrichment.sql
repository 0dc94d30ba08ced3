-- What is guessed or worked out beside the golden values, never into them.

CREATE TABLE gold.customer_enrichments (
    global_customer_id uuid NOT NULL,
    attribute          text NOT NULL CHECK (attribute IN ('gender_inferred')),
    value              text NOT NULL,
    -- a share of one half says nothing, and nobody is ever sure
    share              real NOT NULL CHECK (share > 0.5 AND share < 1),
    support            bigint NOT NULL CHECK (support > 0),
    run_id             bigint NOT NULL,
    PRIMARY KEY (global_customer_id, attribute)
);
COMMENT ON TABLE gold.customer_enrichments IS 'One row per golden customer and guessed attribute; empty unless [enrichment] of mdm.toml asks for guesses. They are no golden values: no rule, history or event sees them. Writer: gold (phase 10).';
COMMENT ON COLUMN gold.customer_enrichments.value IS 'gender_inferred: m or f, of customers whose sources tell no gender.';
COMMENT ON COLUMN gold.customer_enrichments.share IS 'gender_inferred: of the customers with the same given name and a gender of m or f, the share that has this one, by Laplace''s rule (n + 1) / (support + 2), so that few say little. One minus it is the doubt.';
COMMENT ON COLUMN gold.customer_enrichments.support IS 'How many customers the share was learnt from.';

CREATE VIEW gold.customer_addresses_parsed AS
WITH lines AS (
    SELECT d.global_customer_id, d.canonical_street, d.canonical_city, d.canonical_region,
           d.canonical_postcode, d.canonical_country,
           CASE WHEN l.overrides ? 'street'
                THEN btrim(regexp_replace(lower(d.canonical_street), '[^[:alnum:]]+', ' ', 'g'))
                ELSE r.std_street END AS line
    FROM gold.dim_customers AS d
    JOIN gold.customer_lineage AS l USING (global_customer_id)
    LEFT JOIN staging.records AS r ON r.record_id = l.record_ids[9]
    WHERE d.canonical_street IS NOT NULL
), without_unit AS (
    SELECT *, substring(line FROM '\munit ([a-z0-9]+)$') AS unit,
           substring(line FROM '^(?:po|p o) box ([a-z0-9]+)') AS po_box,
           regexp_replace(line, '\s*\munit [a-z0-9]+$', '') AS rest
    FROM lines
), numbered AS (
    SELECT *,
           CASE WHEN po_box IS NULL THEN
               coalesce(substring(rest FROM '^(\d+[a-z]?)\s'),
                        CASE WHEN rest !~ '\m(?:hwy|highway|rd|road|rte|route|us|state|county) \d+ ?[a-z]?$'
                             THEN replace(substring(rest FROM '\s(\d+ ?[a-z]?)$'), ' ', '') END)
           END AS house_number
    FROM without_unit
)
SELECT global_customer_id, canonical_street AS street, house_number,
       CASE WHEN po_box IS NOT NULL THEN NULL
            WHEN house_number IS NULL THEN nullif(rest, '')
            ELSE btrim(regexp_replace(rest, '^\d+[a-z]?\s|\s\d+ ?[a-z]?$', '')) END AS street_name,
       unit, po_box, canonical_city AS city, canonical_region AS region,
       canonical_postcode AS postcode, canonical_country AS country
FROM numbered;
COMMENT ON VIEW gold.customer_addresses_parsed IS 'One row per golden customer with a street: its line in parts. house_number, street_name, unit and po_box are in the folded form in which streets are compared ("main st", "unit" for apartments and suites); a part that is not there, or not told apart, is NULL.';
