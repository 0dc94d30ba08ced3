-- What a run has made or ended is found without reading every customer there is.

-- Customers are numbered and stored in the order of their birth.
CREATE INDEX customers_created_run ON identity.customers
    USING brin (created_run_id) WITH (pages_per_range = 32);
CREATE INDEX customers_ended_run ON identity.customers (ended_run_id) WHERE ended_run_id IS NOT NULL;
CREATE INDEX retired_records_run ON identity.retired_records
    USING brin (run_id) WITH (pages_per_range = 32);
