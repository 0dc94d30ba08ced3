"""Years of nights: whatever they bring, ids hold, events replay, and one full run agrees.

A few hundred people live through 60 small days of the demo systems, or as many as MDM_YEAR_DAYS
says: they move, marry and change their mail, records are corrected and deleted, lines are broken
and files late. Stewards say who is who (sometimes wrongly, and take it back), set values, take
deliveries back and restore them, and choose another match model twice. At the end nothing of what
was promised may be broken.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, make_url, text

from db import engine as db_engine
from db import migrations
from gold import overrides
from gold.overrides import Word
from identity import link_decisions
from ingestion import retraction
from matching import model_store
from matching.pair_tables import read_candidates, read_profiles
from mdm import check
from mdm.config import Config, load
from mdm.errors import UsageError
from mdm.lake import Lake
from mdm.phases import RunContext, between
from mdm.pipeline import PhaseResult, Pipeline, RunReport
from mdm.services.model import Endpoints
from mdm.settings import Settings
from mdm.warehouse import Warehouse
from producers.delivery import deliver
from producers.registry import SYSTEMS
from producers.timeline import FIRST, Timeline

ROOT = Path(__file__).resolve().parents[2]
FIRST_DAY = date(2025, 1, 1)
DAYS = int(os.environ.get("MDM_YEAR_DAYS", "60"))
FIRST_DAY_EVENTS, SEED = 150, 20_261_121
MODEL_CHANGES = (DAYS // 3, 2 * DAYS // 3)
OUTCOME = """
SELECT string_agg(source || ':' || source_record_id, ' ' ORDER BY source, source_record_id),
       min(gold.meaning(customers)::text)
FROM identity.customer_identity_map
JOIN gold.dim_customers AS customers USING (global_customer_id)
GROUP BY global_customer_id
ORDER BY 1
"""
TRACES = """
SELECT (SELECT count(*) FROM gold.customer_change_events),
       (SELECT count(*) FROM gold.dim_customers_history),
       (SELECT count(*) FROM identity.identity_events),
       (SELECT count(*) FROM identity.customers)
"""
EVENTS = """
SELECT event_type, global_customer_id, related_customer_id, new_values
FROM gold.customer_change_events ORDER BY event_seq
"""
GOLD = "SELECT global_customer_id, gold.meaning(d) FROM gold.dim_customers AS d"
IN_FORCE = """
SELECT overrides.*, (SELECT m.source || ':' || m.source_record_id
                     FROM identity.customer_identity_map AS m
                     WHERE m.global_customer_id = overrides.global_customer_id LIMIT 1) AS record
FROM gold.effective_overrides('infinity') AS overrides
"""
CUSTOMERS = """
SELECT source || ':' || source_record_id, global_customer_id
FROM identity.customer_identity_map ORDER BY 1
"""
RESOLVED = "SELECT global_customer_id, identity.resolve(global_customer_id) FROM identity.customers"
MODEL = """
INSERT INTO ops.match_models (version, kind, code_version, parameters, data_profile, chosen_by,
                              is_current)
VALUES (:version, :kind, :code_version, CAST(:parameters AS jsonb), '{}', 'the year', true)
"""


def warehouse_on(endpoints: Endpoints, home: Path) -> Warehouse:
    url = endpoints.database_url.get_secret_value()
    lake = Lake(endpoints)
    return Warehouse(Settings(home=home), endpoints, db_engine.connect(url), lake, migrated=())


def fresh(endpoints: Endpoints) -> Endpoints:
    """The same lake with a new database, which goes when the test's server does."""
    url = make_url(endpoints.database_url.get_secret_value())
    name = f"anew_{uuid.uuid4().hex[:16]}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    address = url.set(database=name).render_as_string(hide_password=False)
    return replace(endpoints, database_url=SecretStr(address))


