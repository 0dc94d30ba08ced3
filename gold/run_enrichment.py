"""Enrichment: guesses beside the golden values, off unless ``[enrichment]`` asks (phase 10).

Writes ``gold.customer_enrichments`` and nothing else: no golden value, history or event sees it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from db.queries import query
from gold import state
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/enrichment.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many guesses changed.

    A gender is guessed from the genders of the customers with the same given name. Where phase 7
    rebuilt a customer since the last look, all guesses are worked out anew, because each rests on
    everybody. Switched off, whatever was guessed goes.
    """
    before = state.marks(conn, "enrichment")
    if not ctx.config.enrichment.gender_inferred:
        changed = 0
        if before is not None:
            changed = conn.execute(query(_FILE, "forget_gender")).rowcount
            conn.execute(query(_FILE, "forget_marks"))
    else:
        newest = int(conn.execute(query("gold/golden.sql", "newest_touch")).scalar_one())
        if before is not None and newest <= before["touched_id"]:
            return PhaseReport(rows_in=0, rows_out=0)
        run_id = {"run_id": ctx.run_id}
        changed = conn.execute(query(_FILE, "infer_gender"), run_id).rowcount
        state.write(conn, "enrichment", run_id=ctx.run_id, marks={"touched_id": newest})
    detail = {"gender_inferred": changed} if changed else {}
    return PhaseReport(rows_in=0, rows_out=changed, detail=detail)


if __name__ == "__main__":
    from mdm.standalone import main

    main("quality")
