"""Masked values: the same for the same key, useless without it, and masked wherever they stand."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from mdm.config import Config
from mdm.errors import ConfigError, UsageError
from mdm.exports import masking
from mdm.exports.export import Request, to_path
from mdm.progress import silent

KEY = "a key that tests may know"
ANN = {
    "canonical_full_name": "Änn O'Neill", "canonical_email": "ann@example.org",
    "canonical_phone": "+442079460000", "canonical_postcode": "LS1 4AP", "canonical_city": "Leeds",
    "canonical_date_of_birth": "1981-04-03", "extra": {"job": "smith", "shoe": "42"},
}  # fmt: skip


def hashed(value: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), value.encode(), hashlib.sha256).hexdigest()[:32]


@given(key=st.binary(max_size=200), value=st.binary(max_size=300))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_the_pads_make_hmac(key: bytes, value: bytes) -> None:
    inner, outer = masking.pads(key)
    ours = hashlib.sha256(outer + hashlib.sha256(inner + value).digest()).digest()
    assert ours == hmac.digest(key, value, "sha256")


def test_customers_under_masks(tmp_path: Path, add_customer: Any, export: Any) -> None:
    add_customer(**ANN)
    add_customer()
    masks = {
        "full_name": "hash", "email": "partial", "phone": "partial", "postcode": "partial",
        "date_of_birth": "partial", "job": "hash", "city": "drop", "street": "hash",
    }  # fmt: skip
    export(tmp_path / "c.parquet", "parquet", masks=masks)
    frame = pl.read_parquet(tmp_path / "c.parquet")
    assert frame.schema["canonical_date_of_birth"] == pl.Date
    masked, empty = frame.to_dicts()
    assert masked["canonical_full_name"] == hashed("Änn O'Neill")
    assert masked["canonical_email"] == "a***@example.org"
    assert masked["canonical_phone"] == "+44********00"
    assert masked["canonical_postcode"] == "LS***"
    assert str(masked["canonical_date_of_birth"]) == "1981-01-01"
    assert masked["canonical_city"] is None
    assert json.loads(masked["extra"]) == {"job": hashed("smith"), "shoe": "42"}
    assert [empty[name] for name in empty if name.startswith("canonical_")] == [None] * 16
    assert json.loads(empty["extra"]) == {}  # a mask invents nothing
    raw = (tmp_path / "c.parquet").read_bytes()
    assert b"Neill" not in raw
    assert b"20794600" not in raw


def test_what_is_masked_in_one_dataset_is_masked_in_all(
    tmp_path: Path, conn: Connection, add_customer: Any, export: Any
) -> None:
    customer = add_customer(**ANN)
    new = {"canonical_email": "ann@example.org", "canonical_city": None, "extra": {"job": "smith"}}
    conn.execute(
        text(
            "INSERT INTO gold.customer_change_events VALUES"
            " (1, 1, 'INSERT', :id, NULL, now(), NULL, NULL, :new),"
            " (2, 1, 'UPDATE', :id, NULL, now(), '{canonical_email}', :old, '{}')"
        ),
        {"id": customer, "new": json.dumps(new), "old": '{"canonical_email": null}'},
    )
    conn.execute(
        text(
            "INSERT INTO gold.survivorship_rule_sets (digest, rules, first_run_id)"
            ' VALUES (\'d\', \'{"attributes": {}, "default": "most_recent"}\', 1)'
        )
    )
    conn.execute(
        text(
            "INSERT INTO gold.customer_lineage (global_customer_id, record_ids, rule_set_id)"
            " SELECT :id, '{}', rule_set_id FROM gold.survivorship_rule_sets"
        ),
        {"id": customer},
    )
    conn.commit()
    masks = {"email": "hash", "city": "drop", "job": "hash"}
    export(tmp_path / "all", "parquet", "customers", "events", "lineage", masks=masks)

    def column(name: str, wanted: str) -> list[Any]:
        return pl.read_parquet(tmp_path / "all" / f"{name}.parquet")[wanted].to_list()

    email = hashed("ann@example.org")
    assert column("customers", "canonical_email") == [email]
    first, second = (json.loads(value) for value in column("events", "new_values"))
    assert first == {
        "canonical_email": email,
        "canonical_city": None,
        "extra": {"job": hashed("smith")},
    }
    assert second == {}
    assert column("events", "old_values") == [None, '{"canonical_email": null}']
    shown = dict(zip(column("lineage", "attribute"), column("lineage", "value"), strict=True))
    assert shown["email"] == email
    assert shown["city"] is None
    assert shown["full_name"] == "Änn O'Neill"
    assert shown["job"] == hashed("smith")
    assert json.loads((tmp_path / "all" / "_export.json").read_text())["masked"] == masks


def test_the_words_of_a_source_go_with_any_mask(
    tmp_path: Path, conn: Connection, export: Any
) -> None:
    conn.execute(
        text(
            "INSERT INTO raw.lake_objects (source, object_key, etag, size_bytes, last_modified,"
            " object_at, state, rows_n, rejected_n, run_id)"
            " VALUES ('crm', 'crm/a', 'e', 1, now(), now(), 'LOADED', 0, 1, 1)"
        )
    )
    conn.execute(
        text(
            "INSERT INTO raw.rejected_lines (object_id, line_no, source, reason, detail, line,"
            " run_id) SELECT object_id, 1, 'crm', 'not JSON', 'Ann', 'Ann', 1 FROM raw.lake_objects"
        )
    )
    conn.commit()
    export(tmp_path / "r.parquet", "parquet", "rejects", masks={"email": "drop"})
    row = pl.read_parquet(tmp_path / "r.parquet").to_dicts()[0]
    assert (row["line"], row["detail"], row["reason"]) == (None, None, "not JSON")


@pytest.mark.parametrize("key", [None, "too short"])
def test_a_hash_needs_a_key(tmp_path: Path, engine: Engine, key: Any) -> None:
    from pydantic import SecretStr

    request = Request(format="csv", masks={"email": "hash"})
    with pytest.raises(ConfigError, match="MDM_EXPORT_KEY"):
        to_path(engine, tmp_path / "c.csv", request, key=key and SecretStr(key), progress=silent)
    assert list(tmp_path.iterdir()) == []


def test_what_may_be_asked_for(config: Config) -> None:
    assert masking.parse(["email,phone=partial", "canonical_city=drop"], config) == {
        "email": "hash",
        "phone": "partial",
        "city": "drop",
    }
    attributes = {"nick": {"type": "name"}, "shoe": {"type": "number"}}
    further = Config.model_validate(config.model_dump() | {"attributes": attributes})
    masks = masking.parse(["pii", "email=drop"], further)
    assert masks["email"] == "drop"
    assert masks["nick"] == "hash"
    assert "shoe" not in masks
    assert not set(masks) & {"city", "region", "country", "gender", "organisation"}
    with pytest.raises(UsageError, match="no such attribute"):
        masking.parse(["shoe"], config)
    with pytest.raises(UsageError, match="hash, partial, drop"):
        masking.parse(["email=rot13"], config)
