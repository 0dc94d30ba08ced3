"""A gold layer with the dirt of real life in it, filled by hand, and one way to export it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from mdm.exports.datasets import DATASETS
from mdm.exports.export import Exported, Request, to_path
from mdm.progress import silent

KEY = SecretStr("a key that tests may know")
SEEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
#: What a customer's columns hold, by column; everything else is empty.
DIRTY: tuple[dict[str, Any], ...] = (
    {"canonical_full_name": "Jörg Ærø-Sträßle 山田 🎈", "canonical_country": "DE"},
    {"canonical_street": 'He said "no",\r\nthen left\n\n', "canonical_country": "GB"},
    {"canonical_postcode": "00420", "canonical_customer_number": "1e5", "canonical_tax_id": "007"},
    {"canonical_full_name": "", "canonical_city": " lead and trail ", "canonical_country": "D/E"},
    {"canonical_full_name": '=HYPERLINK("http://x")', "canonical_phone": "+442079460000"},
    {"canonical_full_name": "\\N", "canonical_city": "NULL", "canonical_region": "a\tb,c;d|e"},
    {"canonical_date_of_birth": date(1897, 2, 28), "canonical_email": "o'brien@example.org"},
    {
        "extra": {"job": 'smith "the" Ünal\n', "n": "01"},
        "canonical_date_of_birth": date(1981, 4, 3),
    },
)
ID = uuid.UUID("0199c3b0-0000-7000-8000-000000000000")


def customer_id(number: int) -> uuid.UUID:
    """The id of customer ``number``."""
    return uuid.UUID(int=ID.int + number)


@pytest.fixture
def add_customer(conn: Connection) -> Callable[..., uuid.UUID]:
    """``add_customer(canonical_email=…)``: one more row of gold.dim_customers, committed."""
    numbers = iter(range(1_000_000))

    def add(**values: Any) -> uuid.UUID:
        row: dict[str, Any] = {
            "global_customer_id": customer_id(next(numbers)),
            "extra": {},
            "source_systems": ["crm", 'sh"o,p'],
            "primary_source": "crm",
            "record_count": 2,
            "data_quality_score": "0.875",
            "match_confidence": 0.5,
            "last_seen_at": SEEN,
            "created_at": SEEN,
            "updated_at": SEEN,
            "run_id": 1,
        } | values
        row["extra"] = orjson.dumps(row["extra"]).decode()
        columns = ", ".join(row)
        binds = ", ".join(f":{name}" for name in row)
        conn.execute(text(f"INSERT INTO gold.dim_customers ({columns}) VALUES ({binds})"), row)
        conn.commit()
        return row["global_customer_id"]

    return add


@pytest.fixture
def dirty(add_customer: Callable[..., uuid.UUID]) -> tuple[dict[str, Any], ...]:
    """The dirty customers, in gold."""
    for values in DIRTY:
        add_customer(**values)
    return DIRTY


Export = Callable[..., Exported]


@pytest.fixture
def export(engine: Engine) -> Export:
    """``export(path, "parquet", "customers", …)``: what was written."""

    def run(target: Path, format_: Any, *names: str, **options: Any) -> Exported:
        datasets = tuple(DATASETS[name] for name in names or ("customers",))
        request = Request(format=format_, datasets=datasets, **options)
        return to_path(engine, target, request, key=KEY, progress=silent)

    return run
