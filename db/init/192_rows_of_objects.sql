-- Whether raw holds what its ledger says can be asked of all raw tables at once.

CREATE FUNCTION raw.count_rows(since_run_id bigint) RETURNS TABLE (object_id bigint, row_n bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    source_table regclass;
BEGIN
    FOR source_table IN
        SELECT a.attrelid
        FROM pg_catalog.pg_attribute AS a
        JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
        WHERE c.relnamespace = CAST('raw' AS regnamespace) AND c.relkind = 'r'
          AND a.attname IN ('object_id', 'line_no', 'source_record_id', 'payload')
        GROUP BY a.attrelid
        HAVING count(*) = 4
    LOOP
        IF since_run_id = 0 THEN
            RETURN QUERY EXECUTE format('SELECT r.object_id, count(*) FROM %s AS r GROUP BY 1', source_table);
        ELSE
            RETURN QUERY EXECUTE format(
                'SELECT r.object_id, count(*) FROM %s AS r WHERE r.object_id = ANY (ARRAY('
                'SELECT o.object_id FROM raw.lake_objects AS o WHERE o.run_id > $1)) GROUP BY 1',
                source_table) USING since_run_id;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION raw.count_rows(bigint) IS 'Rows per object in the tables of all sources: of the objects that runs behind this one read, or of all (0).';
