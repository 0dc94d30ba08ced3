"""The figures of fields as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mdm.profiling.figures import Field

_WIDTH = 30


def listing(fields: Sequence[Field]) -> Iterator[str]:
    """A line per field: fill, distinct values, kind, examples."""
    width = max([len("field"), *(min(len(one.path), 40) for one in fields)])
    yield f"  {'field':<{width}}  {'filled':>7}  {'distinct':>9}  {'kind':<13} examples"
    for one in fields:
        examples = "  ".join(short(value) for value in one.examples)
        yield (
            f"  {plain(one.path)[:40]:<{width}}  {one.fill:>7.1%}  {one.distinct:>9,}  "
            f"{one.content.kind:<13} {examples}"
        )


def details(fields: Sequence[Field]) -> Iterator[str]:
    """Some lines per field: types, extremes, top values, shapes."""
    for one in fields:
        types = ", ".join(f"{kind} {count:,}" for kind, count in one.types.items()) or "–"
        yield ""
        yield f"  {plain(one.path)}: {one.fill:.1%} filled, {one.distinct:,} distinct, {types}"
        if not one.filled:
            continue
        yield f"    from {short(one.smallest)} to {short(one.largest)}, {_lengths(one)}"
        yield f"    values  {_counted(one.top[:6])}"
        yield f"    shapes  {_counted(one.shapes[:6])}"


def _lengths(one: Field) -> str:
    if one.shortest == one.longest:
        return f"{one.longest} characters"
    return f"{one.shortest} to {one.longest} characters"


def _counted(counts: Sequence[tuple[str, int]]) -> str:
    return "  ".join(f"{short(value)} ×{count:,}" for value, count in counts)


def short(value: str | None) -> str:
    """A value on one line, cut where it is long."""
    text = plain(value or "–")
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def plain(text: str) -> str:
    """``text`` without what a terminal would act on."""
    return "".join(sign if sign.isprintable() else "·" for sign in text)
