"""Scoring what is new gives what scoring everything gives, groups and their closing pairs too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from matching import closure, group_store, model_store
from mdm import check
from mdm.config import Config

if TYPE_CHECKING:
    from tests.matching.conftest import Nights, Person

VALUES = {
    "given_name": ["ann", "anna", "anne", "bob", "bo", "lee"],
    "family_name": ["lee", "reed", "read", "ashworth"],
    "email": ["a@x.de", "b@x.de", "ann.lee@firm.com"],
    "phone": ["+4930123456", "+4930123457", "+4930999999"],
    "date_of_birth": ["1980-01-01", "1980-01-02", "1975-05-05"],
    "postcode": ["10115", "10117"],
    "street": ["12 plum street", "12 plume street"],
    "organisation": ["plum works gmbh", "plum trade", "plum works and trade"],
}
people = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(some) for name, some in VALUES.items()}
)
lives = st.lists(
    st.tuples(
        st.lists(people, max_size=6), st.lists(st.integers(0, 50), max_size=3), st.booleans()
    ),
    min_size=1,
    max_size=4,
)
EVERYTHING = {name: some[0] for name, some in VALUES.items() if name != "organisation"}
CROWD: list[Person] = [
    {**EVERYTHING, "given_name": "x"},
    {**EVERYTHING, "given_name": "y"},
    {"organisation": "z works"},
    {"organisation": "z trade"},
]
LEARNT: dict[str, Any] = {"max_block_size": 5, "never_match": [["date_of_birth", "phone"]]}


def configure(nights: Nights, *, merge_flagged: bool = False, **matching: object) -> None:
    sources = {name: one.model_dump() for name, one in nights.config.sources.items()}
    identity = {"merge_flagged": merge_flagged}
    nights.config = Config.model_validate(
        {"sources": sources, "matching": matching, "identity": identity}
    )


@pytest.fixture
def learnt(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A crowd from which a model was learnt for good; blocks are cut early."""
    monkeypatch.setattr(model_store, "MATURE_PROFILES", 1)
    configure(nights, **LEARNT)
    nights.pass_by(CROWD)
    nights.block()
    nights.match()
    return nights


COUNTED = """
SELECT e.decision, e.band, count(*), sum(CAST(e.p AS float8)), sum(CAST(e.w AS float8)), min(e.p),
       count(*) FILTER (WHERE e.p = e.lowest), max(e.p), count(*) FILTER (WHERE e.p = e.highest)
FROM (SELECT p.decision, staging.probability_band(p.match_probability) AS band,
             p.match_probability AS p, p.match_weight AS w,
             min(p.match_probability) OVER of_band AS lowest,
             max(p.match_probability) OVER of_band AS highest
      FROM staging.identity_match_candidates AS p
      WINDOW of_band AS (PARTITION BY p.decision, staging.probability_band(p.match_probability))
     ) AS e
GROUP BY 1, 2 ORDER BY 1, 2
"""
_ENDS = "SELECT profile_id_l, profile_id_r FROM staging.identity_match_candidates"


def is_as_if_made_anew(nights: Nights) -> None:
    """What matching has come to is what it makes of the living from nothing."""
    found, groups = nights.scores(), nights.groups()
    holds_groups(nights)
    nights.block(full=True)
    nights.match(full=True)
    assert found == nights.scores()
    assert groups == nights.groups()


def holds_groups(nights: Nights) -> None:
    """The groups and counts that are kept are those of the scored pairs."""
    group: dict[int, int] = {}
    ties = nights.rows(f"{_ENDS} WHERE decision <> 'REJECT'")
    for _ in ties:
        for left, right in ties:
            group[left] = group[right] = min(group.get(left, left), group.get(right, right))
    inside = [
        p
        for p in nights.rows(f"{_ENDS} ORDER BY 1, 2")
        if p[0] in group and group[p[0]] == group.get(p[1])
    ]
    kept = "SELECT profile_id_l, profile_id_r FROM staging.match_group_pairs ORDER BY 1, 2"
    assert nights.rows(kept) == inside
    assert dict(nights.groups()["profiles"]) == group
    kept = "SELECT * FROM staging.scored_pair_counts ORDER BY decision, band"
    counted = [pytest.approx(row) for row in nights.rows(COUNTED)]
    assert nights.rows(kept) == counted
    for invariant in check.invariants(("matching/invariants.sql",)):
        assert nights.rows(invariant.sql) == [], invariant.title


