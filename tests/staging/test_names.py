"""Person names: every rule of the module as a row."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staging.names import PersonName, standardise_name

FULL_NAMES = [
    # written, name, given, middle, family, suffix
    ("Dr. Smith, John Jr.", "john smith", "john", None, "smith", "jr"),
    ("Alice Johnson", "alice johnson", "alice", None, "johnson", None),
    ("AliceJohnson", "alice johnson", "alice", None, "johnson", None),
    ("DiegoFernández", "diego fernandez", "diego", None, "fernandez", None),
    ("McDonald", "mcdonald", "mcdonald", None, None, None),
    ("AliceMcDonald", "alice mcdonald", "alice", None, "mcdonald", None),
    ("Alice Johnson (Support)", "alice johnson", "alice", None, "johnson", None),
    ('Robert "Bob" Smith', "robert smith", "robert", None, "smith", None),
    ("(Support)", "support", "support", None, None, None),
    ("Smith, John", "john smith", "john", None, "smith", None),
    ("SMITH, JOHN A", "john a smith", "john", "a", "smith", None),
    ("Smith, John, Jr.", "john smith", "john", None, "smith", "jr"),
    ("John Smith, Jr.", "john smith", "john", None, "smith", "jr"),
    ("Smith Jr, John", "john smith", "john", None, "smith", "jr"),
    ("John Smith III", "john smith", "john", None, "smith", "iii"),
    ("david dobbins senior", "david dobbins", "david", None, "dobbins", "sr"),
    ("Junior", "junior", "junior", None, None, None),
    ("Jane Doe, M.D., Ph.D.", "jane doe", "jane", None, "doe", None),
    ("Mr Smith", "smith", None, None, "smith", None),
    ("Mr", None, None, None, None, None),
    ("Prof. Dr. Max Mustermann", "max mustermann", "max", None, "mustermann", None),
    ("Herr Max Mustermann", "max mustermann", "max", None, "mustermann", None),
    ("Mme Marie Curie", "marie curie", "marie", None, "curie", None),
    ("Ludwig van Beethoven", "ludwig van beethoven", "ludwig", None, "van beethoven", None),
    ("Van Morrison", "van morrison", "van", None, "morrison", None),
    ("Maria de la Cruz", "maria de la cruz", "maria", None, "de la cruz", None),
    ("Omar bin Laden", "omar bin laden", "omar", None, "bin laden", None),
    ("Ali al-Rashid", "ali al rashid", "ali", None, "al rashid", None),
    ("Patrick O'Brien", "patrick obrien", "patrick", None, "obrien", None),
    ("Anna-Maria Schmidt", "anna maria schmidt", "anna maria", None, "schmidt", None),
    ("J.R.R. Tolkien", "j r r tolkien", "j", "r r", "tolkien", None),
    ("georgina ward, countess of dudley", "georgina ward", "georgina", None, "ward", None),
    ("henry stafford, 2nd duke", "henry stafford", "henry", None, "stafford", None),
    ("张秀英", "xiu ying zhang", "xiu", "ying", "zhang", None),
    (
        "ВАСІЛЬЕЎ, Аляксандр Паўлавіч",
        "alyaksandr paulavich vasileu", "alyaksandr", "paulavich", "vasileu", None,
    ),
    ("Smith, ?", "smith", "smith", None, None, None),
    (", John", "john", "john", None, None, None),
    ("Smith, 2", "smith", "smith", None, None, None),
    ("Baron, John", "john baron", "john", None, "baron", None),
    ("Smith, Anne-Marie", "anne marie smith", "anne marie", None, "smith", None),
    ("12345", None, None, None, None, None),
    ("", None, None, None, None, None),
]  # fmt: skip

PARTS: list[tuple[dict[str, Any], PersonName]] = [
    ({}, PersonName()),
    (
        {"given_name": "Robert ", "family_name": "Smith"},
        PersonName("robert smith", "robert", None, "smith"),
    ),
    (
        {"given_name": "Anna", "middle_name": "Marie", "family_name": "Aguilar"},
        PersonName("anna marie aguilar", "anna", "marie", "aguilar"),
    ),
    (
        {"given_name": "Xiu Ying", "family_name": "Zhang"},
        PersonName("xiu ying zhang", "xiu", "ying", "zhang"),
    ),
    (
        {"given_name": "David", "family_name": "Dobbins Jr"},
        PersonName("david dobbins", "david", None, "dobbins", "jr"),
    ),
    (
        {"given_name": "Morris II", "family_name": "Klein"},
        PersonName("morris klein", "morris", None, "klein", "ii"),
    ),
    ({"family_name": "O'hare"}, PersonName("ohare", None, None, "ohare")),
    ({"middle_name": "Lee"}, PersonName("lee", None, "lee", None)),
    # The full name fills what the parts leave open …
    (
        {"full_name": "j. norman collie", "given_name": "j.", "family_name": "collie"},
        PersonName("j norman collie", "j", "norman", "collie"),
    ),
    (
        {"full_name": "hubert von herkomer", "given_name": "hubert", "family_name": "herkomer"},
        PersonName("hubert von herkomer", "hubert", None, "herkomer"),
    ),
    (
        {"full_name": "Mary Ann Smith", "given_name": "Mary"},
        PersonName("mary ann smith", "mary", "ann", "smith"),
    ),
    (
        {"full_name": "Mary Smith Jr", "given_name": "Mary", "family_name": "Smith"},
        PersonName("mary smith", "mary", None, "smith", "jr"),
    ),
    # … and never overrules them.
    (
        {"full_name": "X Y", "given_name": "A", "family_name": "B"},
        PersonName("a b", "a", None, "b"),
    ),
]


@pytest.mark.parametrize(
    ("written", "name", "given_name", "middle", "family", "suffix"),
    FULL_NAMES,
    ids=[row[0] for row in FULL_NAMES],
)
def test_full_name(
    written: str,
    name: str | None,
    given_name: str | None,
    middle: str | None,
    family: str | None,
    suffix: str | None,
) -> None:
    assert standardise_name(written) == PersonName(name, given_name, middle, family, suffix)


@pytest.mark.parametrize(("fields", "expected"), PARTS)
def test_mapped_parts(fields: dict[str, Any], expected: PersonName) -> None:
    assert standardise_name(**fields) == expected


@pytest.mark.parametrize(
    "spelling",
    [
        {"full_name": "Smith, Dr. John Paul, Jr."},
        {"full_name": "JOHN PAUL SMITH JR"},
        {"full_name": "Mr. John  Paul Smith, Jr (billing)"},
        {"given_name": "John Paul", "family_name": "Smith, Jr."},
        {"given_name": "John", "middle_name": "Paul", "family_name": "Smith Junior"},
    ],
)
def test_all_spellings_of_a_person_are_one(spelling: dict[str, str]) -> None:
    assert standardise_name(**spelling) == PersonName(
        "john paul smith", "john", "paul", "smith", "jr"
    )


@settings(derandomize=True)
@given(
    st.one_of(st.text(max_size=40), st.text("aB ,.-'()\"1?jr", max_size=30)),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_any_text_gives_folded_parts_that_the_name_contains(
    full: str, given_name: str, family: str
) -> None:
    for person in (
        standardise_name(full),
        standardise_name(None, given_name, None, family),
        standardise_name(full, given_name, None, family),
    ):
        for part in person:
            assert part is None or (part == part.lower().strip() and part.isascii() and part)
        if person.given_name or person.middle_name or person.family_name:
            assert person.name is not None
