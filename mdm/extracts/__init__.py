"""Any extract a company can produce, as JSON lines: files, databases, objects of a bucket.

Polars, DuckDB, fastexcel, SQLAlchemy and the csv module do the reading; this room decides which of
them, says what it found, and keeps every value as the source wrote it.
"""
