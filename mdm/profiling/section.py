"""The section of ``mdm.toml`` for a source, written from what its records look like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mdm.profiling import roles
from mdm.profiling.field_names import role_score, words_of
from mdm.profiling.figures import Field
from mdm.profiling.mapping import Chosen, Mapping, mapping_of
from mdm.profiling.roles import Guess
from mdm.profiling.sample import Sample

_CONTROL = dict.fromkeys((*range(32), 127), " ")
_COLUMN = 34


@dataclass(frozen=True)
class Suggestion:
    """All that is suggested for a source."""

    source: str
    table: str
    rows: int
    record_id: Guess | None
    event_time: Guess | None
    phone_region: Guess | None
    date_order: Guess | None
    mapping: Mapping
    systems: tuple[str, ...]

    @property
    def doubts(self) -> int:
        """How many lines a person should look at."""
        guesses = (self.record_id, self.event_time, self.phone_region, self.date_order)
        return sum(guess is not None and guess.doubtful for guess in guesses) + sum(
            bool(chosen.doubt) for chosen in self.mapping.chosen
        )


def suggest(source: str, sample: Sample, fields: Sequence[Field], *, table: str) -> Suggestion:
    """The likely configuration of a source whose records have ``fields``."""
    usable = [one for one in fields if not set(one.path) & set("{}")]
    identifier = roles.record_id(usable)
    taken = frozenset({identifier.value} if identifier else ())
    when = roles.event_time(usable, taken=taken)
    if when is not None:
        taken |= {when.value}
    mapping = mapping_of(usable, taken=taken)
    meant = {chosen.attribute: chosen.fields for chosen in mapping.chosen}
    region = roles.phone_region(sample, meant.get("phone", ()), meant.get("country", ()))
    births = [one for one in usable if one.path in meant.get("date_of_birth", ())]
    times = [one for one in usable if when is not None and one.path == when.value]
    order = roles.date_order(births, region.value if region else None)
    systems = [
        one
        for one in usable
        if role_score("system", one.path) >= 0.9 and 1 < one.distinct <= 50 and one.fill > 0.99
    ]
    return Suggestion(
        source=source,
        table=table,
        rows=sample.rows,
        record_id=identifier,
        event_time=when,
        phone_region=region,
        date_order=order or roles.date_order(times, region.value if region else None),
        mapping=mapping,
        systems=tuple(sorted(value for one in systems[:1] for value, _ in one.top)),
    )


def section(found: Suggestion, description: str) -> str:
    """The text of the section: settings with the reason behind each, doubts marked as such."""
    return "\n".join(_lines(found, description)) + "\n"


def _lines(found: Suggestion, description: str) -> Iterator[str]:
    doubts = f"{found.doubts} to look at (DOUBT)" if found.doubts else "no doubts"
    yield _comment(f"{description}; {found.rows:,} records looked at, {doubts}")
    if found.systems:
        yield _comment(
            f"DOUBT: the rows come from several systems ({', '.join(found.systems)}); a source of "
            "its own for each lets them differ in priority"
        )
    yield f"[sources.{found.source}]"
    yield f"table = {_quoted(found.table)}"
    if found.record_id is None:
        yield _comment('DOUBT: no field can be the id of a record; record_id = "…" is needed')
    else:
        yield _guessed("record_id", found.record_id)
    for key, guess in (
        ("event_time", found.event_time),
        ("phone_region", found.phone_region),
        ("date_order", found.date_order),
    ):
        if guess is not None:
            yield _guessed(key, guess)
    if found.phone_region is None and any(
        chosen.attribute == "phone" for chosen in found.mapping.chosen
    ):
        yield _comment(
            'phone_region = "…"  needed for numbers without country code; too few here tell it'
        )
    if found.event_time is None:
        yield _comment('event_time = "…"  no field says when a record changed: loading time counts')
    yield f"[sources.{found.source}.fields]"
    if not found.mapping.chosen:
        yield _comment("DOUBT: no field was recognised; at least one is needed")
    for chosen in found.mapping.chosen:
        yield _mapped(chosen)
    for path, kind in found.mapping.further:
        name = attribute_name(path)
        yield _comment(
            f'{name} = {_quoted(path)}  further evidence, with [attributes.{name}] type = "{kind}"'
        )
    if found.mapping.unused:
        listed = ", ".join(f"{path} ({why})" for path, why in found.mapping.unused)
        yield _comment(f"not used: {listed}")


def attribute_name(path: str) -> str:
    """A name for a further attribute: lower-case letters, digits and underscores."""
    name = "_".join(words_of(path))[:40] or "field"
    return name if name[0].isalpha() else f"field_{name}"


def table_name(source: str, taken: frozenset[str]) -> str:
    """A table name for a source that no other source has."""
    base = re.sub(r"[^a-z0-9_]+", "_", "_".join(words_of(source)).lower())[:40] or "source"
    base = base if base[0].isalpha() else f"t_{base}"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _guessed(key: str, guess: Guess) -> str:
    return _with_reason(f"{key} = {_quoted(guess.value)}", guess.reason, guess.doubtful)


def _mapped(chosen: Chosen) -> str:
    names = [_quoted(path) for path in chosen.fields]
    value = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
    reason = chosen.doubt or chosen.reason
    return _with_reason(f"{chosen.attribute} = {value}", reason, bool(chosen.doubt))


def _with_reason(setting: str, reason: str, doubtful: bool) -> str:
    said = f"DOUBT: {reason}" if doubtful else reason
    return f"{setting:<{_COLUMN}}  # {said.translate(_CONTROL)}"


def _comment(text: str) -> str:
    return f"# {text.translate(_CONTROL)}"


def _quoted(text: str) -> str:
    """``text`` as a TOML string; JSON's escapes are TOML's, but for DEL and surrogates."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
