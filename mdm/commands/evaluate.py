"""``mdm evaluate``: the customers held against a labelled truth."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from mdm import charts, evaluation, evaluation_truth
from mdm.app import App, pass_app, say
from mdm.evaluation_report import as_json, as_text


@click.command("evaluate", epilog="Example:  mdm evaluate truth.csv --chart quality.svg")
@click.argument("truth_file", metavar="TRUTH.csv", type=click.Path(path_type=Path))
@click.option("--json", "json_wanted", is_flag=True, help="All figures as JSON.")
@click.option(
    "--chart", type=click.Path(path_type=Path), help="Precision-recall chart: .png or .svg."
)
@pass_app
def evaluate_command(app: App, truth_file: Path, json_wanted: bool, chart: Path | None) -> None:
    """Compare the customers with TRUTH.csv: record_id, cluster_id, with several sources source.

    Shows pairwise and B³ precision, recall and F1 over clusters, where true pairs were lost and
    where wrong ones came from with examples, what other thresholds would link, and how well match
    probabilities are calibrated. TRUTH.csv may be gzipped; further columns are ignored.
    """
    if chart is not None:
        charts.check(chart)
    truth = evaluation_truth.read(truth_file)
    with (
        app.warehouse() as (warehouse, _),
        # one snapshot: a run that publishes meanwhile must not mix two states
        warehouse.engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn,
    ):
        result = evaluation.evaluate(conn, truth)
    if chart is not None:
        charts.draw_evaluation(result, chart)
        say(f"Chart: {chart}")
    click.echo(
        orjson.dumps(as_json(result), option=orjson.OPT_INDENT_2).decode()
        if json_wanted
        else as_text(result)
    )
