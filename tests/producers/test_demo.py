"""What reaches the lake, and that the truth beside it is the truth."""

from __future__ import annotations

import csv
import gzip
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from mdm.errors import BadInput, UsageError
from producers import marketing_producer, sales_producer, support_producer
from producers.delivery import MAX_LINES
from producers.demo import produce
from producers.objects import FolderStore
from producers.registry import SYSTEMS

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
KEY = re.compile(
    r"(?P<source>sales|support|marketing)/dt=(?P<dt>\d{4}-\d\d-\d\d)/hr=(?P<hr>\d\d)/"
    r"(?P=source)_\w+\.jsonl(\.gz)?"
)


class Home:
    """A folder as a lake and the truth beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = FolderStore(root / "lake")

    def objects(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root / "lake")): path.read_bytes()
            for path in sorted((self.root / "lake").rglob("*"))
            if path.is_file()
        }

    def lines(self) -> Iterator[tuple[str, bytes]]:
        for key, data in self.objects().items():
            text = gzip.decompress(data) if key.endswith(".gz") else data
            assert text.endswith(b"\n")
            for line in text[:-1].split(b"\n"):
                yield key, line

    def records(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Valid lines as (key, source, document)."""
        for key, line in self.lines():
            source = key.split("/", 1)[0]
            document = parsed(line, SYSTEMS[source].id_field)
            if document is not None:
                yield key, source, document

    def truth(self) -> dict[tuple[str, str], str]:
        with (self.root / "truth" / "demo_truth.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found = {(row["source"], row["record_id"]): row["cluster_id"] for row in rows}
        assert len(found) == len(rows), "each record once"
        return found

    def changes(self, day: int) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(
            (self.root / "truth" / f"day_{day}_changes.json").read_bytes()
        )
        return document


def parsed(line: bytes, id_field: str) -> dict[str, Any] | None:
    """The line as a record, None where it is malformed."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(document, dict) or not document.get(id_field):
        return None
    return document


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("one"))
    produce(home.store, home.root, SYSTEMS, now=NOW)
    return home


@pytest.fixture(scope="module")
def third_day(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("three"))
    produce(home.store, home.root, SYSTEMS, day=3, now=NOW)
    return home


def test_the_default_is_nine_thousand_events_over_24_hours_that_have_passed(
    first_day: Home,
) -> None:
    ids: set[tuple[str, str]] = set()
    places: dict[datetime, set[str]] = defaultdict(set)
    for key, source, document in first_day.records():
        assert KEY.fullmatch(key), key
        at = datetime.fromisoformat(document["updated_at"]).astimezone(UTC)
        assert at < NOW
        ids.add((source, document[SYSTEMS[source].id_field]))
        places[at].add(key)
    # Each line is in its hour; the repeated ones are in a later object too.
    assert all(
        any(f"dt={at:%Y-%m-%d}/hr={at:%H}/" in k for k in keys) for at, keys in places.items()
    )
    hours = {at.replace(minute=0, second=0) for at in places}
    assert len(ids) == 9_000
    assert len(hours) == 24
    assert max(hours) - min(hours) == timedelta(hours=23)
    assert Counter(source for source, _ in ids) == {
        "sales": 3600,
        "support": 2700,
        "marketing": 2700,
    }


def test_truth_covers_every_valid_record_once(first_day: Home, third_day: Home) -> None:
    for home in (first_day, third_day):
        live: dict[tuple[str, str], bool] = {}
        for _, source, document in home.records():
            key = (source, document[SYSTEMS[source].id_field])
            live[key] = live.get(key, True) and not document.get("_deleted", False)
        assert {key for key, is_live in live.items() if is_live} == set(home.truth())
    assert len(set(first_day.truth().values())) == 3_600


def test_the_same_call_in_another_process_gives_the_same_bytes(
    first_day: Home, tmp_path: Path
) -> None:
    for name in ("sales", "support", "marketing"):
        command = [
            sys.executable,
            "-m",
            f"producers.{name}_producer",
            "--now",
            "2026-05-04T23:00:00",
        ]
        subprocess.run([*command, "--folder", tmp_path], check=True, capture_output=True)
    again = {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.jsonl*")
    }
    assert again == first_day.objects()
    rows = (tmp_path / "truth" / "demo_truth.csv").read_text().splitlines()
    assert sorted(rows) == sorted(
        (first_day.root / "truth" / "demo_truth.csv").read_text().splitlines()
    )


def test_a_second_call_changes_nothing_the_next_month_neither(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = produce(home.store, home.root, SYSTEMS, records=600, now=NOW)
    before = home.objects()
    truth = (home.root / "truth" / "demo_truth.csv").stat().st_mtime_ns
    again = produce(home.store, home.root, SYSTEMS, records=600, now=NOW + timedelta(days=31))
    assert (again.objects, again.lines) == (0, 0)
    assert again.skipped_objects == first.objects == len(before)
    assert home.objects() == before
    assert (home.root / "truth" / "demo_truth.csv").stat().st_mtime_ns == truth


def test_a_lost_object_comes_back_as_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path)
    produce(home.store, home.root, SYSTEMS, records=600, now=NOW)
    before = home.objects()
    lost = next(iter(before))
    (tmp_path / "lake" / lost).unlink()
    assert produce(home.store, home.root, SYSTEMS, records=600, now=NOW).objects == 1
    assert home.objects() == before


def test_days_asked_one_by_one_or_at_once_are_the_same(third_day: Home, tmp_path: Path) -> None:
    home = Home(tmp_path)
    for day in (1, 2, 3):
        # day 1 is dated by the first call; the clock moves on in between
        produce(home.store, home.root, SYSTEMS, day=day, now=NOW + timedelta(hours=day))
    assert home.objects() == third_day.objects()
    assert home.truth() == third_day.truth()
    produce(home.store, home.root, SYSTEMS, day=1, now=NOW)
    assert home.truth() == third_day.truth(), "the truth does not go back"


def test_another_population_in_the_same_home_mixes_with_nobody(tmp_path: Path) -> None:
    home = Home(tmp_path)
    produce(home.store, home.root, SYSTEMS, records=300, now=NOW)
    one = home.truth()
    produce(home.store, home.root, SYSTEMS, records=300, seed=43, now=NOW)
    both = home.truth()
    assert len(both) == 600
    assert one.items() <= both.items()
    assert not {both[key] for key in both.keys() - one.keys()} & set(one.values())


def test_what_goes_wrong_with_deliveries_goes_wrong_here(first_day: Home) -> None:
    malformed: Counter[str] = Counter()
    places: dict[bytes, list[str]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    for key, line in first_day.lines():
        sizes[key] += 1
        if parsed(line, SYSTEMS[key.split("/", 1)[0]].id_field) is None:
            malformed[key] += 1
        else:
            places[line].append(key)
    assert 0.001 < malformed.total() / sizes.total() < 0.01
    assert all(count / sizes[key] <= 0.05 for key, count in malformed.items())
    twice = [keys for keys in places.values() if len(keys) > 1]
    assert any(len(set(keys)) == 1 for keys in twice), "twice in one object"
    assert any(len(set(keys)) > 1 for keys in twice), "again in another object"
    assert {key.endswith(".gz") for key in sizes} == {True, False}


def test_malformed_lines_are_of_several_kinds(first_day: Home) -> None:
    kinds = set()
    for key, line in first_day.lines():
        if parsed(line, SYSTEMS[key.split("/", 1)[0]].id_field) is None:
            try:
                line.decode()
            except UnicodeDecodeError:
                kinds.add("not UTF-8")
                continue
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError:
                kinds.add("not JSON")
            else:
                kinds.add("no id" if isinstance(document, dict) else "no object")
    assert kinds == {"not UTF-8", "not JSON", "no id", "no object"}


def test_late_files_are_of_hours_gone_by(third_day: Home) -> None:
    late = defaultdict(set)
    for key in third_day.objects():
        match = re.search(r"dt=(\S+?)/hr=(\d\d)/(\w+?)_\w{4}_(\d{3})_(\d{4})", key)
        assert match
        day, hour, source, number, sequence = match.groups()
        late[source, number].add((int(sequence), f"{day} {hour}"))
    out_of_order = 0
    for arrivals in late.values():
        hours = [hour for _, hour in sorted(arrivals)]
        out_of_order += sum(now < before for before, now in pairwise(hours))
    assert out_of_order > 0
    first = date.fromisoformat(
        orjson.loads((third_day.root / "demo.json").read_bytes())["first_day"]
    )
    dates = {key.split("dt=")[1][:10] for key in third_day.objects()}
    assert dates == {str(first + timedelta(days=days)) for days in range(3)}


def test_the_file_of_changes_says_what_the_lines_say(third_day: Home) -> None:
    first_told: dict[tuple[str, str], dict[str, Any]] = {}
    last_told: dict[tuple[str, str], dict[str, Any]] = {}
    instants: dict[tuple[str, str], datetime] = {}
    for _, source, document in sorted(
        third_day.records(), key=lambda row: datetime.fromisoformat(row[2]["updated_at"])
    ):
        key = (source, document[SYSTEMS[source].id_field])
        first_told.setdefault(key, document)
        last_told[key] = document
        instants[key] = datetime.fromisoformat(document["updated_at"])
    truth = third_day.truth()
    changes = third_day.changes(3)
    assert all(
        changes["counts"][name] == len(changes[name])
        for name in changes["counts"].keys() - {"events"}
    )
    for name in ("new_customers", "movers", "marriages", "contact_changes"):
        for person in changes[name]:
            assert person["records"]
            for record in person["records"]:
                assert truth[record["source"], record["record_id"]] == person["cluster_id"]
    for deletion in changes["deletions"]:
        key = (deletion["source"], deletion["record_id"])
        assert last_told[key]["_deleted"] is True
        assert key not in truth
    corrected_attributes: Counter[str] = Counter()
    for correction in changes["corrections"]:
        key = (correction["source"], correction["record_id"])
        before, after = first_told[key], last_told[key]
        assert datetime.fromisoformat(before["updated_at"]) < instants[key]
        if correction["attributes"]:
            stamps = {"updated_at"}
            assert {k: v for k, v in before.items() if k not in stamps} != {
                k: v for k, v in after.items() if k not in stamps
            }
        corrected_attributes.update(correction["attributes"])
    assert len(corrected_attributes) >= 3


def test_values_are_spelt_as_each_system_spells_them(first_day: Home) -> None:
    by_source: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for _, source, document in first_day.records():
        by_source[source].append(document)
    sales = [document["customer"] for document in by_source["sales"]]
    support = [document["requester"] for document in by_source["support"]]
    marketing = by_source["marketing"]
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\d", c["birth_date"]) for c in sales if "birth_date" in c
    )
    assert all(re.fullmatch(r"\d\d/\d\d/\d{4}", r["dob"]) for r in support if r["dob"])
    assert all(
        re.fullmatch(r"\d\d\.\d\d\.\d{4}", d["birthday"]) for d in marketing if d["birthday"]
    )
    assert all(r["name"].isascii() for r in support)
    assert not any("ship_to" in d or "street" in d for d in by_source["support"] + marketing)
    assert sum(not d["birthday"] for d in marketing) > 0.7 * len(marketing)
    numbers = {c["number"] for c in sales if "number" in c}
    accounts = {r["account_number"] for r in support if r["account_number"]}
    assert len(numbers & accounts) > 100
    mails = Counter(c["contact"].get("email") for c in sales)
    assert mails["test@test.com"] + mails["n/a"] > 0
    assert any(mail and mail.startswith("info@") for mail in mails)
    assert any(str(c["contact"].get("phone")) in ("0000000000", "9999999999") for c in sales)
    assert any(c.get("birth_date") == "1900-01-01" for c in sales)


def test_a_day_that_has_not_passed_is_refused_with_the_reason(tmp_path: Path) -> None:
    home = Home(tmp_path)
    produce(home.store, home.root, SYSTEMS, records=60, now=NOW)
    with pytest.raises(UsageError, match=r"--day 31 is 2026-05-04 .* the latest is --day 30"):
        produce(home.store, home.root, SYSTEMS, records=60, day=31, now=NOW)


def test_a_long_history_asked_for_at_once_lies_in_the_past(tmp_path: Path) -> None:
    home = Home(tmp_path)
    produce(home.store, home.root, SYSTEMS, records=40, day=60, now=NOW)
    latest = max(key.split("dt=")[1][:10] for key in home.objects())
    assert latest == "2026-05-03"


def test_a_broken_ledger_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with pytest.raises(BadInput, match=r"demo\.json"):
        produce(FolderStore(tmp_path), tmp_path, SYSTEMS, records=60, now=NOW)


@pytest.mark.parametrize("records", [1, 2, 3, 25, 140])
def test_small_demos_are_whole(tmp_path: Path, records: int) -> None:
    home = Home(tmp_path)
    produce(home.store, home.root, SYSTEMS, records=records, now=NOW)
    assert len(home.truth()) == records
    produce(home.store, home.root, SYSTEMS, records=records, day=2, now=NOW)


def test_each_producer_is_callable_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for module in (sales_producer, support_producer, marketing_producer):
        module.produce(home.store, home.root, records=90, now=NOW)
    assert len(home.truth()) == 90


def test_fifty_thousand_events_take_seconds_and_objects_stay_handy(tmp_path: Path) -> None:
    home = Home(tmp_path)
    started = time.process_time()
    done = produce(home.store, home.root, SYSTEMS, records=50_000, now=NOW)
    assert time.process_time() - started < 8, "1.2 s on an idle core"
    assert done.objects < 120
    assert max(Counter(key for key, _ in home.lines()).values()) < MAX_LINES * 1.02
