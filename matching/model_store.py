"""Models as versioned artefacts in ``ops.match_models``: which one runs use, and since when.

Retraining on the same data gives the same bytes and so the same version: it is pinned again rather
than stored twice.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Row

from db.queries import query
from matching import engine
from matching.model import MatchModel
from matching.profiles import Profiles
from matching.rules import RULES_MODEL, ExactRules
from mdm.errors import UsageError

_SQL = "matching/model_store.sql"
CODE_VERSION: Final = "8"
"""Changes when comparisons or training change meaning; part of every model."""

MATURE_PROFILES: Final = 20_000
"""A model learnt from fewer profiles is provisional: unless a person chose it, it is learnt anew
whenever there is something to match. From here on estimates move little, and a model that stays is
worth more than one that follows every night's data."""

Candidates = tuple[engine.Positions, engine.Positions, NDArray[np.int16]]


@dataclass(frozen=True)
class Pinned:
    """A model that runs score with until further notice."""

    model_id: int
    version: str
    model: MatchModel


def pinned(conn: Connection) -> Pinned | None:
    """The model that runs score with until further notice; None where one is to be learnt."""
    row = conn.execute(query(_SQL, "current")).one_or_none()
    if row is None or row.kind != "probabilistic" or _is_provisional(row):
        return None
    model = MatchModel.from_json(row.parameters)
    if model.code_version != CODE_VERSION:
        return None
    return Pinned(int(row.model_id), row.version, model)


def fitting(
    conn: Connection, profiles: Profiles, candidates: Candidates, *, run_id: int
) -> tuple[int, MatchModel, float | None]:
    """Id and model to score with, and the seconds of training if that took any: the pinned model
    while it fits, else one trained and pinned now."""
    found = pinned(conn)
    if found is not None and knows(found.model, profiles):
        return found.model_id, found.model, None
    began = time.perf_counter()
    model_id, model = train(conn, profiles, candidates, run_id=run_id, chosen_by=None)
    return model_id, model, time.perf_counter() - began


def train(
    conn: Connection,
    profiles: Profiles,
    candidates: Candidates,
    *,
    run_id: int | None,
    chosen_by: str | None,
) -> tuple[int, MatchModel]:
    """Id and model learnt from these profiles, stored and pinned."""
    model = engine.train(profiles, *candidates[:2], code_version=CODE_VERSION)
    learnt_from = {"profiles": len(profiles), "pairs": len(candidates[0])}
    model_id = _store(
        conn,
        "probabilistic",
        model.version,
        model.to_json(),
        learnt_from,
        run_id=run_id,
        chosen_by=chosen_by,
    )
    return model_id, model


def pin_rules(conn: Connection, rules: ExactRules, *, run_id: int) -> int:
    """The id of the rules-only model with these exact rules, stored and pinned."""
    parameters = orjson.dumps(
        {"rules": RULES_MODEL, "always_match": rules.always, "never_match": rules.never},
        option=orjson.OPT_SORT_KEYS,
    )
    digest = MatchModel({}, [], [], code_version=parameters.decode()).version
    return _store(conn, "rules", f"rules-{digest}", parameters, {}, run_id=run_id, chosen_by=None)


def listed(conn: Connection) -> Sequence[Row[Any]]:
    """Every model, the newest first."""
    return conn.execute(query(_SQL, "list_all")).all()


def find(conn: Connection, version: str) -> Row[Any]:
    """The one model whose version begins with ``version``. Raises UsageError otherwise."""
    rows = conn.execute(query(_SQL, "find"), {"version": version}).all()
    if len(rows) != 1:
        problem = "no model has" if not rows else "several models have"
        raise UsageError(f"{problem} a version beginning with {version!r}: mdm models list")
    return rows[0]


def use(conn: Connection, version: str, *, chosen_by: str) -> Row[Any]:
    """The model that runs use from now on, because a person said so."""
    row = find(conn, version)
    conn.execute(query(_SQL, "unpin"))
    conn.execute(query(_SQL, "pin"), {"model_id": row.model_id, "chosen_by": chosen_by})
    return row


def difference(left: Any, right: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """Where two models' parameters differ: path, left value, right value; nothing when equal."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys: list[Any] = sorted(set(left) | set(right))
        pairs = [(f"{path}.{key}".lstrip("."), left.get(key), right.get(key)) for key in keys]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = [
            (f"{path}[{_label(a, i)}]", a, b)
            for i, (a, b) in enumerate(zip(left, right, strict=True))
        ]
    else:
        return [] if left == right else [(path, left, right)]
    return [found for inner, a, b in pairs for found in difference(a, b, inner)]


def _label(value: Any, index: int) -> str:
    """An attribute's name where the list is of attributes: easier to read than its place."""
    return str(value.get("name", index)) if isinstance(value, dict) else str(index)


def _is_provisional(row: Row[Any]) -> bool:
    learnt_from = int(row.data_profile.get("profiles", 0))
    return row.chosen_by is None and learnt_from < MATURE_PROFILES


def knows(model: MatchModel, profiles: Profiles) -> bool:
    """Whether the model was learnt with every attribute and kind of customer that is here now."""
    known = {
        attribute.name for segment in model.segments.values() for attribute in segment.attributes
    }
    present = set(profiles.columns) | ({"given_name"} if (profiles.given >= 0).any() else set())
    kinds = {"organisation"} if profiles.is_organisation.any() else set()
    if (~profiles.is_organisation).any():
        kinds.add("person")
    return present - {"organisation"} <= known and kinds <= set(model.segments)


def _store(
    conn: Connection,
    kind: str,
    version: str,
    parameters: bytes,
    learnt_from: dict[str, int],
    *,
    run_id: int | None,
    chosen_by: str | None,
) -> int:
    conn.execute(query(_SQL, "unpin"))
    known = [
        row
        for row in conn.execute(query(_SQL, "find"), {"version": version})
        if row.version == version
    ]
    if known:
        model_id = int(known[0].model_id)
        conn.execute(query(_SQL, "pin"), {"model_id": model_id, "chosen_by": chosen_by})
        return model_id
    return int(
        conn.execute(
            query(_SQL, "insert"),
            {
                "version": version,
                "kind": kind,
                "run_id": run_id,
                "code_version": CODE_VERSION,
                "parameters": parameters.decode(),
                "data_profile": orjson.dumps(learnt_from).decode(),
                "chosen_by": chosen_by,
            },
        ).scalar_one()
    )
