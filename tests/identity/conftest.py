"""A small world for identity: records with contents, pairs of contents, runs of the phase."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, text

from identity.run_identity_resolution import run
from mdm import check
from mdm.config import Config
from mdm.phases import PhaseReport, RunContext

Event = tuple[str, str, str | None, int, str]


@dataclass
class World:
    """Fills staging as the phases before would, and reads identity as a person would.

    A record is a name such as ``"a1"``, its profile is its content, by default a content of its
    own. Pairs are between contents. Customers are named ``C1``, ``C2`` … by age.
    """

    conn: Connection
    make_context: Callable[..., RunContext]
    config: Config
    contents: dict[str, str] = field(default_factory=dict)
    pairs: dict[tuple[str, str], tuple[str, float, bool]] = field(default_factory=dict)
    poor: set[str] = field(default_factory=set)
    keeps_profiles: bool = False

    def put(self, *records: str, content: str | None = None) -> World:
        """Adds records, or changes what they say."""
        self.contents |= {record: content or record for record in records}
        return self

    def remove(self, *records: str) -> World:
        """Deletes records at their source."""
        for record in records:
            del self.contents[record]
        return self

    def pair(self, left: str, right: str, decision: str = "AUTO_MERGE", p: float = 0.99) -> World:
        """Scores a pair of contents."""
        self.pairs[left, right] = (decision, p, False)
        return self

    def unpair(self, left: str, right: str) -> World:
        """Takes a pair's evidence away."""
        del self.pairs[left, right]
        return self

    def veto(self, left: str, right: str) -> World:
        """Scores a pair that must never be one customer."""
        self.pairs[left, right] = ("REJECT", 0.01, True)
        return self

    def judge(self, left: str, verdict: str, right: str) -> int:
        """The id of a steward's decision on two records."""
        self.stage()
        return int(
            self.conn.execute(
                text(
                    "INSERT INTO identity.steward_link_decisions (verdict, source_l,"
                    " source_record_id_l, source_r, source_record_id_r, steward, reason)"
                    " VALUES (:verdict, 'crm', :left, 'crm', :right, 'ann', 'called them')"
                    " RETURNING decision_id"
                ),
                {"verdict": verdict, "left": left, "right": right},
            ).scalar_one()
        )

    def undo(self, decision: int) -> None:
        """Takes a decision back."""
        self.conn.execute(
            text(
                "INSERT INTO identity.steward_link_decisions (undoes, steward, reason)"
                " VALUES (:decision, 'ann', 'was wrong')"
            ),
            {"decision": decision},
        )

    def resolve(self, **identity: Any) -> PhaseReport:
        """The report of a run over the world as it is; keywords are settings of ``[identity]``."""
        self.stage()
        settings = self.config.model_copy(
            update={"identity": self.config.identity.model_copy(update=identity)}
        )
        report = run(self.conn, self.make_context(settings))
        self.check()
        return report

    def check(self) -> None:
        """Nothing breaks an invariant of identity."""
        for invariant in check.invariants(("identity/invariants.sql",)):
            assert self.conn.execute(text(invariant.sql)).all() == [], invariant.title

    def stage(self) -> None:
        """Writes staging whole, as a restart after a crash would: with new profile ids.

        With ``keeps_profiles`` as a night does: a content that is still there keeps its profile.
        """
        state = repr((sorted(self.contents.items()), sorted(self.pairs.items()), self.poor))
        digest = hashlib.sha256(state.encode()).hexdigest()
        marker = self.conn.execute(
            text("SELECT config_hash FROM staging.volatile_marker WHERE layer = 'matching'")
        ).scalar()
        if marker == digest:
            return
        for record, content in self.contents.items():
            self.conn.execute(text(_PUT), {"record": record, "content": content})
        self.conn.execute(text(_DELETE), {"records": list(self.contents)})
        for statement in _RENEW if self.keeps_profiles else _REBUILD:
            self.conn.execute(text(statement), {"poor": list(self.poor)})
        for (left, right), (decision, p, vetoed) in self.pairs.items():
            self.conn.execute(
                text(_PAIR),
                {"l": left, "r": right, "decision": decision, "p": p, "vetoed": vetoed},
            )
        self._group()
        for layer in ("identity_inputs", "matching"):
            self.conn.execute(text(_MARK), {"layer": layer, "digest": digest})

    def _group(self) -> None:
        """Keeps the groups that the scored pairs propose, as matching would."""
        rows = self.conn.execute(text(_SCORED)).all()
        group: dict[int, int] = {row.l: row.l for row in rows} | {row.r: row.r for row in rows}
        for _ in rows:  # at most so many steps from one end of a group to the other
            for row in rows:
                if row.decision > 0:
                    group[row.l] = group[row.r] = min(group[row.l], group[row.r])
        pairs: dict[int, list[bytes]] = {}
        for row in rows:
            if row.decision > 0 or group[row.l] == group[row.r]:
                scored = (row.l, row.r, 1.0, row.p, row.decision, False)
                pairs.setdefault(group[row.l], []).append(_GROUPED.pack(*scored))
        self.conn.execute(text("TRUNCATE staging.match_groups, staging.profile_groups"))
        for group_id, packed in pairs.items():
            values = {"group": group_id, "pairs": b"".join(packed)}
            self.conn.execute(text(_GROUP), values)
        buckets: dict[int, list[int]] = {}
        for profile, group_id in group.items():
            if group_id in pairs:
                buckets.setdefault(profile >> 7, [0] * 128)[profile & 127] = group_id
        for bucket, ids in buckets.items():
            values = {"bucket": bucket, "ids": struct.pack(">128q", *ids)}
            self.conn.execute(text(_PLACES), values)

    def names(self) -> dict[Any, str]:
        """Every id ever published with its name."""
        rows = self.conn.execute(
            text("SELECT global_customer_id FROM identity.customers ORDER BY customer_seq")
        )
        return {row[0]: f"C{i}" for i, row in enumerate(rows, start=1)}

    def customers(self) -> dict[str, str]:
        """The whole identity map: per customer its records."""
        names = self.names()
        rows = self.conn.execute(
            text(
                "SELECT global_customer_id, string_agg(source_record_id, ' '"
                " ORDER BY source_record_id) FROM identity.customer_identity_map GROUP BY 1"
            )
        )
        return dict(sorted((names[row[0]], row[1]) for row in rows))

    def states(self) -> dict[str, str]:
        """The whole of customers: per id its state, or where it redirects."""
        names = self.names()
        rows = self.conn.execute(
            text("SELECT global_customer_id, state, merged_into FROM identity.customers")
        ).all()
        return {names[r[0]]: f"-> {names[r[2]]}" if r[2] else r[1] for r in rows}

    def resolved(self) -> dict[str, str | None]:
        """Every id ever published with what ``identity.resolve`` makes of it."""
        names = self.names()
        rows = self.conn.execute(
            text(
                "SELECT global_customer_id, identity.resolve(global_customer_id)"
                " FROM identity.customers"
            )
        ).all()
        return {names[r[0]]: names.get(r[1]) for r in rows}

    def events(self) -> list[Event]:
        """The whole event log: type, id, related id, records, cause."""
        names = self.names()
        rows = self.conn.execute(
            text(
                "SELECT event_type, global_customer_id, related_customer_id, record_n, cause"
                " FROM identity.identity_events ORDER BY event_id"
            )
        ).all()
        return [(r[0], names[r[1]], names.get(r[2]), r[3], r[4]) for r in rows]

    def waiting(self) -> int:
        """How many doubtful links wait for a steward."""
        rows = self.conn.execute(text("SELECT count(*) FROM identity.waiting_edges"))
        return int(rows.scalar_one())

    def decisions(self) -> dict[str, str]:
        """Per record what holds it in its customer."""
        rows = self.conn.execute(
            text("SELECT source_record_id, decision FROM identity.customer_identity_map")
        )
        return {row[0]: row[1] for row in sorted(rows)}


