"""Small worlds for matching: profiles from dictionaries, their pairs, a seeded population, and a
warehouse whose profiles come and go night by night."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest
from sqlalchemy import Connection, text

from matching import run_blocking, run_matching_engine
from matching.profiles import Profiles
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext

Person = Mapping[str, str | None]


def frame_of(people: Sequence[Person]) -> pl.DataFrame:
    """A frame as ``staging.profiles`` would give it; fingerprints depend on content alone."""
    columns = list(dict.fromkeys(key for person in people for key in person))
    frame = pl.DataFrame(
        {key: [person.get(key) for person in people] for key in columns},
        schema=dict.fromkeys(columns, pl.String),
    )
    prints = [
        hashlib.sha256(repr(sorted((k, v) for k, v in person.items() if v)).encode()).hexdigest()
        for person in people
    ]
    return frame.with_columns(
        pl.Series("profile_id", np.arange(1, len(people) + 1)),
        pl.Series("fingerprint", prints),
    )


def _profiles_of(people: Sequence[Person], types: Mapping[str, str] | None = None) -> Profiles:
    """Encoded profiles of ``people``, in their order."""
    return Profiles.from_frame(frame_of(people), types)


def _all_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of ``n`` positions."""
    left, right = np.triu_indices(n, 1)
    return left.astype(np.int64), right.astype(np.int64)


Record = dict[str, str | None]

_GIVEN = """
james mary robert patricia john jennifer michael linda david elizabeth william barbara richard
susan joseph jessica thomas sarah charles karen christopher lisa daniel nancy
"""
_FAMILY = """
smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez
wilson anderson taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez
lewis robinson walker young allen king wright scott torres nguyen hill
"""
GIVEN, FAMILY = _GIVEN.split(), _FAMILY.split()
STREETS = ("oak", "maple", "cedar", "pine", "elm", "walnut", "spruce", "birch", "willow", "aspen")


def _population(
    people: int, seed: int, *, different_phone: float = 0.3, no_birth: float = 0.2
) -> tuple[list[Record], list[int]]:
    """Records of ``people`` persons, one to four each, and the person behind each record."""
    rng = np.random.default_rng(seed)
    records: list[Record] = []
    truth: list[int] = []
    for person in range(people):
        given, family = str(rng.choice(GIVEN)), str(rng.choice(FAMILY))
        birth = f"{rng.integers(1940, 2005)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"
        phone, street = _phone(rng), f"{rng.integers(1, 400)} {rng.choice(STREETS)} street"
        for _ in range(int(rng.integers(1, 5))):
            records.append(
                {
                    "given_name": given[0] if rng.random() < 0.05 else given,
                    "family_name": _typo(family, rng) if rng.random() < 0.08 else family,
                    "date_of_birth": None if rng.random() < no_birth else birth,
                    "phone": _phone(rng) if rng.random() < different_phone else phone,
                    "street": street if rng.random() < 0.9 else None,
                }
            )
            truth.append(person)
    return records, truth


def _phone(rng: np.random.Generator) -> str:
    return f"+1{rng.integers(2_000_000_000, 9_999_999_999)}"


def _typo(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word)))
    return word[:at] + "q" + word[at:]


@pytest.fixture(scope="session")
def profiles_of() -> Callable[..., Profiles]:
    """A function from dictionaries (and types of further attributes) to encoded profiles."""
    return _profiles_of


@pytest.fixture(scope="session")
def all_pairs() -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """A function from n to every pair of n positions."""
    return _all_pairs


@pytest.fixture(scope="session")
def population() -> Callable[..., tuple[list[Record], list[int]]]:
    """A function from a number of persons and a seed to their records and the truth."""
    return _population


COLUMNS = (
    "given_name", "middle_name", "family_name", "organisation", "email", "phone", "date_of_birth",
    "street", "city", "postcode", "tax_id", "extra",
)  # fmt: skip
_PUT = text(
    f"INSERT INTO staging.profiles (fingerprint, record_n, change_seq, {', '.join(COLUMNS)}) VALUES"
    " (:fingerprint, 1, :seq, :given_name, :middle_name, :family_name, :organisation, :email,"
    " :phone, CAST(:date_of_birth AS date), :street, :city, :postcode, :tax_id,"
    " CAST(:extra AS jsonb))"
)
_RETIRE = text(
    "WITH gone AS (DELETE FROM staging.profiles WHERE fingerprint = :fingerprint"
    " RETURNING profile_id)"
    " INSERT INTO staging.retired_profiles (profile_id, change_seq)"
    " SELECT profile_id, :seq FROM gone"
)


