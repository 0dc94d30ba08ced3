-- Made-up golden customers for the export benchmark.

-- name: fill_gold
-- :records rows of gold.dim_customers, as wide as real ones: every attribute filled but a few, two
-- sources, a further attribute. Nothing else of gold is filled.
INSERT INTO gold.dim_customers
SELECT gen_random_uuid(), concat_ws(' ', 'Given' || n % 997, 'Middle', 'Family-Ñame' || n % 9973),
       'Given' || n % 997, CASE WHEN n % 3 = 0 THEN 'Middle' END, 'Family-Ñame' || n % 9973,
       'given' || n || '@example.org', '+4420' || 70000000 + n, DATE '1940-01-01' + n % 25000,
       CASE WHEN n % 5 > 0 THEN 'F' END, n % 400 || ' Station Road, "Flat ' || n % 9 || '"',
       'City ' || n % 500, 'Region ' || n % 50, lpad(CAST(n % 99999 AS text), 5, '0'),
       (ARRAY['GB', 'DE', 'FR', 'US'])[1 + n % 4], NULL, 'C' || n, NULL,
       jsonb_build_object('occupation', 'Occupation ' || n % 300), ARRAY['crm', 'shop'], 'crm', 2, 0.875,
       0.98, TIMESTAMPTZ '2026-01-01' - n * INTERVAL '1 minute', TIMESTAMPTZ '2026-01-01',
       TIMESTAMPTZ '2026-01-02', 1
FROM generate_series(1, CAST(:records AS integer)) AS n
