"""Conflicts: attributes on which the records of a customer disagree, kept over time (phase 10).

Reads ``gold.survivorship_values`` of the customers phase 7 rebuilt since the last look; writes
``gold.customer_attribute_conflicts``. A conflict opens when it is first found and closes, with the
instant, when the records agree or the customer is gone; rows are never removed, and written over
only where a look finds something new. How many are open is kept with the phase's marks, so that
figures need not count them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from db.first_load import first_load
from db.queries import query
from gold import members, state
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/conflicts.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What was found: customers looked at, open conflicts among them, conflicts closed."""
    before = state.marks(conn, "conflicts")
    mark = before["touched_id"] if before else 0
    newest = int(conn.execute(query("gold/golden.sql", "newest_touch")).scalar_one())
    if newest <= mark:
        return PhaseReport(rows_in=0, rows_out=0)
    since = {"touched_id": mark}
    everyone = bool(conn.execute(query(_FILE, "all_are_touched"), since).scalar_one())
    conn.execute(query(_FILE, "create_looked"), since | {"everyone": everyone})
    if not members.conflicts_are_found(conn, since=mark):
        members.drop_work(conn)
        conn.execute(query(_FILE, "touch_looked"), {"everyone": everyone})
        sources = members.read(conn, ctx.config, everyone=everyone)
        members.find_conflicts(conn, sources, golden="gold.dim_customers")
        members.drop_work(conn)
    found = int(conn.execute(query(_FILE, "count_found")).scalar_one())
    conn.execute(query(_FILE, "create_known"), {"everyone": everyone})
    moment = {"as_of": ctx.as_of, "run_id": ctx.run_id}
    closed = _by_attribute(conn, "close_conflicts", moment)
    with first_load(conn, "gold.customer_attribute_conflicts", due=before is None):
        opened = _by_attribute(conn, "merge_conflicts", moment)
    former = before.get("open") if before else {}
    if former is None:
        still_open = _by_attribute(conn, "count_open")
    else:
        still_open = Counter(former) + opened
        still_open.subtract(closed)
    marks = {"touched_id": newest, "open": +still_open}
    state.write(conn, "conflicts", run_id=ctx.run_id, marks=marks)
    looked = int(conn.execute(query(_FILE, "count_looked"), {"everyone": everyone}).scalar_one())
    conn.execute(query(_FILE, "drop_found"))
    return PhaseReport(
        rows_in=looked,
        rows_out=found,
        detail={"conflicts": found, "conflicts_closed": closed.total()},
    )


def _by_attribute(
    conn: Connection, name: str, given: Mapping[str, Any] | None = None
) -> Counter[str]:
    """Conflicts by attribute, as the query ``name`` counts them."""
    return Counter({row.attribute: row.n for row in conn.execute(query(_FILE, name), given)})


if __name__ == "__main__":
    from mdm.standalone import main

    main("quality")
