"""Models as artefacts: the first run trains, equal data give equal bytes, a person chooses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Connection, text

from matching import model_store

NAMES = [
    (given, family)
    for given in ("Anna", "Ben", "Carla", "Dan", "Eve")
    for family in ("Keller", "Okafor", "Lopes")
]
PEOPLE = [
    {
        "id": str(number),
        "name": f"{given} {family}",
        "email": f"{given}.{family}@example.org".lower(),
        "dob": f"{number % 28 + 1:02}/0{number % 9 + 1}/19{50 + number % 50}",
        "city": "Leeds",
        "postcode": f"LS{number % 9 + 1} 4AP",
        "updated_at": "2026-01-01T08:00:00Z",
    }
    for number, (given, family) in enumerate(NAMES * 2)
]


def deliver(mdm: Any, people: list[dict[str, str]], name: str) -> None:
    mdm.write(name, "".join(json.dumps(person) + "\n" for person in people))
    assert mdm("load", name, "--source", "crm") == 0, mdm.err
    assert mdm("run") == 0, mdm.err


def models(mdm: Any) -> list[str]:
    assert mdm("models", "list") == 0, mdm.err
    return mdm.out.splitlines()


def test_the_first_run_trains_and_the_same_data_give_the_same_bytes(mdm: Any) -> None:
    deliver(mdm, PEOPLE, "a.jsonl")
    listed = models(mdm)
    assert len(listed) == 1
    assert listed[0].startswith("* ")
    assert mdm("train") == 0, mdm.err
    version = mdm.out.strip()
    assert version in listed[0]
    assert len(models(mdm)) == 1
    stored = (mdm.folder / "home" / "models" / f"{version}.json").read_bytes()
    assert mdm("train") == 0, mdm.err
    assert (mdm.folder / "home" / "models" / f"{version}.json").read_bytes() == stored
    assert mdm("models", "show", version[:6]) == 0
    assert json.loads(mdm.out) == json.loads(stored)


def test_a_model_learnt_from_little_is_provisional_until_somebody_chooses_it(mdm: Any) -> None:
    deliver(mdm, PEOPLE[:15], "a.jsonl")
    first = models(mdm)[0].split()[1]
    deliver(mdm, PEOPLE[15:], "b.jsonl")
    assert len(models(mdm)) == 2
    assert mdm("models", "use", first) == 0, mdm.err
    assert mdm("run") == 0, mdm.err
    deliver(mdm, [PEOPLE[0] | {"id": "new", "email": "x@example.org"}], "c.jsonl")
    listed = models(mdm)
    assert len(listed) == 2
    assert next(line for line in listed if line.startswith("*")).split()[1] == first
    second = next(line for line in listed if not line.startswith("*")).split()[0]
    assert mdm("models", "diff", first, second) == 0
    assert mdm.out
    assert mdm("models", "diff", first, first) == 0
    assert mdm.out == ""
    assert mdm("check") == 0, mdm.out


@pytest.mark.parametrize(("version", "told"), [("zzz", "no model"), ("", "several models")])
def test_a_version_must_name_one_model(mdm: Any, version: str, told: str, conn: Connection) -> None:
    for name in ("a1", "a2"):
        conn.execute(
            text(
                "INSERT INTO ops.match_models (version, kind, code_version, parameters)"
                " VALUES (:name, 'rules', '1', '{}')"
            ),
            {"name": name},
        )
    conn.commit()
    assert mdm("models", "show", version) == 2
    assert told in mdm.err


def test_differences_are_found_at_their_path() -> None:
    left = {"a": 1, "list": [{"name": "email", "m": [0.9, 0.1]}], "only": True}
    right = {"a": 1, "list": [{"name": "email", "m": [0.8, 0.1]}]}
    assert model_store.difference(left, right) == [
        ("list[email].m[0]", 0.9, 0.8),
        ("only", True, None),
    ]