def scores_by_profile(nights: Nights) -> dict[int, list[tuple[Any, ...]]]:
    """Per profile its scored pairs."""
    found: dict[int, list[tuple[Any, ...]]] = {}
    for row in nights.scores():
        for side in row[:2]:
            found.setdefault(side, []).append(row)
    return found


@settings(
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lives)
def test_any_nights_give_what_one_matching_gives(
    learnt: Nights, then: list[tuple[list[Person], list[int], bool]]
) -> None:
    savepoint = learnt.conn.begin_nested()
    living = dict(learnt.living)
    for come, go, is_matched in then:
        learnt.pass_by(come, {learnt.fingerprint(4 + nth) for nth in go if len(learnt.living) > 9})
        learnt.block()
        if is_matched:
            report = learnt.match()
            assert report.detail.get("incremental") or report.detail == {"unchanged": True}
    learnt.match()
    is_as_if_made_anew(learnt)
    savepoint.rollback()
    learnt.living = living


def test_a_group_is_closed_and_opened_again(learnt: Nights) -> None:
    """Two people whom only a third ties together are compared as long as the third is there."""
    configure(learnt, blocking=["email", "phone"])
    phone, mail = "+4930111111", "ann.q@x.de"
    one = {"given_name": "ann", "family_name": "quill", "phone": phone, "email": "q@y.de"}
    bridge = {"given_name": "ann", "family_name": "quill", "phone": phone, "email": mail}
    other = {"given_name": "anne", "family_name": "quilla", "email": mail}
    learnt.pass_by([one, other])
    learnt.block()
    learnt.match()
    ends = (learnt.profile_id(one), learnt.profile_id(other))
    scores = "SELECT rule_id FROM staging.identity_match_candidates"
    rule = f"{scores} WHERE (profile_id_l, profile_id_r)"
    assert learnt.rows(f"{rule} = {ends}") == []
    learnt.pass_by([bridge])
    learnt.block()
    assert learnt.match().detail["closing_pairs"] == 1
    assert learnt.rows(f"{rule} = {ends}") == [(0,)]
    is_as_if_made_anew(learnt)
    learnt.pass_by(go=[learnt.fingerprint_of(bridge)])
    learnt.block()
    assert learnt.match().detail["incremental"]
    assert learnt.rows(f"{rule} = {ends}") == []
    is_as_if_made_anew(learnt)


def test_a_large_group_takes_several_rows(learnt: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_store, "_LARGEST_PART", 2)
    lee = {"given_name": "ann", "family_name": "lee", "email": "a@x.de", "phone": "+4930123456"}
    learnt.pass_by([{**lee, "street": f"{n} plum street"} for n in (12, 120, 1200)])
    learnt.block()
    learnt.match()
    parts = "SELECT max(part) FROM staging.match_groups"
    assert learnt.rows(parts) == [(1,)]
    is_as_if_made_anew(learnt)
    learnt.pass_by([{**lee, "street": "12000 plum street"}])
    learnt.block()
    learnt.match()
    assert learnt.rows(parts) == [(2,)]
    is_as_if_made_anew(learnt)


def test_identity_is_told_of_every_profile_with_other_pairs(learnt: Nights) -> None:
    ann = {**EVERYTHING, "street": "1 elm road"}
    learnt.pass_by([ann])
    learnt.block()
    before = scores_by_profile(learnt)
    learnt.pass_by([{**ann, "street": "1 elm lane"}], [learnt.fingerprint(0)])
    learnt.block()
    learnt.match()
    after = scores_by_profile(learnt)
    changed = {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)}
    told = {row[0] for row in learnt.rows("SELECT profile_id FROM staging.rescored_profiles")}
    assert changed
    assert changed <= told
    # Whom a pair ties to the newcomer may be regrouped by it.
    tied = learnt.rows(
        "SELECT r.may_regroup, count(*) FILTER (WHERE p.decision = 'AUTO_MERGE')"
        " FROM staging.rescored_profiles AS r"
        " JOIN staging.identity_match_candidates AS p"
        "   ON r.profile_id IN (p.profile_id_l, p.profile_id_r)"
        " JOIN staging.profiles AS n"
        "   ON n.profile_id IN (p.profile_id_l, p.profile_id_r) AND n.street = '1 elm lane'"
        " GROUP BY 1"
    )
    assert all(regroups or not ties for regroups, ties in tied)


