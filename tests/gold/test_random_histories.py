"""Whatever happens, in whatever batches: events replay, and incremental equals full."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from db.queries import query
from gold import run_quality_metrics
from mdm.attributes import ATTRIBUTES
from mdm.phases import RunContext

from .conftest import World, make_config

RECORDS = [f"{source}:{n}" for source in ("sales", "support", "marketing") for n in (1, 2)]
CUSTOMERS = ("ann", "bob", "cat")

put = st.tuples(
    st.just("put"),
    st.sampled_from(RECORDS),
    st.sampled_from(CUSTOMERS),
    st.fixed_dictionaries(
        {},
        optional={
            "full_name": st.sampled_from(["Ann Lee", "ANN LEE", "Bob", "Cat Ray"]),
            "email": st.sampled_from(["a@a.com", "b@b.com"]),
            "street": st.sampled_from(["1 High St", "2 Low Rd"]),
            "city": st.sampled_from(["York", "Leeds"]),
            "date_of_birth": st.sampled_from(["1980-01-01", "1990-02-02"]),
            "day": st.integers(0, 3),
        },
    ),
)
delete = st.tuples(st.just("delete"), st.sampled_from(RECORDS))
override = st.tuples(
    st.just("override"),
    st.sampled_from(CUSTOMERS),
    st.sampled_from(["email", "city"]),
    st.sampled_from(["o@o.com", None]),
)
run = st.tuples(st.just("run"))
steps = st.lists(st.one_of(put, put, put, delete, override, run, run), min_size=3, max_size=14)


class Teller:
    """Applies random steps to a world, as identity would: a record may change its customer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owner: dict[str, str] = {}
        self.gone: set[str] = set()

    def tell(self, step: tuple[object, ...]) -> None:
        kind, *arguments = step
        getattr(self, str(kind))(*arguments)

    def run(self) -> None:
        self.world.run()

    def put(self, record: str, customer: str, values: dict[str, object]) -> None:
        before = self.owner.get(record)
        if before is None and customer in self.gone:
            self.world.resurrect(customer)
            self.gone.discard(customer)
        self.world.put(record, customer if before is None else None, **values)
        if before is None:
            self.owner[record] = customer
        elif customer != before and customer in self.owner.values():
            alone = list(self.owner.values()).count(before) == 1
            if not alone:
                self.world.move(record, before, customer)
                self.owner[record] = customer
            elif before not in self.gone:
                self.world.merge(before, customer)
                self.world.split(customer, before, record)  # and back, within one run

    def delete(self, record: str) -> None:
        customer = self.owner.pop(record, None)
        if customer is not None:
            self.world.delete(record)
            if customer not in self.owner.values():
                self.gone.add(customer)

    def override(self, customer: str, attribute: str, value: str | None) -> None:
        if customer in self.owner.values():
            action = "SET" if value else "CLEAR"
            self.world.override(customer, attribute, value, action=action)


COLUMNS = ", ".join(f"canonical_{attribute}" for attribute in ATTRIBUTES)
GOLDEN = (
    f"SELECT global_customer_id, {COLUMNS}, source_systems, primary_source, record_count, "
    "data_quality_score FROM gold.dim_customers ORDER BY global_customer_id"
)


VOLUMES = "SELECT source, record_n, live_n FROM gold.source_volumes ORDER BY source"
RECORDS_BY_SOURCE = (
    "SELECT source, count(*), count(*) FILTER (WHERE NOT is_deleted) FROM staging.records "
    "GROUP BY source ORDER BY source"
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=steps)
def test_events_replay_and_incremental_equals_full(
    conn: Connection,
    make_context: Callable[..., RunContext],
    story: list[tuple[object, ...]],
) -> None:
    with conn.begin_nested() as everything:
        world = World(conn, make_context)
        world.config = make_config(survivorship={"default": "most_frequent", "rules": {}})
        teller = Teller(world)
        for step in story:
            teller.tell(step)
        world.run()  # checks the replay, the history and the lineage
        assert world.rows(VOLUMES) == world.rows(RECORDS_BY_SOURCE)
        incremental = world.rows(GOLDEN)
        events = world.rows("SELECT count(*) FROM gold.customer_change_events")
        world.run(full=True)
        assert world.rows(GOLDEN) == incremental
        assert world.rows("SELECT count(*) FROM gold.customer_change_events") == events
        as_of_now = "SELECT count(*) FROM gold.customers_as_of(timestamptz '2099-01-01')"
        assert conn.execute(text(as_of_now)).scalar_one() == len(incremental)
        everything.rollback()


FIGURES = (
    "SELECT attribute, customer_n, filled_n, completeness, conflict_n, overridden_n "
    "FROM gold.data_quality_metrics "
    "WHERE run_id = (SELECT max(run_id) FROM gold.data_quality_metrics) ORDER BY attribute"
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=steps)
def test_figures_that_follow_the_events_are_those_counted(
    conn: Connection,
    make_context: Callable[..., RunContext],
    monkeypatch: pytest.MonkeyPatch,
    story: list[tuple[object, ...]],
) -> None:
    monkeypatch.setattr(run_quality_metrics, "FOLLOWED_SHARE", 1000.0)  # of a handful of customers
    with conn.begin_nested() as everything:
        world = World(conn, make_context)
        world.config = make_config(attributes={"job": {"type": "category"}})
        teller = Teller(world)
        world.put("sales:0", "zoe", email="z@z.com", extra={"job": "smith"})
        world.run()
        world.put("sales:0", city="York")
        for step in story:
            teller.tell(step)
        world.run()
        followed = world.rows(FIGURES)
        moment = {"run_id": world.context().run_id, "as_of": world.start}
        conn.execute(query("gold/metrics.sql", "count_filled"))
        conn.execute(query("gold/metrics.sql", "measure_quality"), moment)
        assert world.rows(FIGURES) == followed
        everything.rollback()
