"""What fields hold and what they probably mean, shown and written down."""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdm.config import Config
from mdm.config import load as load_config
from mdm.extracts.model import Options
from mdm.extracts.reading import open_extract
from mdm.profiling.content import date_parts
from mdm.profiling.field_names import attribute_scores, words_of
from mdm.profiling.figures import Field, fields_of
from mdm.profiling.page import page
from mdm.profiling.sample import Sample
from mdm.profiling.section import section, suggest, table_name

ROOT = Path(__file__).resolve().parents[2]


def sample_of(records: Iterable[dict[str, Any]]) -> Sample:
    return Sample.of([json.dumps(record).encode() for record in records], limit=10**6)


def fields(records: Iterable[dict[str, Any]]) -> dict[str, Field]:
    return {one.path: one for one in fields_of(sample_of(records))}


def suggested(records: Iterable[dict[str, Any]] | Path, **options: Any) -> dict[str, Any]:
    """The suggested section of a source, read as the pipeline reads it."""
    if isinstance(records, Path):
        with open_extract(records, Options(**options)) as extract:
            sample = Sample.of(extract.lines, limit=10_000)
    else:
        sample = sample_of(records)
    text = section(suggest("x", sample, fields_of(sample), table="x"), "made up")
    document = tomllib.loads(text)
    Config.model_validate(document)
    found: dict[str, Any] = document["sources"]["x"]
    return found


def best(best_line: str) -> str:
    scores = attribute_scores(best_line)
    return max(scores, key=lambda attribute: scores[attribute]) if scores else ""


def test_figures_of_a_field() -> None:
    records = [
        {"id": 1, "name": " Anna ", "n": {"tags": ["a", "b"], "x": None}},
        {"id": 2, "name": "Bo", "n": {"tags": [], "x": True}},
        {"id": 3, "name": "", "n": {"tags": ["a"]}, "late": "x"},
        {"id": 10, "name": "Bo", "n": "odd"},
    ]
    found = fields(records)
    assert list(found) == ["id", "name", "n.tags.0", "n.x", "n.tags", "late", "n"]
    number = found["id"]
    assert (number.filled, number.distinct, number.is_key) == (4, 4, True)
    assert (number.smallest, number.largest, number.types) == ("1", "10", {"number": 4})
    assert sum(count for _, _, count in number.histogram) == 4
    name = found["name"]
    assert (name.filled, name.distinct, name.fill) == (3, 2, 0.75)
    assert name.top == (("Bo", 2), (" Anna ", 1))
    assert name.shapes == (("Aa", 2), (" Aa ", 1))
    assert (name.shortest, name.longest, name.histogram_of) == (2, 6, "length")
    assert found["n.tags.0"].filled == 2
    assert found["n.x"].types == {"boolean": 1}
    assert (found["late"].rows, found["late"].filled) == (4, 1)


def test_numbers_that_are_ids_are_ordered_as_text() -> None:
    found = fields([{"plz": "01067", "phone": "+491"}, {"plz": "1", "phone": "+5"}])
    assert (found["plz"].smallest, found["phone"].histogram_of) == ("01067", "length")


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5),
            st.recursive(
                st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(st.text(max_size=3), inner, max_size=2)
                ),
                max_leaves=4,
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_record_can_be_looked_at(records: list[dict[str, Any]]) -> None:
    """Whatever keys and values: figures add up, the section is TOML, the page is well formed."""
    lines = [
        json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") for record in records
    ]
    sample = Sample.of(lines, limit=100)
    found = fields_of(sample)
    for one in found:
        assert 0 <= one.distinct <= one.filled <= one.rows == len(records)
        assert sum(count for _, count in one.top) <= one.filled
        assert sum(count for _, _, count in one.histogram) == one.filled
    tomllib.loads(section(suggest("x", sample, found, table="x"), "made\nup"))
    assert tags_of(page("x", "y", sample.rows, found)) <= PAGE_TAGS


PAGE_TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "h1", "h2", "h3",
    "p", "dl", "div", "dt", "dd", "section", "table", "thead", "tbody", "tr", "th", "td", "a",
    "span", "svg", "rect", "line", "text", "ol", "li", "small",
}  # fmt: skip


