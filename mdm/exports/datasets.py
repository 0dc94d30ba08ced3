"""What can be exported: each dataset's query and where it holds customers' values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from mdm.attributes import ATTRIBUTES

#: A source record's own id may be an e-mail address or a tax number; it can be masked like one.
RECORD_ID: Final = "source_record_id"
_COLUMNS: Final = MappingProxyType({f"canonical_{name}": name for name in ATTRIBUTES})


@dataclass(frozen=True)
class Dataset:
    """One thing to export, and which of its columns hold what a mask may be for.

    ``columns`` maps a column to its attribute; ``documents`` are JSON objects by canonical column
    with further attributes below ``extra``; ``extras`` are JSON objects of further attributes;
    ``told`` maps a column to the column that names its attribute; ``verbatim`` columns hold a
    source's words and are emptied by any mask.
    """

    name: str
    title: str
    columns: Mapping[str, str] = field(default_factory=dict)
    documents: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    verbatim: tuple[str, ...] = ()
    #: The query that shows the dataset at a moment of the past; None where there is none.
    at: str | None = None


DATASETS: Final[Mapping[str, Dataset]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Dataset(
                "customers",
                "golden customers",
                columns=_COLUMNS,
                extras=("extra",),
                at="customers_at",
            ),
            Dataset(
                "lineage",
                "why each golden value is what it is",
                columns={RECORD_ID: RECORD_ID},
                told={"value": "attribute"},
            ),
            Dataset("history", "versions of golden customers", columns=_COLUMNS, extras=("extra",)),
            Dataset(
                "identity_map",
                "source records with their customer",
                columns={RECORD_ID: RECORD_ID},
            ),
            Dataset("events", "change events", documents=("old_values", "new_values")),
            Dataset("rejects", "lake lines in quarantine", verbatim=("line", "detail")),
        )
    }
)