@dataclass
class Year:
    """The warehouse of the year, the people, and the stewards with what they know of them."""

    warehouse: Warehouse
    config: Config
    timeline: Timeline = field(default_factory=lambda: Timeline(SEED, FIRST_DAY_EVENTS))
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    person: dict[str, int] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    retracted: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    whole: set[int] = field(default_factory=set)
    told: int = 0

    def deliver(self) -> None:
        """The objects of the timeline's day, and who their records speak of."""
        events = self.timeline.today
        for name, system in SYSTEMS.items():
            mine = events.take((events.system == system.number) & (events.kind == FIRST))
            for number, person in zip(mine.number.tolist(), mine.person.tolist(), strict=True):
                self.person[f"{name}:{system.record_id(self.timeline.tag, number)}"] = person
            for delivered in deliver(self.timeline, system, name, FIRST_DAY):
                self.warehouse.lake.put(delivered.key, delivered.data)
                self.keys.append(delivered.key)

    def run(
        self, first: str, prepare: Callable[[Connection, RunContext], object] | None = None
    ) -> RunReport:
        def prepared(conn: Connection, ctx: RunContext) -> None:
            if prepare is not None:
                prepare(conn, ctx)

        pipeline = Pipeline(self.warehouse, self.config)
        report = pipeline.run(
            between(first, None),
            command="a year",
            prepare=prepared,
            guarded=first == "ingestion",  # what a person asked for is held back by no limit
        )
        if any(is_whole(result) for result in report.phases):
            self.whole.add(self.timeline.day)
        return report

    def night(self) -> None:
        """A day's deliveries, and now and then a person who decides something."""
        self.deliver()
        kinds = (self.judge, self.override, self.retract, self.restore)
        chosen = self.chance.choices((None, *kinds), weights=(45, 32, 11, 6, 6))[0]
        if chosen is not None:
            chosen()
        self.run("ingestion")

    def _decide(self, first: str, decide: Callable[[Connection], object]) -> None:
        """A word, put on record and then carried out at once, as the commands do."""
        with self.warehouse.engine.begin() as conn:
            decide(conn)
        self.run(first)

    def _tell(self, first: str, decide: Callable[[Connection], object]) -> None:
        """A word: every other one is carried out at once, the others wait for the night's run."""
        self.told += 1
        if self.told % 2:
            self._decide(first, decide)
            return
        with self.warehouse.engine.begin() as conn:
            decide(conn)

    def judge(self) -> None:
        """A word on who is who: mostly right, sometimes not, sometimes taken back."""
        with self.warehouse.engine.connect() as conn:
            customer = mapped(conn)
            live = link_decisions.live_decisions(conn)
        words = {"steward": "ada", "reason": "called them"}
        if live and self.chance.random() < 0.2:
            number = self.chance.choice(live).decision_id
            self._say("UNDO", lambda conn: link_decisions.undo(conn, number, **words))
            return
        known = sorted(customer)
        pairs = [(a, b) for a, b in itertools.pairwise(sorted(known, key=self.person.__getitem__))]
        same = [p for p in pairs if self._of_one(*p) and customer[p[0]] != customer[p[1]]]
        pairs = [(a, b) for a, b in itertools.pairwise(sorted(known, key=customer.__getitem__))]
        mixed = [p for p in pairs if not self._of_one(*p) and customer[p[0]] == customer[p[1]]]
        wrong = [tuple(self.chance.sample(known, 2))]
        verdict, among = self.chance.choice((("SAME", same), ("DIFFERENT", mixed), ("SAME", wrong)))
        if among:
            one, other = self.chance.choice(among)
            self._say(
                verdict,
                lambda conn: link_decisions.decide(conn, verdict, left=one, right=other, **words),
            )

    def _of_one(self, left: str, right: str) -> bool:
        return self.person[left] == self.person[right]

    def _say(self, kind: str, decide: Callable[[Connection], object]) -> None:
        try:
            self._tell("identity", decide)
        except UsageError as error:
            if "contradiction" not in str(error) and "already says" not in str(error):
                raise
            kind = "refused"
        self.done[kind] += 1

    def override(self) -> None:
        with self.warehouse.engine.connect() as conn:
            ids = (
                conn.execute(text("SELECT global_customer_id FROM gold.dim_customers ORDER BY 1"))
                .scalars()
                .all()
            )
            said = [row.override_id for row in overrides.listed(conn) if row.is_in_force]
        if said and self.chance.random() < 0.3:
            number = self.chance.choice(said)
            words = {"steward": "ada", "reason": "told otherwise"}
            self._tell("gold", lambda conn: overrides.revoke(conn, number, **words))
            self.done["revoke"] += 1
            return
        attribute = self.chance.choice(("email", "city", "given_name"))
        value = f"word{self.done['override']}" + ("@said.example" if attribute == "email" else "")
        word = Word(self.chance.choice(ids), attribute, "ada", "told us", value=value)
        self._tell("gold", lambda conn: overrides.add(conn, word))
        self.done["override"] += 1

    def retract(self) -> None:
        """One of the deliveries of the last days turns out wrong."""
        self._take("RETRACT", self.chance.choice(self.keys[-40:]))

    def restore(self) -> None:
        if self.retracted:
            self._take("RESTORE", self.retracted.pop(self.chance.randrange(len(self.retracted))))

    def _take(self, verdict: retraction.Verdict, key: str) -> None:
        with self.warehouse.engine.connect() as conn:
            try:
                found = retraction.find(conn, verdict, key=key)
            except UsageError:  # not loaded yet, or retracted already
                return
        self.run(
            "staging",
            lambda conn, ctx: retraction.decide(
                conn, found, verdict, decided_by="bob", reason="wrong file", run_id=ctx.run_id
            ),
        )
        if verdict == "RETRACT":
            self.retracted.append(key)
        self.done[verdict] += 1

    def choose_model(self) -> None:
        """A model is learnt from what is there, and a person chooses it."""
        with self.warehouse.engine.begin() as conn:
            profiles = read_profiles(conn, self.config)
            model_store.train(
                conn, profiles, read_candidates(conn, profiles), run_id=None, chosen_by="ada"
            )

    def anew(self, warehouse: Warehouse) -> None:
        """In another warehouse: one full run over the same lake with the same words."""
        other = replace(self, warehouse=warehouse)
        pipeline = Pipeline(warehouse, self.config)
        pipeline.run(between("ingestion", "ingestion"), command="anew")
        decisions = io.StringIO()
        with self.warehouse.engine.connect() as conn, warehouse.engine.begin() as to:
            model = conn.execute(text("SELECT * FROM ops.match_models WHERE is_current")).one()
            to.execute(text(MODEL), model._asdict() | {"parameters": json.dumps(model.parameters)})
            for key in self.retracted:
                found = retraction.find(to, "RETRACT", key=key)
                retraction.decide(to, found, "RETRACT", decided_by="bob", reason="x", run_id=1)
            link_decisions.export_decisions(conn, decisions)
            in_force = conn.execute(text(IN_FORCE)).all()
        pipeline.run(between("staging", "staging"), command="anew")
        decisions.seek(0)
        with warehouse.engine.begin() as conn:
            link_decisions.import_decisions(conn, decisions)
        pipeline.run(between("identity_inputs", None), command="anew", full=True)

        def say_again(conn: Connection) -> None:
            of = mapped(conn)
            for row in in_force:
                overrides.add(
                    conn,
                    Word(of[row.record], row.attribute, "ada", "again", row.action, row.value),
                )

        other._decide("gold", say_again)


