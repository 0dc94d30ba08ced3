"""Wrong configurations, as a new user makes them: each fault names file, key, found, allowed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from matching.blocking_plan import NEEDS
from mdm.config import BlockingRule, load
from mdm.errors import ConfigError

MINIMAL = """
[sources.crm]
table = "crm_customers"
record_id = "id"
[sources.crm.fields]
full_name = "name"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mdm.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_configuration_is_enough(tmp_path: Path) -> None:
    config = load(write(tmp_path, MINIMAL))
    assert config.sources["crm"].table == "crm_customers"
    assert config.matching.review <= config.matching.auto_merge
    assert not config.demo.enabled
    assert not config.identity.merge_flagged


def test_templates_and_lists_of_fields_and_further_attributes(tmp_path: Path) -> None:
    config = load(
        write(
            tmp_path,
            MINIMAL
            + 'street = "{number} {line_1}"\nemail = ["email", "contact.email"]\n'
            + 'occupation = "job"\n'
            + '[attributes.occupation]\ntype = "category"\n',
        )
    )
    assert config.sources["crm"].fields["email"] == ("email", "contact.email")
    assert config.known_attributes[-1] == "occupation"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sources.crm\n", ["not valid TOML"]),
        ("", ["sources", "missing"]),
        ("[sources]\n", ["sources"]),
        (MINIMAL.replace('record_id = "id"', ""), ["sources.crm.record_id", "missing"]),
        (
            MINIMAL.replace("record_id", "recordid"),
            ["sources.crm.recordid", "unknown key", "did you mean 'record_id'", "event_time"],
        ),
        (
            MINIMAL.replace("full_name", "fullname"),
            [
                "sources.crm.fields.fullname",
                "no such attribute",
                "did you mean 'full_name'",
                "full_name, given_name",
            ],
        ),
        (MINIMAL + '[attributes.email]\ntype = "text"\n', ["attributes.email", "built in"]),
        (
            MINIMAL + '[attributes.job]\ntype = "kategory"\n',
            ["attributes.job.type", "'kategory'", "category"],
        ),
        (
            MINIMAL + "[matching]\nauto_merge = 0.4\nreview = 0.6\n",
            ["matching", "review (0.6) must not be above auto_merge (0.4)"],
        ),
        (MINIMAL + "[matching]\nauto_merge = 1.5\n", ["matching.auto_merge", "1.5"]),
        (MINIMAL + "[matchin]\n", ["matchin", "unknown key", "did you mean 'matching'"]),
        (
            MINIMAL.replace("crm_customers", "crm; DROP TABLE x"),
            ["sources.crm.table", "lower-case"],
        ),
        (MINIMAL.replace("crm_customers", "lake_objects"), ["sources.crm.table"]),
        (
            MINIMAL + MINIMAL.replace("sources.crm", "sources.shop"),
            ["sources.shop.table", "already the table of source 'crm'"],
        ),
        (MINIMAL.replace("sources.crm", 'sources."a/b"'), ["sources.a/b", "a source name"]),
        (
            MINIMAL + '[survivorship]\nsource_priority = ["erp"]\n',
            ["source_priority", "'erp'", "crm"],
        ),
        (
            MINIMAL + '[survivorship.rules]\nemail = "newest"\n',
            ["survivorship.rules.email", "'newest'"],
        ),
        (
            MINIMAL.replace('= "id"', '= "id"\nphone_region = "Britain"'),
            ["phone_region", "Britain"],
        ),
        (
            MINIMAL.replace('= "id"', '= "id"\nphone_region = "UK"'),
            ["sources.crm.phone_region", "'UK'", "such as GB"],
        ),
        (MINIMAL.replace('= "id"', '= "{a}-{b}"'), ["sources.crm.record_id", "not a template"]),
        *(
            (MINIMAL + f"email = {written}\n", ["sources.crm.fields.email: ", told])
            for written, told in [
                ("7", "found 7"),
                ("[]", "found []"),
                ('["a", 5]', "found 5"),
                ('""', "without a name"),
                ('["a", "{}"]', "without a name"),
                ('"{a} {b"', "'{a} {b'"),
            ]
        ),
        (MINIMAL + '[matching]\nblocking = ["email", "phon"]\n', ["matching.blocking.1", "'phon'"]),
        (MINIMAL + '[staging.placeholders]\nany = "n/a"\n', ["placeholders.any: a list is asked"]),
        ('sources = "crm"\n', ["sources: a table is asked for"]),
    ],
)
def test_a_fault_is_told_with_file_and_key(tmp_path: Path, text: str, told: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    for part in told:
        assert part in message
    assert caught.value.exit_code == 2


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace("record_id", "recordid") + "[matching]\nauto_merge = 2\n"
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert len(str(caught.value).splitlines()) == 3


def test_a_column_may_be_called_as_it_likes(tmp_path: Path) -> None:
    load(write(tmp_path, MINIMAL + 'phone = "Phone No."\nemail = "E-Mail (work)"\n'))


def test_all_names_that_are_none_are_told_at_once(tmp_path: Path) -> None:
    text = MINIMAL + 'emial = "e"\nfonne = "f"\n[survivorship]\nsource_priority = ["crn"]\n'
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "sources.crm.fields.emial",
        "sources.crm.fields.fonne",
        "survivorship.source_priority",
    ]
    assert "did you mean 'email'?" in lines[0]
    assert "did you mean 'crm'?" in lines[2]


def test_the_names_of_blocking_rules_are_those_that_blocking_has() -> None:
    assert get_args(BlockingRule) == tuple(NEEDS)


def test_the_mark_that_windows_editors_put_first_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "mdm.toml"
    path.write_text(MINIMAL, encoding="utf-8-sig")
    assert "crm" in load(path).sources
    path.write_text(MINIMAL, encoding="utf-16")
    with pytest.raises(ConfigError, match=r"mdm\.toml: not UTF-8"):
        load(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(tmp_path / "absent.toml")


def test_the_digest_follows_the_meaning_not_the_spelling(tmp_path: Path) -> None:
    first = load(write(tmp_path, MINIMAL)).digest
    assert load(write(tmp_path, "# a comment\n" + MINIMAL)).digest == first
    assert load(write(tmp_path, MINIMAL + "[matching]\nreview = 0.6\n")).digest != first