@dataclass
class Nights:
    """The profiles that live, and the phases that follow them."""

    conn: Connection
    context: Callable[..., RunContext]
    config: Config
    living: dict[uuid.UUID, Person] = field(default_factory=dict)
    seq: int = 0

    def pass_by(self, come: Iterable[Person] = (), go: Iterable[uuid.UUID] = ()) -> None:
        """One night of staging: some profiles are new, some have no record any more."""
        self.seq += 1
        for fingerprint in go:
            if self.living.pop(fingerprint, None) is not None:
                self.conn.execute(_RETIRE, {"fingerprint": fingerprint, "seq": self.seq})
        for person in come:
            fingerprint = self.fingerprint_of(person)
            if fingerprint not in self.living:
                self.living[fingerprint] = person
                values = dict.fromkeys(COLUMNS) | dict(person)
                self.conn.execute(_PUT, {**values, "fingerprint": fingerprint, "seq": self.seq})

    def block(self, *, full: bool = False) -> PhaseReport:
        """Runs blocking."""
        return run_blocking.run(self.conn, self.context(self.config, full=full))

    def match(self, *, full: bool = False) -> PhaseReport:
        """Runs matching."""
        return run_matching_engine.run(self.conn, self.context(self.config, full=full))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return [tuple(row) for row in self.conn.execute(text(sql))]

    def fingerprint(self, nth: int) -> uuid.UUID:
        """One of the living, by its number (which may be larger than there are)."""
        return list(self.living)[nth % len(self.living)]

    @staticmethod
    def fingerprint_of(person: Person) -> uuid.UUID:
        """What names the profile of this content."""
        return uuid.uuid5(uuid.NAMESPACE_OID, repr(sorted(person.items())))

    def profile_id(self, person: Person) -> int:
        """The id of the profile of this content, which lives."""
        wanted = str(self.fingerprint_of(person))
        sql = "SELECT profile_id FROM staging.profiles WHERE fingerprint = :wanted"
        return int(self.conn.execute(text(sql), {"wanted": wanted}).scalar_one())

    def pairs(self) -> list[str]:
        """The candidate pairs, by the streets of their profiles."""
        return [row[0] for row in self.rows(_BY_STREET)]

    def blocking(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that blocking says, in order."""
        return {name: self.rows(sql) for name, sql in _BLOCKING.items()}

    def scores(self) -> list[tuple[Any, ...]]:
        """All scored pairs, in order."""
        return self.rows(_SCORES)

    def groups(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that is kept of groups, in order."""
        return {name: self.rows(sql) for name, sql in _GROUPS.items()}


_BLOCKING = {
    "pairs": "SELECT * FROM staging.identity_match_candidates_blocked ORDER BY 1, 2",
    "rules": "SELECT * FROM staging.blocking_rules ORDER BY 1",
    "oversized": "SELECT rule_id, key, profile_n, pairs_left_out, action, sample_profile_id"
    " FROM staging.oversized_blocks ORDER BY 1, 2",
    "state": "SELECT largest_block, pair_budget FROM staging.blocking_state",
    "keys": "SELECT e.rule_id, e.is_refined, e.key, e.profile_id"
    " FROM staging.blocking_key_entries AS e JOIN staging.profiles AS p USING (profile_id)"
    " ORDER BY 1, 2, 3, 4",
}
_BY_STREET = (
    "SELECT concat(least(l.street, r.street), '-', greatest(l.street, r.street))"
    " FROM staging.identity_match_candidates_blocked AS b"
    " JOIN staging.profiles AS l ON l.profile_id = b.profile_id_l"
    " JOIN staging.profiles AS r ON r.profile_id = b.profile_id_r ORDER BY 1"
)
_SCORES = "SELECT * FROM staging.identity_match_candidates ORDER BY 1, 2"
_GROUPS = {
    "pairs": "SELECT g.group_id, encode(substr(g.pairs, 26 * i + 1, 26), 'hex')"
    " FROM staging.match_groups AS g, generate_series(0, length(g.pairs) / 26 - 1) AS i"
    " ORDER BY 1, 2",
    "digests": "SELECT group_id, part, tie_n, tie_digest FROM staging.match_groups ORDER BY 1, 2",
    "profiles": "SELECT bucket * 128 + i, substr(group_ids, 8 * i + 1, 8)::bigint"
    " FROM staging.profile_groups, generate_series(0, 127) AS i"
    " WHERE substr(group_ids, 8 * i + 1, 8)::bigint <> 0 ORDER BY 1",
}


@pytest.fixture
def nights(
    conn: Connection, make_context: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch
) -> Nights:
    """No profiles yet; whatever comes and goes is little enough to be looked at alone."""
    monkeypatch.setattr(run_blocking, "LARGEST_DELTA", 9.0)
    crm = {"table": "crm", "record_id": "id", "fields": {"full_name": "name"}}
    return Nights(conn, make_context, Config.model_validate({"sources": {"crm": crm}}))