def judge_same(nights: Nights, profile_ids: Sequence[int]) -> None:
    """A record of each profile, and a steward who calls them one customer."""
    for profile_id in profile_ids:
        nights.conn.execute(
            text(
                "WITH record AS (INSERT INTO staging.records"
                " (source, source_record_id, object_id, line_no, event_at, change_seq, run_id)"
                " VALUES ('crm', CAST(:id AS text), 1, :id, '2026-01-01', 1, 1) RETURNING *)"
                " INSERT INTO staging.identity_inputs"
                " (record_id, source, source_record_id, profile_id, event_at, change_seq)"
                " SELECT record_id, source, source_record_id, :id, event_at, change_seq FROM record"
            ),
            {"id": profile_id},
        )
    left, right = sorted(map(str, profile_ids))
    nights.conn.execute(
        text(
            "INSERT INTO identity.steward_link_decisions (verdict, source_l, source_record_id_l,"
            " source_r, source_record_id_r, steward, reason)"
            " VALUES ('SAME', 'crm', :left, 'crm', :right, 'bob', 'seen')"
        ),
        {"left": left, "right": right},
    )


def islands(nights: Nights, same: Sequence[int]) -> dict[int, tuple[Any, ...]]:
    """By profile what a resolution would see: whom joining pairs (and ``same``) lead to, and how
    any two of them were scored."""
    joining = {"AUTO_MERGE", "FLAG_REVIEW" if nights.config.identity.merge_flagged else ""}
    pairs = nights.rows(
        "SELECT profile_id_l, profile_id_r, match_probability, decision, is_vetoed"
        " FROM staging.identity_match_candidates ORDER BY 1, 2"
    )
    living = {row[0] for row in nights.rows("SELECT profile_id FROM staging.profiles")}
    root = {one: one for one in living}

    def top(one: int) -> int:
        return one if root[one] == one else top(root[one])

    ties = [row[:2] for row in pairs if row[3] in joining]
    for one, other in [*ties, same] if living.issuperset(same) and same else ties:
        root[top(one)] = top(other)
    members: dict[int, set[int]] = {}
    for one in living:
        members.setdefault(top(one), set()).add(one)
    inner = {one: [row for row in pairs if {row[0], row[1]} <= members[one]] for one in members}
    return {one: (sorted(members[top(one)]), inner[top(one)]) for one in living}


@settings(
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lives)
@pytest.mark.parametrize("merge_flagged", [False, True])
def test_whatever_may_regroup_customers_is_told(
    learnt: Nights, merge_flagged: bool, then: list[tuple[list[Person], list[int], bool]]
) -> None:
    """Who is not told of, nor new, is tied to the same profiles by the same scores as before."""
    configure(learnt, merge_flagged=merge_flagged, **LEARNT)
    savepoint = learnt.conn.begin_nested()
    living = dict(learnt.living)
    same: list[int] = []
    for come, go, _ in then:
        before = islands(learnt, same)
        learnt.conn.execute(text("TRUNCATE staging.rescored_profiles"))
        learnt.pass_by(come, {learnt.fingerprint(4 + nth) for nth in go if len(learnt.living) > 9})
        learnt.block()
        learnt.match()
        told = {
            row[0]
            for row in learnt.rows(
                "SELECT profile_id FROM staging.rescored_profiles WHERE may_regroup"
            )
        }
        after = islands(learnt, same)
        for one, island in after.items():
            members = set(island[0])
            assert island == before.get(one) or members & told or members - before.keys()
        if not same and len(learnt.living) > 6:
            same = [learnt.profile_id(person) for person in list(learnt.living.values())[4:6]]
            judge_same(learnt, same)
    savepoint.rollback()
    learnt.living = living


