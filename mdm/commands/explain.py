"""``mdm explain``: why two records are one customer or not, and how a customer was built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import click
import orjson

from matching.explain import PairExplanation, explain_pair
from matching.explain_customer import CustomerExplanation, explain_customer
from mdm import charts
from mdm.app import App, pass_app, say
from mdm.errors import UsageError


@click.command("explain", epilog="Example:  mdm explain crm:17 shop:9 --chart why.svg")
@click.argument("what", nargs=-1, required=True, metavar="RECORD_A RECORD_B | CUSTOMER_ID")
@click.option("--json", "json_wanted", is_flag=True, help="The explanation as JSON.")
@click.option(
    "--chart", type=click.Path(path_type=Path), help="Waterfall of a pair's score: .png or .svg."
)
@pass_app
def explain_command(app: App, what: tuple[str, ...], json_wanted: bool, chart: Path | None) -> None:
    """Explain two records (source:record_id), met or never met, or one customer by its id.

    Of a pair: each attribute's values, level and weight in bits (above 0 speaks for one customer,
    each bit doubles the odds), prior, probability and decision, and what blocking made of it. Of a
    customer: the links that built it, the weakest one, and the parts that a cut there would give.
    """
    if chart is not None:
        if len(what) != 2:
            raise UsageError("--chart draws the score of two records; name two")
        charts.check(chart)
    with app.warehouse() as (warehouse, _), warehouse.engine.connect() as conn:
        if len(what) == 2:
            pair = explain_pair(conn, app.config, *what)
            document, lines = asdict(pair), _pair_lines(pair)
            document["same_customer"] = pair.same_customer
            if chart is not None:
                _draw(pair, chart)
        elif len(what) == 1:
            customer = explain_customer(conn, _customer_id(what[0]))
            document, lines = asdict(customer), _customer_lines(customer)
        else:
            raise UsageError("name two records (source:record_id) or one customer id")
    click.echo(
        orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
        if json_wanted
        else "\n".join(lines)
    )


def _customer_id(word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError as error:
        raise UsageError(
            f"{word!r} is no customer id; of records name two (source:record_id)"
        ) from error


def _draw(pair: PairExplanation, chart: Path) -> None:
    steps = [("prior", pair.prior_bits)]
    steps += [(f"{one.attribute}\n{one.level}", one.bits) for one in pair.evidence if one.bits]
    steps.append(("related\ncustomers", pair.correction_bits))
    title = f"{pair.left} and {pair.right}: {pair.probability:.1%}, {pair.decision}"
    charts.draw_waterfall(steps, title, chart)
    say(f"Chart: {chart}")


def _pair_lines(pair: PairExplanation) -> Iterator[str]:
    yield f"{pair.left} and {pair.right}"
    yield f"  {_standing(pair)}"
    if pair.steward:
        yield f"  steward: {pair.steward}"
    for ignored in pair.ignored:
        yield f"  {ignored}"
    if pair.same_profile:
        yield "  they show the same data, so they are one customer without a score"
        return
    yield ""
    yield f"  {'attribute':<18}{'left':<26}{'right':<26}{'level':<24}{'bits':>7}"
    for one in pair.evidence:
        values = "".join(f"{_short(value):<26}" for value in (one.left, one.right))
        yield f"  {one.attribute:<18}{values}{one.level:<24}{one.bits:>7.2f}"
    for name, bits in (
        ("prior: any two are one customer", pair.prior_bits),
        ("they may be related instead", pair.correction_bits),
        ("sum", pair.bits),
    ):
        yield f"  {name:<94}{bits:>7.2f}"
    yield ""
    if pair.rule:
        yield f"  exact rule: {pair.rule}"
    model = pair.model or "none yet"
    yield f"  probability {pair.probability:.4f}, {pair.decision} (model {model})"
    if pair.stored is None:
        yield "  on record: never scored, blocking did not bring them together"
    else:
        yield (
            f"  on record: {pair.stored['probability']:.4f}, {pair.stored['decision']}, "
            f"found by {pair.found_by}"
        )
    yield ""
    yield "  blocking"
    for trace in pair.blocking:
        yield f"    {trace.rule:<24}{trace.outcome}"


def _standing(pair: PairExplanation) -> str:
    if pair.left_customer is None or pair.right_customer is None:
        return "not all of them have a customer yet: mdm run"
    if pair.same_customer:
        return f"one customer today: {pair.left_customer}"
    return f"two customers today: {pair.left_customer} and {pair.right_customer}"


def _short(value: str | None) -> str:
    if value is None:
        return "–"
    return value if len(value) <= 24 else value[:23] + "…"


def _customer_lines(customer: CustomerExplanation) -> Iterator[str]:
    records = sum(len(profile) for profile in customer.profiles)
    yield f"{customer.customer_id}: {records} record(s), {len(customer.profiles)} profile(s)"
    for profile in customer.profiles:
        alike = f" and {len(profile) - 1} more with the same data" if len(profile) > 1 else ""
        yield f"  {profile[0]}{alike}"
    for decision in customer.stewards:
        yield f"  steward: {decision}"
    if customer.steps:
        yield ""
        yield "Built by these links, strongest first"
        for link in customer.steps:
            yield f"  {link.probability:.4f} {link.decision:<12}{link.left}  {link.right}"
    if len(customer.parts) > 1:
        yield ""
        yield "Cutting the weakest link would give"
        for part in customer.parts:
            more = f" … ({len(part)} records)" if len(part) > 8 else ""
            yield f"  {', '.join(part[:8])}{more}"
    if customer.against:
        yield ""
        yield "Pairs inside that speak against"
        for link in customer.against:
            yield f"  {link.probability:.4f} {link.decision:<12}{link.left}  {link.right}"
