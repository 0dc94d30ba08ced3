"""Named SQL: every statement of the project is in a ``.sql`` file beside the phase that runs it.

A file holds queries, each introduced by ``-- name: query_name`` and a sentence on purpose and
grain. The idea (named queries in a file, a loader of a few lines) is aiosql's and procrastinate's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

from sqlalchemy import TextClause, text

_NAME = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)


@functools.cache
def load(path: str) -> Mapping[str, str]:
    """The queries of ``package/file.sql`` as a read-only mapping of name to SQL text.

    Raises FileNotFoundError for an unknown file and ValueError when it names a query twice.
    """
    package, _, name = path.partition("/")
    source = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    parts = _NAME.split(source)[1:]
    names = parts[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path} names a query twice")
    return MappingProxyType(
        {name: body.strip() for name, body in zip(names, parts[1::2], strict=True)}
    )


@functools.cache  # to look for the parameters costs as much as a small statement does
def query(path: str, name: str) -> TextClause:
    """The query ``name`` of ``package/file.sql``, ready for bound parameters (``:name``)."""
    return text(load(path)[name])
