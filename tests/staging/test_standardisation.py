"""A batch of few records is standardised row by row, one of many by columns: to the same end."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm.config import Config
from staging.standardisation import Standardiser
from tests.staging.conftest import CONFIG

MANY = 300
VALUES = {
    "full_name": ["Anna Müller", "Dr. Bob  Smith Jr.", "SMITH, BOB", "n/a", "王小明", "x"],
    "email": ["Anna@Example.org", "a.b@c", "test@test.com", '["a@b.org", "c@d.org"]'],
    "phone": ["(212) 555-0143", "+44 20 7946 0001", "0000000000", "12", "2125550143.0"],
    "date_of_birth": ["1980-01-31", "3/4/1970", "1900-01-01", "2999-01-01", "soon"],
    "street": ["12 N. Main St Apt 4, Springfield, IL 62701", "Hauptstraße 5", " -- ", "5"],
    "city": ["Springfield", "\u200bSt.  Paul", "unknown"],
    "postcode": ["62701", "ec1a1bb", "null"],
    "occupation": ["Clerk", "CLERK ", "-"],
    "score": ["1,5", "12.50", "many"],
}
rows = st.fixed_dictionaries(
    {name: st.none() | st.sampled_from(values) for name, values in VALUES.items()}
)


@given(st.lists(rows, min_size=1, max_size=40))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_few_rows_become_what_they_become_among_many(written: list[dict[str, str | None]]) -> None:
    config = Config.model_validate(CONFIG)
    few, many = (
        Standardiser(config, config.sources["crm"], today=date(2026, 1, 1)) for _ in range(2)
    )
    frame = pl.DataFrame(written, schema=dict.fromkeys(VALUES, pl.String))
    nothing = pl.DataFrame({name: [None] * MANY for name in VALUES}, schema=frame.schema)
    assert few(frame).equals(many(pl.concat([frame, nothing]))[: len(frame)])
    assert few.counts == many.counts
