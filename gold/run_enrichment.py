"""Enrichment: guesses beside the golden values, off unless ``[enrichment]`` asks (phase 10).

Writes ``gold.customer_enrichments`` and nothing else: no golden value, history or event sees it.
"""

from __future__ import annotations

from sqlalchemy import Connection

from db.queries import query
from mdm.phases import PhaseReport, RunContext

_FILE = "gold/enrichment.sql"


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """How many guesses changed; all are worked out anew, because a guess rests on everybody.

    A gender is guessed from the genders of the customers with the same given name. Switched off,
    whatever was guessed goes.
    """
    asked = ctx.config.enrichment.gender_inferred
    name = "infer_gender" if asked else "forget_gender"
    values = {"run_id": ctx.run_id} if asked else {}
    changed = conn.execute(query(_FILE, name), values).rowcount
    return PhaseReport(
        rows_in=0, rows_out=changed, detail={"gender_inferred": changed} if changed else {}
    )


if __name__ == "__main__":
    from mdm.standalone import main

    main("quality")