def is_whole(result: PhaseResult) -> bool:
    """Whether the phase looked at everybody instead of those a night touched."""
    detail = result.report.detail
    if result.phase.name == "matching":
        return not detail.keys() & {"incremental", "unchanged"}
    return result.phase.name == "gold" and bool(detail.get("full"))


def mapped(conn: Connection) -> dict[str, uuid.UUID]:
    """The customer of each live record."""
    return {row[0]: row[1] for row in conn.execute(text(CUSTOMERS))}


def replayed(conn: Connection) -> dict[uuid.UUID, dict[str, Any]]:
    """What an empty table becomes when every event is applied to it in order."""
    table: dict[uuid.UUID, dict[str, Any]] = {}
    for event in conn.execute(text(EVENTS)):
        if event.event_type in ("INSERT", "SPLIT"):
            assert event.global_customer_id not in table
            table[event.global_customer_id] = dict(event.new_values)
        elif event.event_type == "UPDATE":
            table[event.global_customer_id] |= event.new_values
        else:
            del table[event.global_customer_id]
    return table


@pytest.mark.slow
def test_a_year(endpoints: Endpoints, lake: Lake, tmp_path: Path) -> None:
    year = Year(warehouse_on(endpoints, tmp_path), load(ROOT / "mdm.toml"))
    engine = year.warehouse.engine
    year.deliver()
    year.run("ingestion")
    with engine.connect() as conn:
        day_1 = mapped(conn)
    year.choose_model()
    for day in range(2, DAYS + 1):
        year.timeline.advance()
        if day in MODEL_CHANGES:
            year.choose_model()
        year.night()

    kinds = ("SAME", "DIFFERENT", "UNDO", "override", "revoke", "RETRACT", "RESTORE")
    assert [kind for kind in kinds if not year.done[kind]] == []
    # Another model, and the first one, are the only reasons to look at everybody again.
    assert year.whole <= {1, 2, *MODEL_CHANGES}
    with engine.connect() as conn:
        assert [f.title for f in check.run(conn) if not f.holds] == []
        assert replayed(conn) == {row[0]: row[1] for row in conn.execute(text(GOLD))}
        # An id of the first day is followed to a customer, or its last record is gone.
        resolved = {row[0]: row[1] for row in conn.execute(text(RESOLVED))}
        living = set(mapped(conn).values())
        assert {resolved[customer] for customer in day_1.values()} - {None} <= living
        for record, customer in mapped(conn).items():
            if record in day_1:
                assert resolved[day_1[record]] is not None, (record, customer)
        traces = conn.execute(text(TRACES)).one()
        outcome = conn.execute(text(OUTCOME)).all()

    # The same again, recomputed whole: nothing new, so nothing changes.
    Pipeline(year.warehouse, year.config).run(between("staging", None), command="again", full=True)
    with engine.connect() as conn:
        assert conn.execute(text(TRACES)).one() == traces

    # A warehouse that hears of the whole year in one night says the same.
    anew = warehouse_on(fresh(endpoints), tmp_path)
    migrations.apply(anew.engine)
    year.anew(anew)
    with anew.engine.connect() as conn:
        assert conn.execute(text(OUTCOME)).all() == outcome
    engine.dispose()
    anew.engine.dispose()
