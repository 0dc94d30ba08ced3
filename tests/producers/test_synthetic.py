"""The benchmark's customer file: as large as asked, as difficult as said, the same every time."""

from __future__ import annotations

import time

import polars as pl
import pytest

from producers.synthetic import FIELDS, ID, customer_file


def whole(records: int, seed: int = 42, chunk: int = 50_000) -> pl.DataFrame:
    chunks = list(customer_file(records, seed, chunk=chunk))
    return pl.concat([c.records.join(c.clusters, on=ID) for c in chunks])


@pytest.fixture(scope="module")
def file() -> pl.DataFrame:
    return whole(20_000)


def test_the_file_does_not_depend_on_chunks_and_follows_the_seed(file: pl.DataFrame) -> None:
    assert whole(20_000, chunk=3_333).equals(file)
    assert not whole(20_000, seed=1).drop("cluster_id").equals(file.drop("cluster_id"))


def test_every_record_has_one_person_and_persons_have_two_and_a_half(file: pl.DataFrame) -> None:
    assert file.columns == [ID, *FIELDS, "cluster_id"]
    assert file[ID].n_unique() == len(file) == 20_000
    assert file["cluster_id"].n_unique() == 8_000
    sizes = file.group_by("cluster_id").len()["len"]
    assert sizes.max() > 10  # type: ignore[operator]


def test_nearly_all_records_are_distinct(file: pl.DataFrame) -> None:
    assert 0.95 < file.select(FIELDS).n_unique() / len(file) < 1.0


def test_fields_are_missing_as_in_life(file: pl.DataFrame) -> None:
    missing = {name: file[name].null_count() / len(file) for name in FIELDS}
    for name, low, high in (
        ("given_name", 0.0, 0.0),
        ("email", 0.15, 0.30),
        ("phone", 0.15, 0.30),
        ("date_of_birth", 0.15, 0.30),
        ("street", 0.05, 0.15),
        ("postcode", 0.03, 0.15),
    ):
        assert low <= missing[name] <= high, (name, missing[name])


@pytest.mark.parametrize(
    ("field", "at_least"), [("phone", 0.008), ("street", 0.1), ("email", 0.005)]
)
def test_different_people_share_contacts(file: pl.DataFrame, field: str, at_least: float) -> None:
    # Formats differ from record to record: the digits of a phone are what is shared.
    value = pl.col(field).str.replace_all(r"\D", "").str.tail(10) if field == "phone" else field
    people = (
        file.drop_nulls(field).group_by(value).agg(pl.col("cluster_id").n_unique().alias("people"))
    )
    assert (people["people"] > 1).mean() > at_least  # type: ignore[operator]


def test_people_are_written_in_different_ways(file: pl.DataFrame) -> None:
    repeated = file.filter(pl.len().over("cluster_id") > 1)
    spellings = repeated.group_by("cluster_id").agg(pl.col("given_name").n_unique().alias("ways"))
    assert 0.15 < (spellings["ways"] > 1).mean() < 0.6  # type: ignore[operator]


def test_fifty_thousand_records_take_seconds() -> None:
    started = time.process_time()
    assert sum(len(chunk.records) for chunk in customer_file(50_000)) == 50_000
    assert time.process_time() - started < 6, "0.8 s on an idle core"
