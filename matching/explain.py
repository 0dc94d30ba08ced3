"""Why two records are one customer or not, as data: values, levels, weights, blocking, decision.

The score is computed anew under the pinned model, which works for any two records, met or not:
levels depend on nothing but the two values, and everything learnt from the data is in the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
from sqlalchemy import Connection, Row

from db import bulk
from db.queries import load, query
from matching import engine
from matching.blocking_keys import key_query
from matching.model import MatchModel, SegmentModel
from matching.profiles import ORGANISATION, PERSON, Profiles
from matching.rules import RULES_MODEL, ExactRules, all_equal
from mdm.config import Config
from mdm.errors import UsageError

_SQL = "matching/explain.sql"


@dataclass(frozen=True)
class Evidence:
    """What one attribute says about a pair: bits above 0 speak for one customer.

    Bits are log2 of how much likelier this level is for one customer than for strangers.
    """

    attribute: str
    left: str | None
    right: str | None
    level: str
    bits: float


@dataclass(frozen=True)
class BlockingTrace:
    """What one blocking rule made of a pair: ``outcome`` in words."""

    rule: str
    outcome: str


@dataclass(frozen=True)
class PairExplanation:
    """The whole case of two records.

    ``bits`` is prior + evidence + correction; ``probability`` the calibrated one. ``rule`` names
    an exact rule that decided instead. ``stored`` is the score on record, None if the two never
    met.
    """

    left: str
    right: str
    left_customer: UUID | None
    right_customer: UUID | None
    same_profile: bool
    model: str | None
    prior_bits: float
    evidence: tuple[Evidence, ...]
    correction_bits: float
    bits: float
    probability: float
    decision: str
    rule: str | None
    steward: str | None
    found_by: str | None
    stored: dict[str, Any] | None
    blocking: tuple[BlockingTrace, ...]
    ignored: tuple[str, ...]
    """Values of either record that the shared-value register leaves out, in words."""

    @property
    def same_customer(self) -> bool:
        """Whether the two are one customer today."""
        return self.left_customer is not None and self.left_customer == self.right_customer


def explain_pair(conn: Connection, config: Config, left: str, right: str) -> PairExplanation:
    """The case of two records given as ``source:record_id``.

    Raises UsageError when one of them is not a live record.
    """
    one, other = _record(conn, left), _record(conn, right)
    ids = [one.profile_id, other.profile_id]
    profiles = _profiles(conn, config, ids)
    position = {int(profile): i for i, profile in enumerate(profiles.profile_id)}
    sides = (position[one.profile_id], position[other.profile_id])
    stored = conn.execute(
        query(_SQL, "stored_score"), {"left": ids[0], "right": ids[1]}
    ).one_or_none()
    judged = _judged(conn, config, profiles, sides)
    return PairExplanation(
        left=left,
        right=right,
        left_customer=one.global_customer_id,
        right_customer=other.global_customer_id,
        same_profile=ids[0] == ids[1],
        steward=_steward(conn, one, other),
        found_by=None if stored is None else stored.found_by,
        stored=None
        if stored is None
        else {
            "probability": float(stored.match_probability),
            "bits": float(stored.match_weight),
            "decision": stored.decision,
        },
        blocking=_blocking(conn, config, ids),
        ignored=(*_ignored(conn, one), *_ignored(conn, other)),
        **judged,
    )


def _record(conn: Connection, name: str) -> Row[Any]:
    source, colon, record = name.partition(":")
    if not colon:
        raise UsageError(f"{name!r} is no record: write source:record_id, for example crm:17")
    row = conn.execute(query(_SQL, "record"), {"source": source, "record": record}).one_or_none()
    if row is None:
        raise UsageError(
            f"there is no live record {name}: never loaded, deleted, or refused "
            "(raw.rejected_lines says why)"
        )
    return row


def _ignored(conn: Connection, record: Row[Any]) -> list[str]:
    name = {"source": record.source, "record": record.source_record_id}
    return [
        f"{record.source}:{record.source_record_id} has {row.attribute} {row.value}: shared by "
        f"{row.name_n} different names, no evidence"
        for row in conn.execute(query(_SQL, "ignored_values"), name)
    ]


def _profiles(conn: Connection, config: Config, ids: list[int]) -> Profiles:
    rows = conn.execute(query(_SQL, "profiles"), {"profile_ids": ids})
    columns = list(rows.keys())
    types = {name: attribute.type for name, attribute in config.attributes.items()}
    frame = pl.DataFrame(
        [tuple(row) for row in rows],
        schema={name: pl.Int64 if name == "profile_id" else pl.String for name in columns},
        orient="row",
    ).with_columns(
        pl.col("extra").str.json_path_match(f"$.{name}").alias(name) for name in sorted(types)
    )
    return Profiles.from_frame(frame, types)


def _judged(
    conn: Connection, config: Config, profiles: Profiles, sides: tuple[int, int]
) -> dict[str, Any]:
    """What model and exact rules say about two positions of ``profiles``."""
    left, right = np.array([sides[0]]), np.array([sides[1]])
    matching = config.matching
    rules = ExactRules(matching.always_match, matching.never_match)
    row = conn.execute(query(_SQL, "current_model")).one_or_none()
    result: dict[str, Any] = {
        "model": None if row is None else row.version,
        "prior_bits": 0.0,
        "evidence": (),
        "correction_bits": 0.0,
        "bits": 0.0,
        "probability": 0.0,
        "decision": "REJECT",
        "rule": None,
    }
    if row is not None and row.kind == "probabilistic":
        model = MatchModel.from_json(row.parameters)
        engine.freeze_words(profiles, model)
        weight, levels, contributions = engine.score(profiles, model, left, right)
        kind = ORGANISATION if profiles.is_organisation[left[0]] else PERSON
        segment = model.segments.get(kind)
        if segment is not None:
            size = len(segment.attributes)
            result["prior_bits"] = float(np.log2(segment.prior_match / (1 - segment.prior_match)))
            result["evidence"] = _evidence(profiles, segment, sides, levels[0], contributions[0])
            result["correction_bits"] = float(contributions[0][size])
        result["bits"] = float(weight[0])
        result["probability"] = float(engine.probabilities(profiles, model, left, weight)[0])
    always = rules.always + (RULES_MODEL if matching.model == "rules" else ())
    if rules.forbids(profiles, left, right)[0]:
        result |= {"rule": "never_match, or a person and an organisation", "probability": 0.0}
    else:
        for rule in always:
            if all_equal(profiles, rule, left, right)[0]:
                result |= {"rule": f"always_match: same {', '.join(rule)}", "probability": 1.0}
                break
    # in the precision of the stored scores, so that a pair on the threshold is decided alike
    probability = np.float32(result["probability"])
    if probability >= np.float32(matching.auto_merge):
        result["decision"] = "AUTO_MERGE"
    elif probability >= np.float32(matching.review):
        result["decision"] = "FLAG_REVIEW"
    return result


def _evidence(
    profiles: Profiles,
    segment: SegmentModel,
    sides: tuple[int, int],
    levels: Any,
    contributions: Any,
) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            attribute.name,
            _value(profiles, attribute.name, sides[0]),
            _value(profiles, attribute.name, sides[1]),
            "absent" if levels[place] < 0 else attribute.levels[levels[place]],
            float(contributions[place]),
        )
        for place, attribute in enumerate(segment.attributes)
    )


def _value(profiles: Profiles, attribute: str, side: int) -> str | None:
    if attribute in ("given_name", "family_name"):
        codes = profiles.given if attribute == "given_name" else profiles.family
        code = int(codes[side])
        return profiles.person_names.values[code] if code >= 0 else None
    column = profiles.columns.get(attribute)
    if column is None or column.codes[side] < 0:
        return None
    return column.values[int(column.codes[side])]


def _blocking(conn: Connection, config: Config, ids: list[int]) -> tuple[BlockingTrace, ...]:
    """What each rule in use makes of two profiles; their keys are computed anew."""
    traces = []
    for rule in conn.execute(query(_SQL, "rules")).all():
        select = key_query(conn, config, rule.rule_id, rule.name)
        with bulk.cursor(conn) as cursor:
            statement = load(_SQL)["keys"].replace("{rule}", select.replace("%", "%%"))
            cursor.execute(statement, {"left": ids[0], "right": ids[1]})
            rows = cursor.fetchall()
        left, right = ({key for profile, key in rows if profile == one} for one in ids)
        cut = conn.execute(
            query(_SQL, "cut"), {"rule_id": rule.rule_id, "keys": sorted(left & right)}
        ).scalar_one()
        traces.append(BlockingTrace(rule.name, _outcome(left, right, cut)))
    return tuple(traces)


def _outcome(left: set[int], right: set[int], cut: str | None) -> str:
    if cut:
        return f"shared, but the block was cut: {cut}"
    if left & right:
        return f"shared ({len(left & right)})"
    lacking = [side for side, keys in (("left", left), ("right", right)) if not keys]
    return f"no value on the {' and the '.join(lacking)}" if lacking else "different"


def _steward(conn: Connection, one: Row[Any], other: Row[Any]) -> str | None:
    row = conn.execute(
        query(_SQL, "steward_word"),
        {
            "source_l": one.source,
            "record_l": one.source_record_id,
            "source_r": other.source,
            "record_r": other.source_record_id,
        },
    ).one_or_none()
    if row is None:
        return None
    return f"{row.verdict} by {row.steward} (decision {row.decision_id}): {row.reason}"
