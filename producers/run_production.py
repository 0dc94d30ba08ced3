"""Phase 1: the demo producers write into the lake, where the configuration asks for them."""

from __future__ import annotations

from sqlalchemy import Connection

from mdm.phases import PhaseReport, RunContext


def run(conn: Connection, ctx: RunContext) -> PhaseReport:
    """What the demo producers put into the lake: rows in = rows out = lines written.

    Does nothing unless `[demo] enabled = true` and a source names a producer. Writes lake objects
    that are not there yet, and `MDM_HOME/demo.json` and `MDM_HOME/truth`; no table. Safe to repeat.
    """
    asked = ctx.demo
    producers = {
        name: source.producer
        for name, source in ctx.config.sources.items()
        if source.producer is not None
    }
    if not ctx.config.demo.enabled or not producers or asked is None:
        return PhaseReport(0, 0)
    from producers.demo import produce  # half a second, for the demo alone
    from producers.registry import SYSTEMS

    systems = {name: SYSTEMS[producer] for name, producer in producers.items()}
    with ctx.progress("producing", None, "records") as bar:
        done = produce(
            ctx.lake,
            ctx.home,
            systems,
            records=asked.records,
            seed=asked.seed,
            day=asked.day,
            now=ctx.as_of,
            on_lines=bar.update,
        )
    return PhaseReport(
        rows_in=done.lines,
        rows_out=done.lines,
        detail={
            "objects": done.objects,
            "objects_there_before": done.skipped_objects,
            "records": done.records,
            "repeated_lines": done.repeated,
            "malformed_lines": done.malformed,
            "lines_by_source": done.by_source,
        },
    )


if __name__ == "__main__":
    from mdm.standalone import main

    main("production")
