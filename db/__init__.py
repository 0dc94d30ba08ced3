"""The warehouse edge: connections, named queries, migrations and COPY."""
