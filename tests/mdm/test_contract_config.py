"""Contracts in ``mdm.toml``: what they mean, and what is said of a wrong one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mdm.config import Config, load
from mdm.contracts import Contract
from mdm.errors import ConfigError

SOURCE = """
[sources.crm]
table = "crm_customers"
record_id = "customer_id"
[sources.crm.fields]
email = "email"
"""
WHOLE = """
[sources.crm.contract]
required = ["email"]
unique = ["customer_id", ["email", "phone"]]
volume = { min = 1_000, max = 2_000_000 }
freshness_hours = 48
max_bad_share = 0.02
extra_fields = "refuse"
[sources.crm.contract.fields.email]
pattern = '^[^@\\s]+@[^@\\s]+$'
length = { max = 254 }
unique = true
[sources.crm.contract.fields."contact.age"]
min = 0
max = 130
[sources.crm.contract.fields.born]
min = 1900-01-01
required = true
[sources.crm.contract.fields.status]
type = "text"
allowed = ["active", "left", true]
"""


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "mdm.toml"
    path.write_text(SOURCE + text, encoding="utf-8")
    return load(path)


def contract(tmp_path: Path, text: str) -> Contract:
    found = read(tmp_path, text).sources["crm"].contract
    assert found is not None
    return found


def test_a_source_without_one_has_none(tmp_path: Path) -> None:
    assert read(tmp_path, "").sources["crm"].contract is None


def test_the_rules_of_a_contract_in_their_order(tmp_path: Path) -> None:
    found = contract(tmp_path, WHOLE)
    assert [tuple(rule) for rule in found.rules()] == [
        ("email.required", "email must be filled"),
        ("email.pattern", r"email must match ^[^@\s]+@[^@\s]+$"),
        ("email.length", "email must have at most 254 characters"),
        ("contact.age.type", "contact.age must be of the type number"),
        ("contact.age.min", "contact.age must not be below 0"),
        ("contact.age.max", "contact.age must not be above 130"),
        ("born.required", "born must be filled"),
        ("born.type", "born must be of the type timestamp"),
        ("born.min", "born must not be below 1900-01-01"),
        ("status.type", "status must be of the type text"),
        ("status.allowed", "status must be one of: active, left, true"),
        ("customer_id.unique", "customer_id must not be the same in two lines of a file"),
        ("email+phone.unique", "email+phone must not be the same in two lines of a file"),
        ("email.unique", "email must not be the same in two lines of a file"),
    ]
    assert found.by_field["born"].min == date(1900, 1, 1)
    assert str(found.volume) == "1,000 to 2,000,000"


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("requird = ['email']", "requird", "did you mean 'required'? allowed: required, unique"),
        ("volume = {}", "volume", "give min, max or both"),
        ("volume = { min = 5, max = 2 }", "volume", "min (5) must not be above max (2)"),
        ("volume = { mim = 5 }", "volume.mim", "allowed: min, max"),
        ("freshness_hours = 0", "freshness_hours", "greater than 0; found 0"),
        ("max_bad_share = 1.5", "max_bad_share", "less than or equal to 1; found 1.5"),
        ("extra_fields = 'drop'", "extra_fields", "'keep' or 'refuse'; found 'drop'"),
        ("unique = [[]]", "unique", "empty list"),
        ("unique = 'id'", "unique", "found 'id'"),
        ("fields.email.patern = 'x'", "fields.email.patern", "did you mean 'pattern'?"),
        ("fields.email.pattern = 'a(?=b)'", "fields.email.pattern", "found 'a(?=b)', not a"),
        ("fields.email.pattern = '['", "fields.email.pattern", "unclosed character class"),
        ("fields.email.type = 'string'", "fields.email.type", "'text', 'integer'"),
        ("fields.email.allowed = []", "fields.email.allowed", "empty list"),
        ("fields.a = { type = 'text', min = 1 }", "fields.a", "bounded by length"),
        ("fields.a = { type = 'date', min = 1 }", "fields.a", "min and max are dates"),
        ("fields.a = { type = 'number', min = 1900-01-01 }", "fields.a", "must both be numbers"),
        ("fields.a = { min = 1, max = 1900-01-01 }", "fields.a", "must both be numbers"),
        ("fields.a.b.required = true", "fields", "quote a dotted path"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, text: str, key: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[sources.crm.contract]\n{text}\n")
    assert f"mdm.toml: sources.crm.contract.{key}: " in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("table", ["lake_objects", "quarantine", "object_fields"])
def test_a_source_cannot_take_a_table_of_raw(tmp_path: Path, table: str) -> None:
    path = tmp_path / "mdm.toml"
    path.write_text(SOURCE.replace("crm_customers", table), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"sources\.crm\.table: a table name"):
        load(path)
