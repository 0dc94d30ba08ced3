"""One self-contained page of charts: a card per field, no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources

from mdm.profiling.figures import Field
from mdm.profiling.tables import plain

_BAR_WIDTH, _BAR_HEIGHT, _GAP = 300, 20, 6
_CHART_HEIGHT = 90
_SHOWN_BARS = 8
_LONGEST_LABEL = 120


def page(title: str, subtitle: str, rows: int, fields: Sequence[Field]) -> str:
    """The page as HTML; every value is escaped, and the page forbids itself scripts."""
    style = resources.files("mdm.profiling").joinpath("data/page.css").read_text("utf-8")
    return "\n".join(_page(title, subtitle, rows, fields, style)) + "\n"


def _page(
    title: str, subtitle: str, rows: int, fields: Sequence[Field], style: str
) -> Iterator[str]:
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )
    yield f"<title>{_safe(title)}</title><style>{style}</style></head><body>"
    yield f"<header><h1>{_safe(title)}</h1><p>{_safe(subtitle)}</p>"
    yield '<dl class="sums">'
    whole = sum(one.filled for one in fields)
    possible = rows * len(fields)
    for name, value in (
        ("records", f"{rows:,}"),
        ("fields", f"{len(fields):,}"),
        ("values filled", f"{whole / possible:.0%}" if possible else "–"),
        ("keys", f"{sum(one.is_key for one in fields)}"),
        ("empty fields", f"{sum(not one.filled for one in fields)}"),
    ):
        yield f"<div><dt>{name}</dt><dd>{value}</dd></div>"
    yield "</dl></header><main>"
    yield from _overview(fields)
    for number, one in enumerate(fields):
        yield from _card(number, one)
    yield "</main><footer>Made by mdm profile. It shows values of customers: keep it here."
    yield "</footer></body></html>"


def _overview(fields: Sequence[Field]) -> Iterator[str]:
    yield '<section class="card wide"><h2>Fields</h2><div class="scroll"><table>'
    yield "<thead><tr><th>field</th><th>looks like</th><th>filled</th>"
    yield '<th class="n">distinct</th><th>from</th><th>to</th></tr></thead><tbody>'
    for number, one in enumerate(fields):
        key = ' <span class="tag">key</span>' if one.is_key else ""
        yield (
            f'<tr><th scope="row"><a href="#f{number}">{_safe(one.path)}</a>{key}</th>'
            f"<td>{_safe(one.content.kind)}</td><td>{_meter(one.fill)}</td>"
            f'<td class="n">{one.distinct:,}</td><td class="v">{_safe(one.smallest or "–")}</td>'
            f'<td class="v">{_safe(one.largest or "–")}</td></tr>'
        )
    yield "</tbody></table></div></section>"


def _card(number: int, one: Field) -> Iterator[str]:
    yield f'<section class="card" id="f{number}"><h2>{_safe(one.path)}</h2>'
    types = ", ".join(f"{kind} {count:,}" for kind, count in one.types.items()) or "nothing"
    yield f'<p class="facts">{_meter(one.fill)} {one.filled:,} of {one.rows:,} filled</p>'
    yield f'<p class="facts">{one.distinct:,} distinct; {_safe(one.content.kind)}; {types}</p>'
    if one.filled:
        if one.distinct == one.filled:
            examples = ", ".join(one.examples)
            yield f'<h3>Values</h3><p class="facts v">all different, such as {_safe(examples)}</p>'
        else:
            yield "<h3>Most frequent values</h3>"
            yield _bars(one.top[:_SHOWN_BARS], one.filled, "value")
        yield "<h3>Shapes</h3>"
        yield _bars(one.shapes[:_SHOWN_BARS], one.filled, "shape")
        if len(one.histogram) > 1:
            yield f"<h3>{'Values' if one.histogram_of == 'values' else 'Length of values'}</h3>"
            yield _histogram(one.histogram)
    yield "</section>"


def _meter(share: float) -> str:
    width = max(0.0, min(1.0, share)) * 60
    return (
        '<svg class="meter" width="60" height="8" viewBox="0 0 60 8" preserveAspectRatio="none" '
        f'role="img" aria-label="{share:.0%} filled">'
        f'<rect class="back" width="60" height="8" rx="4"/>'
        f'<rect class="fill" width="{width:.1f}" height="8" rx="4"/></svg> <span class="share">'
        f"{_percent(share)}</span>"
    )


def _bars(counts: Sequence[tuple[str, int]], filled: int, kind: str) -> str:
    """A list of values, each on a bar as long as its share of all filled ones."""
    most = max(count for _, count in counts)
    rows = []
    for value, count in counts:
        width = 100 * count / most
        rows.append(
            f'<li><svg class="bar {kind}" preserveAspectRatio="none" viewBox="0 0 100 1" '
            f'aria-hidden="true"><rect width="{width:.2f}" height="1"/></svg>'
            f'<span class="label">{_safe(value[:_LONGEST_LABEL])}</span>'
            f'<span class="count">{count:,} <small>{_percent(count / filled)}</small></span></li>'
        )
    return f'<ol class="bars">{"".join(rows)}</ol>'


def _histogram(bins: Sequence[tuple[float, float, int]]) -> str:
    most = max(count for _, _, count in bins) or 1
    step = _BAR_WIDTH / len(bins)
    parts = []
    for place, (low, high, count) in enumerate(bins):
        height = _CHART_HEIGHT * count / most
        if count:
            height = max(height, 1.5)
        parts.append(
            f'<rect x="{place * step + 1:.1f}" y="{_CHART_HEIGHT - height:.1f}" '
            f'width="{step - 2:.1f}" height="{height:.1f}" rx="1.5">'
            f"<title>{_number(low)} to {_number(high)}: {count:,}</title></rect>"
        )
    low, high = bins[0][0], bins[-1][1]
    return (
        f'<svg class="histogram" viewBox="0 0 {_BAR_WIDTH} {_CHART_HEIGHT + 16}" role="img" '
        f'aria-label="from {_number(low)} to {_number(high)}">{"".join(parts)}'
        f'<line x1="0" y1="{_CHART_HEIGHT}" x2="{_BAR_WIDTH}" y2="{_CHART_HEIGHT}"/>'
        f'<text x="0" y="{_CHART_HEIGHT + 13}">{_number(low)}</text>'
        f'<text x="{_BAR_WIDTH}" y="{_CHART_HEIGHT + 13}" text-anchor="end">{_number(high)}</text>'
        "</svg>"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share in (0.0, 1.0) or 0.01 <= share <= 0.99 else f"{share:.2%}"


def _safe(text: str) -> str:
    """``text`` for any place in the page: escaped, without control and direction signs."""
    return escape(plain(text), quote=True)