class _Tags(HTMLParser):
    """Collects tags, and fails where an end tag closes another tag than the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def tags_of(html: str) -> set[str]:
    parser = _Tags()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert not [name for name in parser.attributes if name.startswith("on") or name == "src"]
    return parser.seen


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>", "</style><img src=x onerror=alert(1)>", '"><svg onload=x>',
        "'onmouseover='x", "&lt;b&gt;", "\u202eevil", "x" * 5000, "a\x00b", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_hostile_values_and_names_stay_text(evil: str) -> None:
    records = [{"id": str(n), "name": "Bo", evil: evil, "same": evil} for n in range(3)]
    html = page(evil, evil, 3, fields_of(sample_of(records)))
    assert tags_of(html) <= PAGE_TAGS
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "default-src 'none'" in html
    assert not re.search(r"https?://", html)
    source = suggested(records)
    assert source["record_id"] == "id"


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("Vorname", "given_name"), ("nachname", "family_name"), ("nom", "family_name"),
        ("prénom", "given_name"), ("apellido", "family_name"), ("Teléfono móvil", "phone"),
        ("PLZ", "postcode"), ("Straße", "street"), ("DOB", "date_of_birth"), ("Geb.-Datum",
        "date_of_birth"), ("customerEmail", "email"), ("E-Mail", "email"),
        ("contact.email", "email"),
        ("billing_zip", "postcode"), ("shipTo.postalCode", "postcode"), ("SURNAME", "family_name"),
        ("name.first", "given_name"), ("person.displayName", "full_name"), ("Kundenname",
        "full_name"), ("codice_fiscale", "tax_id"), ("Geschlecht", "gender"), ("pays", "country"),
        ("ville", "city"), ("legal_name", "organisation"), ("Firma", "organisation"),
        ("requester.account_number", "customer_number"), ("msisdn", "phone"),
        ("address1", "street"),
        ("Bundesland", "region"), ("orders_count", ""), ("loyalty_points", ""), ("notes", ""),
    ],
)  # fmt: skip
def test_names_of_many_languages_are_known(name: str, attribute: str) -> None:
    assert best(name) == attribute


def test_words_of_a_name() -> None:
    assert words_of("shipTo.postal_code") == ("ship", "to", "postal", "code")
    assert words_of("HTMLName2") == ("html", "name", "2")
    assert words_of("Straße/Nr.") == ("strasse", "nr")


@pytest.mark.parametrize(
    ("value", "order"),
    [
        ("2024-01-31", "YMD"), ("2024-01-31T10:00:00Z", "YMD"), ("20240131", "YMD"),
        ("31/01/2024", "DMY"), ("01/31/2024", "MDY"), ("3.4.81", "either"), ("31 Jan 2024",
        "named month"), ("März 3, 2024", "named month"), ("2024-13-01", None), ("32/32/2024", None),
        ("12345678", None), ("Anna", None), ("12-34", None), ("5/5", None),
    ],
)  # fmt: skip
def test_dates_are_told_by_their_form(value: str, order: str | None) -> None:
    read = date_parts(value)
    assert (read[0] if read else None) == order


def people(number: int, **more: Any) -> list[dict[str, Any]]:
    """Made-up records with a name and an id."""
    return [
        {"id": f"C{n:04d}", "name": f"Anna{'bcdefgh'[n % 7]} Keller"}
        | {key: value(n) if callable(value) else value for key, value in more.items()}
        for n in range(number)
    ]


@pytest.mark.parametrize(
    ("born", "phone", "order", "region"),
    [
        (lambda n: f"{13 + n % 15}/0{1 + n % 9}/1980", lambda n: f"020 7946 {n:04d}", "DMY", "GB"),
        (lambda n: f"0{1 + n % 9}/{13 + n % 15}/1980", lambda n: f"(702) 919-{n:04d}", "MDY", "US"),
        (lambda n: f"0{1 + n % 9}/0{1 + n % 8}/1980", lambda n: f"212-555-{n:04d}", "MDY", "US"),
        (lambda n: f"1980-01-{1 + n % 28:02d}", lambda n: f"+33 1 42 68 0{n // 100} {n % 100:02d}",
         "YMD", "FR"),
        (lambda n: f"{13 + n % 15}.01.1980", lambda n: f"+61 2 9374 {4000 + n}", "DMY", "AU"),
    ],
)  # fmt: skip
def test_region_and_date_order_are_told_by_values(
    born: Any, phone: Any, order: str, region: str
) -> None:
    source = suggested(people(120, dob=born, tel=phone))
    assert source["date_order"] == order
    assert source["phone_region"] == region
    assert source["fields"] == {"full_name": "name", "date_of_birth": "dob", "phone": "tel"}


def test_content_tells_what_names_do_not() -> None:
    source = suggested(
        people(
            50,
            field_7=lambda n: f"person{n}@example.org",
            q3=lambda n: f"LS{n % 9 + 1} {n % 9}AP",
            k=lambda n: "mf"[n % 2],
        )
    )
    assert source["fields"] == {
        "full_name": "name", "email": "field_7", "postcode": "q3", "gender": "k",
    }  # fmt: skip


def test_a_name_that_its_values_contradict_is_a_doubt() -> None:
    sample = sample_of(people(50, email=lambda n: f"{n} apples"))
    text = section(suggest("x", sample, fields_of(sample), table="x"), "made up")
    assert re.search(r'email = "email" +# DOUBT: only 0% of its values look like e-mail', text)


@pytest.mark.parametrize(
    ("records", "record_id", "doubt"),
    [
        (people(9, customer_id=lambda n: n % 3), "id", False),
        ([{"mrn": f"X-{n}", "email": f"a{n}@b.example"} for n in range(9)], "mrn", True),
        ([{"name": "Bo", "no": n % 2} for n in range(9)], "no", True),
        ([{"a": {"id": n}, "email": f"a{n}@b.example"} for n in range(9)], "a.id", False),
    ],
)  # fmt: skip
def test_the_id_of_a_record(records: list[dict[str, Any]], record_id: str, doubt: bool) -> None:
    sample = sample_of(records)
    found = suggest("x", sample, fields_of(sample), table="x")
    assert found.record_id is not None
    assert (found.record_id.value, found.record_id.doubtful) == (record_id, doubt)


def test_the_time_of_a_record_is_what_changes_with_it() -> None:
    when = "2025-03-{:02d}T10:00:00Z".format
    source = suggested(
        people(20, dob="1980-01-01", created_at=lambda n: when(n % 9 + 1),
               updated_at=lambda n: when(n % 9 + 2))
    )  # fmt: skip
    assert source["event_time"] == "updated_at"
    assert source["fields"]["date_of_birth"] == "dob"


EXAMPLES = {
    "hospital_crm": {"registry": "registry.json", "club": "club.csv"},
    "wholesale": {"accounts": "accounts.jsonl", "vendors": "vendors.csv"},
}


def edits(source: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """The keys that a person would have to change in a suggested section."""
    settings_ = ("record_id", "event_time", "phone_region", "date_order")
    wrong = [key for key in settings_ if wanted.get(key) and source.get(key) != wanted[key]]
    return wrong + [
        f"fields.{key}"
        for key, value in wanted["fields"].items()
        if source["fields"].get(key) not in (value, list(value))
        # of several fields the order is a matter of taste
        and set(source["fields"].get(key, ())) != set(value)
    ]


@pytest.mark.parametrize(
    ("example", "source"), [(name, source) for name in EXAMPLES for source in EXAMPLES[name]]
)
def test_the_examples_need_three_edits_at_most(example: str, source: str) -> None:
    folder = ROOT / "examples" / example
    wanted = load_config(folder / "mdm.toml").sources[source].model_dump()
    wrong = edits(suggested(folder / EXAMPLES[example][source]), wanted)
    assert len(wrong) <= 3, wrong


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["splink_fake_1000", "historical_50k", "febrl3", "senzing_truthset",
             "dedupe_early_childhood", "seven_sources"],
)  # fmt: skip
def test_labelled_sets_need_three_edits_at_most(shared_data: Path, name: str) -> None:
    folder = shared_data / name
    file = next(path for path in sorted(folder.glob("records.csv*")))
    config = load_config(ROOT / "benchmarks" / "datasets" / f"{name}.toml")
    wanted = next(iter(config.sources.values())).model_dump()
    wanted["fields"] = {
        key: value for key, value in wanted["fields"].items() if key not in config.attributes
    }
    if "phone" not in wanted["fields"]:
        wanted["phone_region"] = None  # nothing in the data could tell it
    wrong = edits(suggested(file), wanted)
    assert len(wrong) <= 3, wrong


def test_table_names_are_valid_and_their_own() -> None:
    assert table_name("CRM-2 Käufer", frozenset()) == "crm_2_kaufer"
    assert table_name("crm", frozenset({"crm", "crm_2"})) == "crm_3"
    assert table_name("7", frozenset()) == "t_7"


def write_people(mdm: Any, name: str = "people.csv") -> None:
    with (mdm.folder / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "Vorname", "Nachname", "E-Mail", "geändert am"])
        for n in range(30):
            writer.writerow([n, "Anna", f"Keller{n}", f"a{n}@example.org", "2025-01-02"])


def test_init_load_run_profile(mdm: Any) -> None:
    """From a file nobody has seen to golden customers without a line written by hand."""
    (mdm.folder / "mdm.toml").unlink()
    write_people(mdm)
    assert mdm("init", "people.csv") == 0, mdm.err
    assert not (mdm.folder / "mdm.toml").exists()
    assert tomllib.loads(mdm.out)["sources"]["people"]["event_time"] == "geändert am"
    assert "Vorname" in mdm.err
    assert mdm("init", "people.csv", "--write") == 0, mdm.err
    assert mdm("profile", "--source", "people") == 1
    assert "no records yet" in mdm.err
    assert mdm("load", "people.csv", "--source", "people") == 0, mdm.err
    assert mdm("profile", "--source", "people") == 0, mdm.err
    assert "30 records of the lake" in mdm.out
    assert mdm("run") == 0, mdm.err
    assert mdm.rows("SELECT count(*) FROM gold.dim_customers") == [["30"]]
    assert mdm("profile", "--source", "people", "--json") == 0, mdm.err
    document = json.loads(mdm.out)
    assert document["from"] == "raw.people, all 30 rows"
    assert (
        document["fields"][0] | {"path": "id", "filled": 30, "distinct": 30}
        == (document["fields"][0])
    )
    assert mdm("profile", "--source", "people", "--rows", "10") == 0, mdm.err
    assert "10 records of raw.people, one row in 3 of 30" in mdm.out
    assert mdm("profile", "--source", "people", "--html", "p.html") == 0, mdm.err
    assert tags_of((mdm.folder / "p.html").read_text(encoding="utf-8")) <= PAGE_TAGS
    assert mdm("profile", "--source", "nobody") == 2
    assert mdm("profile", "--source", "people", "--html", "none/p.html") == 2


def test_init_appends_and_never_overwrites(mdm: Any) -> None:
    before = (mdm.folder / "mdm.toml").read_text()
    write_people(mdm)
    assert mdm("init", "people.csv", "--source", "crm", "--write") == 2
    assert "sources.crm is there already" in mdm.err
    assert (mdm.folder / "mdm.toml").read_text() == before
    assert mdm("init", "people.csv", "--source", "crm 2", "--write") == 2
    assert "use letters, digits" in mdm.err
    assert (mdm.folder / "mdm.toml").read_text() == before
    assert mdm("init", "people.csv", "--source", "crm_customers", "--write") == 0, mdm.err
    after = (mdm.folder / "mdm.toml").read_text()
    assert after.startswith(before)
    tables = {
        name: source.table for name, source in load_config(mdm.folder / "mdm.toml").sources.items()
    }
    assert tables == {"crm": "crm_customers", "crm_customers": "crm_customers_2"}  # fmt: skip
    mdm.write("mdm.toml", "not [toml")
    assert mdm("init", "people.csv", "--write") == 2
    assert (mdm.folder / "mdm.toml").read_text() == "not [toml"


@pytest.mark.parametrize(
    ("content", "told"),
    [("id,name\n", "no records"), ("", "empty"), ("\0\1\2" * 500, "binary")],
)
def test_init_says_what_it_cannot_look_at(mdm: Any, content: str, told: str) -> None:
    mdm.write("a.csv", content)
    assert mdm("init", "a.csv") == 1
    assert told in mdm.err
    assert mdm("init", "none.csv") == 1
    assert mdm("init", "a.csv", "a.csv", "--source", "x") == 2
    mdm.write("a.jsonl", "[1]\n[2]\n" * 5)
    assert mdm("init", "a.jsonl") == 1
    assert "Traceback" not in mdm.err