_PUT = """
INSERT INTO staging.records (source, source_record_id, object_id, line_no, event_at, change_seq,
                             run_id, std_name)
VALUES ('crm', :record, 1, 1, '2026-01-01Z', nextval('staging.change_seq'), 1, :content)
ON CONFLICT (source, source_record_id) DO UPDATE
SET std_name = excluded.std_name, is_deleted = false, change_seq = excluded.change_seq
WHERE (records.std_name, records.is_deleted) IS DISTINCT FROM (excluded.std_name, false)
"""
_DELETE = """
UPDATE staging.records SET is_deleted = true, change_seq = nextval('staging.change_seq')
WHERE NOT is_deleted AND source_record_id <> ALL (CAST(:records AS text[]))
"""
_REBUILD = (
    "DELETE FROM staging.identity_match_candidates",
    "DELETE FROM staging.identity_inputs",
    "DELETE FROM staging.profiles",
    """
    INSERT INTO staging.profiles (fingerprint, record_n, change_seq, name, email)
    SELECT md5(std_name)::uuid, count(*), max(change_seq), std_name,
           CASE WHEN std_name <> ALL (CAST(:poor AS text[])) THEN std_name || '@x.org' END
    FROM staging.live_records GROUP BY std_name ORDER BY md5(std_name || random())
    """,
    """
    INSERT INTO staging.identity_inputs
    SELECT r.record_id, r.source, r.source_record_id, p.profile_id, r.event_at, r.change_seq
    FROM staging.live_records AS r JOIN staging.profiles AS p ON p.name = r.std_name
    """,
)
_FRESH = _REBUILD[3]
_RENEW = (
    *_REBUILD[:2],
    "DELETE FROM staging.profiles WHERE name NOT IN (SELECT std_name FROM staging.live_records)",
    _FRESH + " ON CONFLICT (fingerprint) DO UPDATE"
    " SET record_n = excluded.record_n, email = excluded.email",
    _REBUILD[4],
)
_PAIR = """
INSERT INTO staging.identity_match_candidates
SELECT least(l.profile_id, r.profile_id), greatest(l.profile_id, r.profile_id), 1, 1,
       log(2, CAST(CAST(:p AS float) / (1 - CAST(:p AS float)) AS numeric)), :p, :decision,
       :vetoed, '{}', '{}'
FROM staging.profiles AS l, staging.profiles AS r WHERE l.name = :l AND r.name = :r
"""
_SCORED = """
SELECT profile_id_l AS l, profile_id_r AS r, match_probability AS p,
       CASE WHEN is_vetoed THEN -1 WHEN decision = 'REJECT' THEN 0
            WHEN decision = 'FLAG_REVIEW' THEN 1 ELSE 2 END AS decision
FROM staging.identity_match_candidates
"""
_GROUPED = struct.Struct(">qqffb?")
_GROUP = "INSERT INTO staging.match_groups VALUES (:group, 0, 0, 0, :pairs)"
_PLACES = "INSERT INTO staging.profile_groups VALUES (:bucket, :ids)"
_MARK = """
INSERT INTO staging.volatile_marker (layer, change_seq, run_id, config_hash)
SELECT :layer, coalesce(max(change_seq), 0), 1, :digest FROM staging.records
ON CONFLICT (layer) DO UPDATE
SET change_seq = excluded.change_seq, config_hash = excluded.config_hash
"""


@pytest.fixture
def world(conn: Connection, make_context: Callable[..., RunContext], config: Config) -> World:
    """An empty world."""
    return World(conn, make_context, config)
