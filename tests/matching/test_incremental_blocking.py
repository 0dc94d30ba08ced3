"""Blocking what is new gives what blocking everything gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from matching import blocking_plan, key_store, run_blocking
from matching.keys import Keys, Sought
from mdm.config import Config

if TYPE_CHECKING:
    from tests.matching.conftest import Nights, Person

VALUES = {
    "given_name": ["ann", "anna", "bob", "bo", "lee"],
    "family_name": ["lee", "reed", "read"],
    "email": ["a@x.de", "b@x.de", "info@firm.com"],
    "phone": ["+4930123456", "+4930123457"],
    "date_of_birth": ["1980-01-01", "1980-01-02", "1975-05-05"],
    "postcode": ["10115", "10117"],
    "city": ["berlin", "bonn"],
    "street": ["12 plum street", "12 plume street"],
    "organisation": ["plum works", "plum trade"],
}
people = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(some) for name, some in VALUES.items()}
)
lives = st.lists(
    st.tuples(st.lists(people, max_size=6), st.lists(st.integers(0, 50), max_size=3)),
    min_size=1,
    max_size=4,
)


FILL = "SELECT fill FROM staging.blocking_state"


def configure(nights: Nights, **matching: object) -> None:
    sources = {name: one.model_dump() for name, one in nights.config.sources.items()}
    nights.config = Config.model_validate({"sources": sources, "matching": matching})


def is_as_if_made_anew(nights: Nights) -> None:
    """What blocking has come to is what it makes of the living from nothing."""
    found, counted = nights.blocking(), nights.rows(FILL)
    nights.block(full=True)
    assert (found, counted) == (nights.blocking(), nights.rows(FILL))


def with_email(*streets: str, **more: str) -> list[Person]:
    """People of one e-mail address, told apart by their streets."""
    return [{"email": "info@firm.com", "street": street, **more} for street in streets]


@settings(
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(people, min_size=4, max_size=20),
    lives,
    st.integers(2, 5),
    st.sampled_from([9, 60]),
    st.sampled_from([4, 10**6]),
)
def test_any_nights_give_what_one_blocking_gives(
    nights: Nights,
    monkeypatch: pytest.MonkeyPatch,
    first: list[Person],
    then: list[tuple[list[Person], list[int]]],
    cap: int,
    budget: int,
    read_whole: int,
) -> None:
    monkeypatch.setattr(blocking_plan, "LEAST_BUDGET", budget)
    monkeypatch.setattr(key_store, "_READ_WHOLE", read_whole)
    configure(nights, max_block_size=cap, pairs_per_profile=0.01)
    savepoint = nights.conn.begin_nested()
    nights.living.clear()
    # Every attribute is there from the start, so that no rule comes into use later.
    nights.pass_by([{name: some[0] for name, some in VALUES.items()}, {"given_name": "x"}, *first])
    nights.block()
    for come, go in then:
        nights.pass_by(come, {nights.fingerprint(1 + nth) for nth in go if len(nights.living) > 9})
        report = nights.block()
        assert report.detail.get("incremental") or report.detail == {"unchanged": True}
    is_as_if_made_anew(nights)
    savepoint.rollback()


def test_a_block_that_grows_over_the_cap_is_cut_and_comes_back_when_it_shrinks(
    nights: Nights,
) -> None:
    configure(nights, max_block_size=3, blocking=["email"])
    born, other = "1980-01-01", "1970-07-07"
    nights.pass_by(
        [*with_email("a", "b", date_of_birth=born), *with_email("c"), {"email": "x@y.z"}]
    )
    nights.block()
    assert nights.pairs() == ["a-b", "a-c", "b-c"]
    nights.pass_by(with_email("d", date_of_birth=other))
    assert nights.block().detail["incremental"]
    assert nights.pairs() == ["a-b"]
    [cut] = nights.rows("SELECT profile_n, action FROM staging.oversized_blocks")
    assert cut == (4, "refined by further attributes")
    nights.pass_by(with_email("e", date_of_birth=other))
    nights.block()
    assert nights.pairs() == ["a-b", "d-e"]
    nights.pass_by(go=[nights.fingerprint(0), nights.fingerprint(2)])
    nights.block()
    assert nights.pairs() == ["b-d", "b-e", "d-e"]
    is_as_if_made_anew(nights)


def test_blocks_that_nobody_joined_are_left_out_when_the_budget_is_spent(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_plan, "LEAST_BUDGET", 4)
    configure(nights, pairs_per_profile=0.01, blocking=["email"])
    three = with_email("a", "b", "c")
    nights.pass_by([*three, *({"email": "x@y.z", "street": street} for street in "de")])
    nights.block()
    assert nights.pairs() == ["a-b", "a-c", "b-c", "d-e"]
    nights.pass_by({"email": "v@w.z", "street": street} for street in "fg")
    nights.block()
    assert nights.pairs() == ["d-e", "f-g"]
    nights.pass_by(go=[nights.fingerprint(3)])
    nights.block()
    assert nights.pairs() == ["a-b", "a-c", "b-c", "f-g"]
    is_as_if_made_anew(nights)


def test_the_log_tells_which_pairs_came_and_went(nights: Nights) -> None:
    nights.pass_by([*with_email("12 plum street", "b"), {"email": "x@y.z", "phone": "1234567"}])
    nights.block()
    assert nights.rows("SELECT * FROM staging.blocked_pair_changes") == []
    nights.pass_by(with_email("c"), [nights.fingerprint(0)])
    nights.block()
    a, b, c = (
        row[0]
        for row in nights.rows(
            "SELECT profile_id FROM staging.retired_profiles UNION ALL (SELECT profile_id"
            " FROM staging.profiles WHERE email = 'info@firm.com' ORDER BY 1)"
        )
    )
    found = nights.rows(
        "SELECT profile_id_l, profile_id_r, rule_id > 0, change_seq"
        " FROM staging.blocked_pair_changes ORDER BY 1, 2"
    )
    assert found == [(a, b, False, 2), (b, c, True, 2)]


@pytest.mark.parametrize(
    "happening",
    [
        "TRUNCATE staging.volatile_marker, staging.blocking_state, staging.blocking_keys,"
        " staging.blocking_rules, staging.identity_match_candidates_blocked",
        "UPDATE staging.volatile_marker SET config_hash = 'another'",
    ],
    ids=["a crash", "another configuration"],
)
def test_without_a_base_everything_is_blocked(nights: Nights, happening: str) -> None:
    nights.pass_by(with_email("a", "b"))
    nights.block()
    nights.conn.execute(text(happening))
    nights.pass_by(with_email("c"))
    assert "incremental" not in nights.block().detail
    is_as_if_made_anew(nights)


def test_a_rule_that_comes_into_use_or_goes_out_of_it_has_everything_blocked(
    nights: Nights,
) -> None:
    nights.pass_by(with_email("a", "b", "c", "d"))
    nights.block()
    nights.pass_by(with_email("e", tax_id="12"))
    assert "incremental" not in nights.block().detail
    nights.pass_by(with_email("f", tax_id="13"), [nights.fingerprint(4)])
    assert "incremental" in nights.block().detail
    nights.pass_by(go=[nights.fingerprint(4)])
    assert "incremental" not in nights.block().detail
    is_as_if_made_anew(nights)


def test_a_profile_that_no_blocking_saw_changes_nothing_when_it_goes(nights: Nights) -> None:
    nights.pass_by(with_email("a", "b"))
    nights.block()
    nights.pass_by(with_email("c"))
    nights.pass_by(with_email("d"), [nights.fingerprint(2)])
    assert nights.block().detail["incremental"]
    assert nights.pairs() == ["a-b", "a-d", "b-d"]
    assert nights.rows("SELECT * FROM staging.gone_profiles") == []
    is_as_if_made_anew(nights)


def test_most_profiles_new_are_blocked_as_a_whole(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_blocking, "LARGEST_DELTA", 0.25)
    nights.pass_by(with_email("a", "b", "c", "d"))
    nights.block()
    nights.pass_by(with_email("e"))
    assert "incremental" in nights.block().detail
    nights.pass_by(with_email("f", "g"))
    assert "incremental" not in nights.block().detail


def test_nothing_new_is_nothing_done(nights: Nights) -> None:
    nights.pass_by(with_email("a", "b"))
    nights.block()
    before = nights.blocking()
    assert nights.block().detail == {"unchanged": True}
    assert nights.blocking() == before


def test_rules_may_be_named_in_any_order(nights: Nights) -> None:
    configure(nights, blocking=["street_number", "email"])
    nights.pass_by(with_email("12 plum st", "7 lime st"))
    nights.block()
    nights.pass_by(with_email("12 plum rd"))
    assert nights.block().detail["incremental"]
    is_as_if_made_anew(nights)


def test_a_year_of_nights_leaves_few_rows_of_keys(nights: Nights) -> None:
    configure(nights, blocking=["email"])
    nights.pass_by(with_email(*(f"street {n}" for n in range(40))))
    nights.block()
    for night in range(20):
        nights.pass_by(with_email(f"lane {night}"), [nights.fingerprint(night)])
        nights.block()
    [(rows_n,)] = nights.rows("SELECT count(*) FROM staging.blocking_keys WHERE NOT is_refined")
    assert 1 <= rows_n <= 7
    is_as_if_made_anew(nights)


def test_street_lines_meet_by_house_number_and_a_longer_word(nights: Nights) -> None:
    configure(nights, blocking=["street_number"])
    lines = [
        "259 franklin rd unit 23", "franklin rd 259", "259 frenklin rd", "259 main blvd",
        "259 park blvd unit 4", "12 old mill st", "12a mill ave", "mill 12 plum ln", "7 plum st",
        "4 main st", "main", "rue 12",
    ]  # fmt: skip
    nights.pass_by([{"street": line} for line in lines])
    nights.block()
    assert nights.pairs() == [
        "12 old mill st-12a mill ave",
        "12 old mill st-mill 12 plum ln",
        "12a mill ave-mill 12 plum ln",
        "259 franklin rd unit 23-259 frenklin rd",
        "259 franklin rd unit 23-franklin rd 259",
        "259 frenklin rd-franklin rd 259",
    ]


def test_streets_of_one_kind_meet_by_it_only_where_it_may_be_their_name(nights: Nights) -> None:
    configure(nights, blocking=["street_number"])
    nights.pass_by(
        {"street": line}
        for line in (
            "175 cres pl",
            "175 cres st unit 2",
            "9 brook blvd",
            "9 lake blvd",
            "9 gdns ct",
        )
    )
    nights.block()
    assert nights.pairs() == ["175 cres pl-175 cres st unit 2"]


def test_organisations_meet_by_postcode_and_one_of_two_longer_words(nights: Nights) -> None:
    configure(nights, blocking=["organisation_postcode"])
    names = [
        "plum tree of london", "old tree bakery", "lime bakery of london", "rose garden london",
        "art plum", "the sun",
    ]  # fmt: skip
    nights.pass_by(
        [{"organisation": name, "street": name, "postcode": "10115"} for name in names]
        + [{"organisation": "plum", "street": "elsewhere", "postcode": "10117"}]
    )
    nights.block()
    assert nights.pairs() == [
        "art plum-plum tree of london",
        "lime bakery of london-old tree bakery",
        "old tree bakery-plum tree of london",
    ]


@pytest.mark.parametrize(
    ("rule", "people", "met"),
    [
        (
            "organisation_words",
            [
                {"organisation": "northwind traders ltd"},
                {"organisation": "traders northwynd"},
                {"organisation": "northgate tree farm"},
                {"organisation": "nortel treats"},
            ],
            ["a-b", "c-d"],
        ),
        (
            "name_start",
            [
                {"given_name": "karen", "family_name": "ortiz"},
                {"given_name": "orteez", "family_name": "karen"},
                {"given_name": "karen", "family_name": "smith"},
                {"given_name": "karin", "family_name": "ortiz"},
            ],
            ["a-b", "a-d"],
        ),
        (
            "name_starts",
            [
                {"given_name": "erick", "family_name": "holmes"},
                {"given_name": "hollmes", "family_name": "erik"},
                {"given_name": "erick", "family_name": "jolmes"},
            ],
            ["a-b"],
        ),
        (
            "birth",
            [
                {"date_of_birth": "1980-01-07"},
                {"date_of_birth": "1980-01-07"},
                {"date_of_birth": "1981-01-07"},
            ],
            ["a-b"],
        ),
        (
            "phone_part",
            [
                {"given_name": "zack", "phone": "+61458643098"},
                {"given_name": "zoe", "phone": "+61458743098"},
                {"given_name": "zoe", "phone": "+61458743111"},
                {"given_name": "ann", "phone": "+61458643098"},
            ],
            ["a-b", "b-c"],
        ),
        (
            "number_start",
            [
                {"family_name": "holmes", "street": "108 eldorado"},
                {"family_name": "hulms", "street": "108 el dorado"},
                {"family_name": "jolmes", "street": "108 elmwood"},
                {"family_name": "holmes", "street": "109 eldorado"},
            ],
            ["108 el dorado-108 eldorado"],
        ),
    ],
)
def test_who_is_mistyped_is_found_by_what_is_not(
    nights: Nights, rule: str, people: list[Person], met: list[str]
) -> None:
    configure(nights, blocking=[rule])
    nights.pass_by([{"street": name, **one} for one, name in zip(people, "abcd", strict=False)])
    nights.block()
    assert nights.pairs() == met


def test_keys_are_read_as_they_were_written(nights: Nights, monkeypatch: Any) -> None:
    monkeypatch.setattr(key_store, "_PART", 2)
    keys = Keys.of(np.array([5, -7, 2**62, 5, -(2**63)]), np.array([1, 2, 3, 4, 2**40]))
    key_store.write(nights.conn, 3, keys, change_seq=11, refined=False)
    key_store.write(nights.conn, 3, keys.where(slice(0, 1)), change_seq=12, refined=False)
    found = key_store.read(nights.conn, 3, refined=False)
    assert (found.written, found.first_n) == ({11, 12}, 5)
    first, later = found.first.whole(), found.later
    assert first.keys.tolist() == sorted([5, -7, 2**62, 5, -(2**63)])
    assert dict(zip(first.keys.tolist(), first.profile_ids.tolist(), strict=True))[-7] == 2
    assert (later.keys.tolist(), later.profile_ids.tolist()) == ([-(2**63)], [2**40])
    seen = nights.rows("SELECT key, profile_id FROM staging.blocking_key_entries WHERE key < 0")
    assert sorted(seen) == [(-(2**63), 2**40), (-(2**63), 2**40), (-7, 2)]
    assert key_store.read(nights.conn, 3, refined=True).first_n == 0


def test_of_many_keys_those_sought_are_found(nights: Nights, monkeypatch: Any) -> None:
    monkeypatch.setattr(key_store, "_READ_WHOLE", 100)
    monkeypatch.setattr(key_store, "_BUCKETS_AT_ONCE", 7)
    rng = np.random.default_rng(5)
    hashes = rng.integers(-(2**31), 2**31, 900) << 32
    keys = Keys.of(np.concatenate([hashes, hashes[:50]]), np.arange(950))
    key_store.write_first(nights.conn, 3, keys, change_seq=11)
    key_store.write_first(nights.conn, 4, keys.where(slice(0, 200)), change_seq=11)
    found = key_store.read(nights.conn, 3, refined=False)
    assert (found.written, found.first_n, len(found.later)) == ({11}, 950, 0)
    assert isinstance(found.first, Sought)
    some = np.unique(np.concatenate([hashes[20:60], [0, 2**63 - 1, -(2**63)]]))
    for wanted in (some[:0], some[:9], some, some[30:]):
        owner, members = found.first.under(wanted)
        expected_owner, expected = keys.under(wanted)
        assert set(zip(owner.tolist(), members.tolist(), strict=True)) == set(
            zip(expected_owner.tolist(), expected.tolist(), strict=True)
        )
    whole = found.first.whole()
    assert (whole.keys.tolist(), sorted(whole.profile_ids)) == (keys.keys.tolist(), [*range(950)])
    seen = nights.rows("SELECT key, profile_id FROM staging.blocking_key_entries WHERE rule_id = 3")
    assert sorted(seen) == sorted(zip(keys.keys.tolist(), keys.profile_ids.tolist(), strict=True))
    key_store.forget(nights.conn, 3, refined=False)
    [(left_n,)] = nights.rows("SELECT count(*) FROM staging.blocking_key_entries")
    assert left_n == 200