def namesakes() -> list[Person]:
    """Six people of one name who have nothing else in common."""
    births = ("1931-01-28", "1945-11-02", "1958-03-17", "1972-08-09", "1984-05-30", "1996-12-14")
    return [
        {
            "given_name": "ann",
            "family_name": "quill",
            "date_of_birth": birth,
            "phone": f"+49{nth}{nth}7{nth}30{nth}1{nth}",
            "email": f"{'uvwxyz'[nth]}{nth}@{'uvwxyz'[nth]}.de",
        }
        for nth, birth in enumerate(births)
    ]


def test_a_rejected_pair_that_goes_matters_between_whom_a_steward_calls_the_same(
    learnt: Nights,
) -> None:
    """Two namesakes are nobody's business when their block grows too large, unless somebody says
    that they are one."""
    configure(learnt, blocking=["full_name"], max_block_size=5)
    people = namesakes()
    learnt.pass_by(people[:5])
    learnt.block()
    learnt.match()
    ids = [learnt.profile_id(one) for one in people[:5]]
    decided = learnt.rows(
        "SELECT DISTINCT decision FROM staging.identity_match_candidates"
        f" WHERE profile_id_l IN {tuple(ids)}"
    )
    assert decided == [("REJECT",)]
    judge_same(learnt, ids[:2])
    learnt.pass_by(people[5:])
    learnt.block()
    assert learnt.match().detail["pairs_dropped"] == 10
    regrouped = "SELECT profile_id FROM staging.rescored_profiles WHERE may_regroup ORDER BY 1"
    assert learnt.rows(regrouped) == [(one,) for one in ids[:2]]


def test_a_rejected_pair_that_goes_matters_among_those_that_others_join(
    learnt: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a group too large to be closed, what spoke against two of it may go alone."""
    monkeypatch.setattr(closure, "LARGEST_GROUP", 2)
    configure(
        learnt, merge_flagged=True, blocking=["email", "phone", "full_name"], max_block_size=5
    )
    one, *others = namesakes()
    other = others[0]
    bridge = {"given_name": "ann", "phone": one["phone"], "email": other["email"]}
    learnt.pass_by([one, *others[:4], bridge])
    learnt.block()
    learnt.match()
    ends = (learnt.profile_id(one), learnt.profile_id(other))
    decision = (
        "SELECT decision FROM staging.identity_match_candidates"
        f" WHERE (profile_id_l, profile_id_r) = {ends}"
    )
    assert learnt.rows(decision) == [("REJECT",)]
    learnt.pass_by(others[4:])
    learnt.block()
    learnt.match()
    assert learnt.rows(decision) == []
    regrouped = "SELECT profile_id FROM staging.rescored_profiles WHERE may_regroup ORDER BY 1"
    assert {(one,) for one in ends} <= set(learnt.rows(regrouped))


@pytest.mark.parametrize(
    "happening",
    [
        "TRUNCATE staging.volatile_marker, staging.matching_state, staging.blocking_state,"
        " staging.identity_match_candidates, staging.identity_match_candidates_blocked",
        "UPDATE ops.match_models SET data_profile = '{\"profiles\": 0}', chosen_by = NULL",
        "UPDATE staging.blocking_state SET generation = generation + 1",
    ],
    ids=["a crash", "a provisional model", "a whole blocking"],
)
def test_without_a_base_everything_is_scored(learnt: Nights, happening: str) -> None:
    learnt.pass_by([{**EVERYTHING, "given_name": "zoe"}])
    learnt.conn.execute(text(happening))
    learnt.block()
    assert "incremental" not in learnt.match().detail
    is_as_if_made_anew(learnt)


def test_an_attribute_the_model_does_not_know_makes_it_be_learnt_anew(learnt: Nights) -> None:
    before = learnt.rows("SELECT model_id FROM ops.match_models WHERE is_current")
    learnt.pass_by([{**EVERYTHING, "middle_name": "bo"}])
    learnt.block()
    assert "incremental" not in learnt.match().detail
    assert learnt.rows("SELECT model_id FROM ops.match_models WHERE is_current") != before


def test_nothing_new_is_nothing_done(learnt: Nights) -> None:
    before = learnt.scores()
    assert learnt.match().detail == {"unchanged": True}
    assert learnt.scores() == before
