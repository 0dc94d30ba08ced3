"""What `[sources.NAME.fields]` means: paths into the payload, and attributes made of them.

A field is a dotted path (`contact.email`, `addresses.0.city`), a template of paths
(`{street_number} {address_1}`, empty when all its parts are), or a list of these, of which the
first filled one counts. PostgreSQL reads the paths, polars makes the attributes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import polars as pl

from mdm.config import FieldSpec

_PART = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Term:
    """Texts and paths in turn: text, path, text, path, …, text."""

    texts: tuple[str, ...]
    paths: tuple[str, ...]

    @classmethod
    def parse(cls, written: str) -> Self:
        """The term of a path or template as it stands in `mdm.toml`."""
        if not _PART.search(written):
            return cls(("", ""), (written.strip(),))
        pieces = _PART.split(written)
        return cls(tuple(pieces[::2]), tuple(path.strip() for path in pieces[1::2]))

    def expression(self, columns: Mapping[str, str]) -> pl.Expr:
        """The value of the term, null when none of its paths is filled."""
        parts = [_filled(pl.col(columns[path])) for path in self.paths]
        if len(parts) == 1 and self.texts == ("", ""):
            return parts[0]
        pieces = [pl.lit(self.texts[0])]
        for part, text in zip(parts, self.texts[1:], strict=True):
            pieces += [part.fill_null(""), pl.lit(text)]
        return pl.when(pl.any_horizontal(part.is_not_null() for part in parts)).then(
            pl.concat_str(pieces)
        )


class FieldMapping:
    """The fields of one source, read once."""

    def __init__(self, fields: Mapping[str, FieldSpec]) -> None:
        self._terms = {
            attribute: tuple(
                Term.parse(written) for written in ((spec,) if isinstance(spec, str) else spec)
            )
            for attribute, spec in fields.items()
        }
        paths = (path for terms in self._terms.values() for term in terms for path in term.paths)
        self.columns: dict[str, str] = {
            path: f"field_{number}" for number, path in enumerate(dict.fromkeys(paths))
        }

    def expressions(self) -> list[pl.Expr]:
        """One expression per attribute over the field columns."""
        return [
            pl.coalesce(term.expression(self.columns) for term in terms).alias(attribute)
            for attribute, terms in self._terms.items()
        ]


def _filled(column: pl.Expr) -> pl.Expr:
    """`column`, null where it is blank."""
    return pl.when(column.str.strip_chars() != "").then(column)
