"""The warehouse edge: connections, named queries, migrations and COPY."""

from db.processor import sort_without_avx512

sort_without_avx512()
