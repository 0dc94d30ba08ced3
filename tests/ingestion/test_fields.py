"""Values of JSON records as text, and which fields there are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.fields import CONTAINER, Watch, column


@pytest.mark.parametrize(
    ("document", "path", "text"),
    [
        ({"a": "x"}, "a", "x"),
        ({"a": " x "}, "a", " x "),
        ({}, "a", None),
        ({"a": None}, "a", None),
        ({"a": ""}, "a", None),
        ({"a": " \t"}, "a", None),
        ({"a": 7}, "a", "7"),
        ({"a": 1.5}, "a", "1.5"),
        ({"a": True}, "a", "true"),
        ({"a": {"b": 1}}, "a", CONTAINER + '{"b":1}'),
        ({"a": []}, "a", CONTAINER + "[]"),
        ({"a": {"b": {"c": "x"}}}, "a.b.c", "x"),
        ({"a": {"b": "x"}}, "a.b.c", None),
        ({"a": [{"b": "x"}, {"b": "y"}]}, "a.1.b", "y"),
        ({"a": [{"b": "x"}]}, "a.1.b", None),
        ({"a": {"0": "x"}}, "a.0", "x"),
        ({"a.b": "flat"}, "a.b", "flat"),
        ({"a.b": "flat", "a": {"b": "nested"}}, "a.b", "nested"),
    ],
)
def test_a_field_is_found_as_a_mapping_finds_it(document: Any, path: str, text: str | None) -> None:
    # beside a text, since a column of texts only is read another way
    assert column([document, {path: "other"}], path).to_list() == [text, "other"]
    assert column([document, {path: 5}], path).to_list() == [text, "5"]


def test_fields_are_counted_where_they_are_filled() -> None:
    watch = Watch()
    watch.look([{"a": "x", "b": None, "c": {"d": 1}}, {"a": "", "c": {"d": None, "e": [1]}}])
    watch.look([{"a": 0, "c": "no object"}])
    assert watch.records == 3
    assert dict(watch.filled) == {"a": 2, "b": 0, "c": 3, "c.d": 1, "c.e": 1}
    assert not watch.is_full


def test_records_keyed_by_their_ids_are_not_watched_for_ever() -> None:
    watch = Watch()
    watch.look([{f"id{n}": 1} for n in range(5000)])
    watch.look([{"id0": 1}])
    assert watch.is_full
    assert len(watch.filled) == 1000
    assert watch.filled["id0"] == 2


def test_deep_and_long_paths_are_cut_short() -> None:
    watch = Watch()
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(900):
        inner["k"] = {}
        inner = inner["k"]
    watch.look([deep, {"x" * 201: 1}])
    assert max(path.count(".") for path in watch.filled) == 7
    assert all(len(path) <= 200 for path in watch.filled)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=5)
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=3), json_values, max_size=4), min_size=1))
def test_any_records_can_be_read(documents: list[dict[str, Any]]) -> None:
    watch = Watch()
    watch.look(documents)
    assert watch.records == len(documents)
    for path, filled in watch.filled.items():
        assert 0 <= filled <= len(documents)
        found = column(documents, path)
        # a field that is white space only is there, but not a filled value
        assert len(found) == len(documents)
