"""The match model as data: what training finds, scoring uses, ``ops.match_models`` keeps.

A model has one *segment* per kind of customer (persons, organisations), each a Fellegi-Sunter model
with three hypotheses about a pair: one customer (m), two related customers (h), strangers (u).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

FORMAT = 1


@dataclass
class AttributeModel:
    """The likelihoods of one attribute's comparison levels.

    ``u_of_value`` holds the chance that a stranger shares the value, for values common enough to
    know it; all others have ``u[frequency_level]``.
    """

    name: str
    type: str
    levels: list[str]
    m: list[float]
    u: list[float]
    h: list[float]
    frequency_level: int | None = None
    u_of_value: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class SegmentModel:
    """The model of one kind of customer: priors for a random pair, and its attributes.

    ``namesake_bits`` is what agreement on a given name loses where the family name agrees too, by
    full name (``given|family``): by how much strangers share it more often than its parts say.
    ``known_names`` says with how many others each name goes (:mod:`matching.known_names`).
    """

    kind: str
    attributes: list[AttributeModel]
    prior_match: float
    prior_related: float
    profiles_n: int = 0
    pairs_n: int = 0
    namesake_bits: dict[str, float] = field(default_factory=dict)
    word_shares: dict[str, dict[str, float]] = field(default_factory=dict)
    known_names: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class MatchModel:
    """A complete model; ``version`` is a digest of it, so equal models have one version.

    ``calibration`` is that of persons: intercept and slope from raw to calibrated bits.
    """

    segments: dict[str, SegmentModel]
    calibration: list[float]
    organisation_calibration: list[float]
    code_version: str = ""

    def to_json(self) -> bytes:
        """The model as canonical JSON: the same model gives the same bytes."""
        return orjson.dumps({"format": FORMAT, **asdict(self)}, option=orjson.OPT_SORT_KEYS)

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that name these parameters."""
        return hashlib.sha256(self.to_json()).hexdigest()[:12]

    @classmethod
    def from_json(cls, data: bytes | dict[str, Any]) -> MatchModel:
        """The model that ``to_json`` wrote; ValueError when the format is not known."""
        raw = dict(data) if isinstance(data, dict) else orjson.loads(data)
        if raw.pop("format", None) != FORMAT:
            raise ValueError("a match model of another format: train it anew with 'mdm train'")
        segments = {
            kind: SegmentModel(
                **{
                    **segment,
                    "attributes": [AttributeModel(**one) for one in segment["attributes"]],
                }
            )
            for kind, segment in raw.pop("segments").items()
        }
        raw.setdefault("organisation_calibration", raw["calibration"])  # as it was once
        return cls(segments=segments, **raw)
