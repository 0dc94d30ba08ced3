"""The lake against a real S3 server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mdm.errors import ServiceDown
from mdm.lake import Lake, LakeObject, ObjectGone
from mdm.services.model import Endpoints


def test_what_is_put_is_listed_and_read(lake: Lake) -> None:
    key = "crm/dt=2026-01-01/hr=07/crm_1.jsonl"
    lake.put(key, b"one\n")
    lake.put("crm/dt=2026-01-01/hr=08/crm_2.jsonl", b"two\n")
    lake.put("shop/dt=2026-01-01/hr=07/shop_1.jsonl", b"")
    listed = list(lake.list("crm/"))
    assert [entry.key for entry in listed] == [key, "crm/dt=2026-01-01/hr=08/crm_2.jsonl"]
    assert listed[0].size == 4
    assert listed[0].at == datetime(2026, 1, 1, 7, tzinfo=UTC)
    with lake.open(key) as stream:
        assert stream.read() == b"one\n"
    assert [entry.key for entry in lake.list("crm/", start_after=key)] == [listed[1].key]


def test_the_tag_follows_the_content(lake: Lake) -> None:
    lake.put("crm/x.jsonl", b"one\n")
    first = lake.etag("crm/x.jsonl")
    lake.put("crm/x.jsonl", b"two\n")
    assert first is not None
    assert lake.etag("crm/x.jsonl") != first


def test_an_absent_object(lake: Lake) -> None:
    assert not lake.exists("crm/none.jsonl")
    with pytest.raises(ObjectGone), lake.open("crm/none.jsonl"):
        pass
    lake.remove("crm/none.jsonl")


@pytest.mark.parametrize("key", ["crm/x.jsonl", "crm/dt=2026-99-99/hr=07/x.jsonl", "crm/dt=soon/x"])
def test_a_key_without_a_readable_hour_is_as_old_as_its_last_change(key: str) -> None:
    moment = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    assert LakeObject(key, "e", 1, moment).at == moment


def test_a_server_that_is_down_is_named(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setattr("mdm.lake._ATTEMPTS", 2)
    lake = Lake(replace(endpoints, s3_endpoint="127.0.0.1:1"))
    with pytest.raises(ServiceDown, match=r"127\.0\.0\.1:1.*mdm services up"):
        lake.put("crm/x.jsonl", b"")
