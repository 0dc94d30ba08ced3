"""Exports: what gold and its neighbours hold, as CSV, Parquet, DuckDB or Excel, or in the lake."""
