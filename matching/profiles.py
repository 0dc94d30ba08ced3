"""Profiles encoded for comparison, and the list of comparisons that their attributes allow."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matching.distances import WORKERS
from matching.encode import Codes, Column, encode, encode_values

PERSON, ORGANISATION = "person", "organisation"
_PLAIN = (
    "middle_name", "name_suffix", "organisation", "email", "phone", "date_of_birth", "gender",
    "street", "city", "region", "postcode", "country", "tax_id", "customer_number",
)  # fmt: skip
EXTRA_TYPES = ("name", "text", "category", "date", "number", "identifier")


@dataclass
class Profiles:
    """All profiles of a run as encoded columns; ``rank`` orders them by fingerprint, not by id."""

    profile_id: NDArray[np.int64]
    rank: NDArray[np.int64]
    columns: dict[str, Column]
    given: Codes
    family: Codes
    middle: Codes
    person_names: Column
    is_organisation: NDArray[np.bool_]
    extra_types: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _full_names(self) -> tuple[NDArray[np.int64], Codes]:
        low = np.minimum(self.given, self.family).astype(np.int64)
        high = np.maximum(self.given, self.family)
        keys, codes = np.unique(low * (len(self.person_names.text) + 1) + high, return_inverse=True)
        return keys, np.where(low < 0, -1, codes).astype(np.int32)

    @property
    def full_name(self) -> Codes:
        """A code per full name (given and family, in either order); -1 without both."""
        return self._full_names[1]

    @property
    def full_name_parts(self) -> tuple[Codes, Codes]:
        """The two names of each full name, the one first that comes first in the alphabet."""
        low, high = np.divmod(self._full_names[0], len(self.person_names.text) + 1)
        return low.clip(-1).astype(np.int32), np.where(low < 0, -1, high).astype(np.int32)

    def __len__(self) -> int:
        return len(self.profile_id)

    @classmethod
    def from_frame(
        cls, frame: pl.DataFrame, extra_types: Mapping[str, str] | None = None
    ) -> Profiles:
        """Encoded profiles of ``frame`` (columns of ``staging.profiles``; missing ones are blank).

        ``extra_types`` names the configured further attributes, each found as a column of that
        name, with its comparison type. Columns that no row fills are left out.
        """
        types = dict(sorted((extra_types or {}).items()))
        filled = [
            name
            for name in (*_PLAIN, *types)
            if name in frame.columns and frame[name].null_count() < len(frame)
        ]
        person = [_text(frame, name) for name in ("given_name", "family_name", "middle_name")]
        # What is encoded beside each other keeps both cores busy.
        with ThreadPoolExecutor(WORKERS) as pool:
            ranks = pool.submit(_ranks, frame["fingerprint"])
            several = pool.submit(encode_values, person)
            every = pool.map(lambda name: encode(_text(frame, name)), filled)
            columns = {
                name: column for name, column in zip(filled, every, strict=True) if len(column.text)
            }
            (given, family, middle), names = several.result()
            rank = ranks.result()
        blank = np.full(len(frame), -1, dtype=np.int32)
        organisation = columns["organisation"].codes if "organisation" in columns else blank
        return cls(
            profile_id=frame["profile_id"].to_numpy().astype(np.int64),
            rank=rank,
            columns=columns,
            given=given,
            family=family,
            middle=middle,
            person_names=Column(np.concatenate([given, family]), names),
            is_organisation=(organisation >= 0) & (given < 0) & (family < 0),
            extra_types=types,
        )


def _ranks(fingerprints: pl.Series) -> NDArray[np.int64]:
    """The place of each fingerprint in their order, from 0."""
    # Their first eight bytes nearly always tell them apart, the next eight those that are left: a
    # number sorts many times faster than a text.
    wire = fingerprints.cast(pl.Binary)
    if (wire.bin.size() >= 16).all():
        high, low = (
            wire.bin.slice(start, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big").to_numpy()
            for start in (0, 8)
        )
        order = np.argsort(high)
        ordered = high[order]
        is_tied = np.append(ordered[1:] == ordered[:-1], False)
        tied = np.flatnonzero(is_tied | np.roll(is_tied, 1))
        few = order[tied]
        few = few[np.lexsort((low[few], high[few]))]
        order[tied] = few
        if not ((low[few][1:] == low[few][:-1]) & (high[few][1:] == high[few][:-1])).any():
            ranks = np.empty(len(order), dtype=np.int64)
            ranks[order] = np.arange(len(order))
            return ranks
    return fingerprints.rank("ordinal").to_numpy().astype(np.int64) - 1


def _text(frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        return pl.Series(name, [None] * len(frame), dtype=pl.String)
    return frame[name].cast(pl.String)
