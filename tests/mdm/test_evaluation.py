"""Evaluation against counting every pair by hand, and against tables in a real database."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from mdm import evaluation, evaluation_truth
from mdm.errors import BadInput
from mdm.evaluation import PAIRS, Evaluation, NothingToEvaluate, measure
from mdm.evaluation_pairs import DECISIONS
from mdm.evaluation_report import as_json, as_text
from mdm.evaluation_truth import Labelled


class Record(NamedTuple):
    """A record of a made-up world: its true cluster, customer and profile (None: not loaded)."""

    truth: int
    customer: int
    profile: int | None


class Score(NamedTuple):
    """The score of two profiles."""

    probability: float
    decision: str
    vetoed: bool
    rule: int = 1


RULES = {1: "email", 2: "phone"}
Scores = dict[tuple[int, int], Score]


def measured(records: list[Record], scores: Scores) -> Evaluation:
    """The evaluation of a made-up world; who is missing has a customer of its own."""
    frame = pl.DataFrame(
        {
            "source": ["s"] * len(records),
            "record_id": [str(i) for i in range(len(records))],
            "truth": pl.Series([r.truth for r in records], dtype=pl.UInt32),
            "customer": pl.Series(
                [1000 + i if r.profile is None else r.customer for i, r in enumerate(records)],
                dtype=pl.UInt32,
            ),
            "profile": pl.Series([r.profile for r in records], dtype=pl.Int64),
        }
    )
    rows = [(left, right, *score) for (left, right), score in scores.items()]
    pairs = pl.DataFrame(rows, schema=PAIRS, orient="row")
    return measure(Labelled(frame, unlabelled_n=0, notes=()), pairs, RULES)


def by_hand(records: list[Record], scores: Scores) -> dict[str, int]:
    """The same counts by looking at every pair of records."""
    counts = dict.fromkeys(
        [
            *("true", "found", "correct", "ingestion", "blocking", "scoring", "review"),
            *("clustering", "proposed", "wrong_same", "wrong_scoring", "wrong_clustering"),
        ],
        0,
    )
    for a, b in itertools.combinations(records, 2):
        loaded = a.profile is not None and b.profile is not None
        same = loaded and a.customer == b.customer
        alike = loaded and a.profile == b.profile
        key = (min(a.profile, b.profile), max(a.profile, b.profile)) if loaded else None  # type: ignore[type-var]
        score = scores.get(key) if key and not alike else None  # type: ignore[arg-type]
        merged = score is not None and score.decision == "AUTO_MERGE"
        counts["true"] += a.truth == b.truth
        counts["found"] += same
        counts["correct"] += same and a.truth == b.truth
        if a.truth == b.truth:
            counts["proposed"] += score is not None
            if not loaded:
                counts["ingestion"] += 1
            elif not same:
                if alike or merged:
                    counts["clustering"] += 1
                elif score is None:
                    counts["blocking"] += 1
                else:
                    counts["scoring"] += 1
                    counts["review"] += score.decision == "FLAG_REVIEW"
        elif same:
            step = "same" if alike else "scoring" if merged else "clustering"
            counts[f"wrong_{step}"] += 1
    return counts


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Record], Scores]:
    """Up to 14 records of a few clusters, customers and profiles, and scores of some profiles."""
    few = st.integers(0, 3)
    records = draw(
        st.lists(
            st.builds(Record, few, few, st.one_of(st.none(), st.integers(0, 6))),
            min_size=1,
            max_size=14,
        )
    )
    keys = st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda key: key[0] < key[1])
    score = st.builds(
        Score,
        st.floats(0, 1, width=32),
        st.sampled_from(DECISIONS),
        st.booleans(),
        st.integers(0, 2),
    )
    return records, draw(st.dictionaries(keys, score, max_size=12))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(worlds())
@example(([Record(0, 0, None), Record(0, 0, None)], {}))
@example(([Record(0, 0, 1), Record(0, 1, 1)], {}))
def test_counts_equal_looking_at_every_pair(world: tuple[list[Record], Scores]) -> None:
    records, scores = world
    result = measured(records, scores)
    counts, lost, wrong = result.counts, result.losses, result.wrong
    assert {
        "true": counts.true_pairs,
        "found": counts.found_pairs,
        "correct": counts.correct_pairs,
        "ingestion": lost.ingestion,
        "blocking": lost.blocking,
        "scoring": lost.scoring,
        "review": lost.review,
        "clustering": lost.clustering,
        "proposed": lost.proposed,
        "wrong_same": wrong.same_profile,
        "wrong_scoring": wrong.scoring,
        "wrong_clustering": wrong.clustering,
    } == by_hand(records, scores)
    lost_n = lost.ingestion + lost.blocking + lost.scoring + lost.clustering
    assert lost_n == counts.true_pairs - counts.correct_pairs
    assert sum(one.true_pairs for one in result.rules) == lost.proposed
    for step, n in (("blocking", lost.blocking), ("scoring", lost.scoring)):
        assert bool(lost.examples[step]) == bool(n)
    _check_b_cubed(records, result)
    _check_sweep(records, scores, result)


def _check_b_cubed(world: list[Record], result: Evaluation) -> None:
    """B³ as its definition says, record by record."""
    records = [
        (r.truth, (r.customer, None) if r.profile is not None else (None, i))
        for i, r in enumerate(world)
    ]
    precision = recall = 0.0
    for truth, customer in records:
        both = sum(t == truth and c == customer for t, c in records)
        precision += both / sum(c == customer for _, c in records) / len(records)
        recall += both / sum(t == truth for t, _ in records) / len(records)
    found = result.b_cubed
    assert (found.precision, found.recall) == pytest.approx((precision, recall))


def _check_sweep(records: list[Record], scores: Scores, result: Evaluation) -> None:
    """The sweep, pair by pair."""
    true_n = sum(a.truth == b.truth for a, b in itertools.combinations(records, 2))
    for point in result.calibration.sweep:
        linked = [
            a.truth == b.truth
            for a, b in itertools.combinations([r for r in records if r.profile is not None], 2)
            if _links(a, b, scores, pl.Series([point.threshold], dtype=pl.Float32)[0])
        ]
        assert point.pairs == len(linked)
        assert point.precision == (sum(linked) / len(linked) if linked else 1.0)
        assert point.recall == (sum(linked) / true_n if true_n else 1.0)


def _links(a: Record, b: Record, scores: Scores, threshold: float) -> bool:
    if a.profile == b.profile:
        return True
    assert a.profile is not None
    assert b.profile is not None
    score = scores.get((min(a.profile, b.profile), max(a.profile, b.profile)))
    return score is not None and not score.vetoed and score.probability >= threshold


def test_each_blocking_rule_says_what_it_cost_and_bought() -> None:
    records = [Record(0, 0, 1), Record(0, 0, 1), Record(0, 1, 2), Record(1, 2, 3)]
    scores = {
        (1, 2): Score(0.9, "AUTO_MERGE", False, 2),
        (1, 3): Score(0.1, "REJECT", False, 2),
        (2, 3): Score(0.1, "REJECT", False, 0),
    }
    rules = measured(records, scores).rules
    assert [(one.rule, one.pairs, one.true_pairs) for one in rules] == [
        ("phone", 2, 2),
        ("closing groups", 1, 0),
    ]


def test_reliability_counts_each_pair_of_profiles_once() -> None:
    # profile 1 shows two records of one person and one of another
    records = [Record(0, 0, 1), Record(0, 0, 1), Record(1, 0, 1), Record(0, 0, 2), Record(2, 1, 3)]
    scores = {
        (1, 2): Score(0.75, "FLAG_REVIEW", False),
        (1, 3): Score(0.71875, "FLAG_REVIEW", False),
        (2, 3): Score(1.0, "AUTO_MERGE", False),
    }
    calibration = measured(records, scores).calibration
    seventies, top = calibration.reliability
    assert (seventies.low, seventies.pairs, seventies.mean_probability) == (0.7, 2, 0.734375)
    assert seventies.share_true == pytest.approx((2 / 3 + 0) / 2)
    assert (top.low, top.high, top.pairs, top.share_true) == (0.9, 1.0, 1, 0.0)
    expected = (2 * (0.734375 - 1 / 3) + 1) / 3
    assert calibration.calibration_error == pytest.approx(expected)


@pytest.mark.parametrize("step", [1, 1_000_003])
def test_profile_ids_may_be_far_apart(step: int) -> None:
    records = [Record(0, 0, 1 * step), Record(0, 1, 2 * step), Record(1, 1, 3 * step)]
    unknown = Score(0.9, "AUTO_MERGE", False)
    scores = {
        (step, 2 * step): Score(0.2, "REJECT", False),
        (2 * step, 9 * step): unknown,
        (3 * step, 4 * step): unknown,
        (step - 1, step): unknown,
    }
    result = measured(records, scores)
    assert (result.losses.scoring, result.losses.blocking) == (1, 0)
    assert [row.pairs for row in result.calibration.reliability] == [1]


def test_known_example_of_bagga_and_baldwin() -> None:
    """The worked example of their paper: one true cluster of five swallowed by one of two."""
    truth = [0] * 5 + [1] * 2 + [2] * 5
    customer = [0] * 5 + [1] * 2 + [1] * 5
    result = measured(
        [Record(t, c, i) for i, (t, c) in enumerate(zip(truth, customer, strict=True))], {}
    )
    assert result.b_cubed.precision == pytest.approx(0.762, abs=0.0005)
    assert result.b_cubed.recall == 1.0


# -- the truth file --------------------------------------------------------------------------------

CROSSWALK = pl.DataFrame(
    {
        "source": ["crm", "crm", "shop"],
        "record_id": ["1", "2", "2"],
        "profile": [10, 11, 12],
        "customer": ["a", "a", "b"],
    }
)


@pytest.fixture
def truth_of(tmp_path: Path) -> Callable[[str | bytes], evaluation_truth.Truth]:
    def make(content: str | bytes) -> evaluation_truth.Truth:
        path = tmp_path / "truth.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return evaluation_truth.read(path)

    return make


Reader = Callable[[str | bytes], evaluation_truth.Truth]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("record_id,cluster\n1,2\n", r"no column cluster_id; found record_id, cluster\."),
        ("a,b\n1,2\n", "no column record_id and cluster_id; found a, b"),
        ("", "no readable CSV"),
        ("record_id,cluster_id\n", "no rows below the header"),
        ("record_id,cluster_id\n1,x\n2,\n", r"cluster_id is empty in 1 row\(s\), first in line 3"),
        ("record_id,cluster_id\n1,x\n1,y\n", r"1 record\(s\) are in more than one .* column `s"),
        ("record_id,source,cluster_id\n1,s,x\n1,s,y\n", "more than one cluster, for example s:1"),
        (b"record_id,cluster_id\n\xff\xfe,1\n", "no readable CSV"),
        (b"\x1f\x8b\x08\x00broken", "unexpected end of file"),
    ],
)
def test_wrong_truth_files_are_told(truth_of: Reader, content: str | bytes, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        truth_of(content)


def test_a_truth_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        evaluation_truth.read(tmp_path / "absent.csv")


def test_further_columns_order_spaces_and_repeats_do_not_matter(truth_of: Reader) -> None:
    truth = truth_of("﻿note, Cluster_ID ,record_id\r\nx, 7 ,a\r\ny,7,a\r\n")
    assert truth.rows.to_dicts() == [{"record_id": "a", "cluster_id": "7"}]


def test_records_meet_by_source_and_id(truth_of: Reader) -> None:
    truth = truth_of("source,record_id,cluster_id\nshop,2,P\ncrm,1,P\ncrm,9,Q\n")
    labelled = evaluation_truth.align(truth, CROSSWALK)
    assert labelled.records["profile"].to_list() == [12, 10, None]
    assert labelled.records["source"].to_list() == ["shop", "crm", "crm"]
    assert labelled.records["customer"].n_unique() == 3
    assert (labelled.missing_n, labelled.unlabelled_n, labelled.notes) == (1, 1, ())


def test_an_id_of_two_sources_needs_the_source(truth_of: Reader) -> None:
    with pytest.raises(BadInput, match=r"1 record id\(s\) are in several sources.*2 in crm, shop"):
        evaluation_truth.align(truth_of("record_id,cluster_id\n1,P\n2,P\n"), CROSSWALK)


def test_an_id_of_two_sources_that_the_truth_leaves_out_does_not_matter(truth_of: Reader) -> None:
    labelled = evaluation_truth.align(truth_of("record_id,cluster_id\n1,P\n"), CROSSWALK)
    assert labelled.records.select("source", "record_id").rows() == [("crm", "1")]
    assert labelled.unlabelled_n == 2


def test_a_source_column_of_another_meaning_is_ignored_and_told(truth_of: Reader) -> None:
    truth = truth_of("record_id,cluster_id,source\n1,P,portal_scrape.csv\n")
    labelled = evaluation_truth.align(truth, CROSSWALK)
    assert labelled.records.select("source", "record_id").rows() == [("crm", "1")]
    assert labelled.notes == ("the column source names no source of the warehouse and was ignored",)


def test_a_truth_of_other_records_is_told(truth_of: Reader) -> None:
    with pytest.raises(BadInput, match=r"none of its 1 records.*ids like X, the warehouse like 1"):
        evaluation_truth.align(truth_of("record_id,cluster_id\nX,P\n"), CROSSWALK)


# -- the real database -----------------------------------------------------------------------------

PEOPLE: list[dict[str, Any]] = [
    {"record_id": 1, "profile": 1, "customer": "00000000-0000-7000-8000-00000000000a"},
    {"record_id": 2, "profile": 2, "customer": "00000000-0000-7000-8000-00000000000a"},
    {"record_id": 3, "profile": 3, "customer": "00000000-0000-7000-8000-00000000000b"},
    {"record_id": 4, "profile": 4, "customer": "00000000-0000-7000-8000-00000000000c"},
    {"record_id": 5, "profile": 4, "customer": "00000000-0000-7000-8000-00000000000c"},
    {"record_id": 6, "profile": 6, "customer": "00000000-0000-7000-8000-00000000000d"},
]


@pytest.fixture
def people(conn: Connection) -> Connection:
    """Six records R1 … R6; pairs 1-2 merged, 2-3 waits for review, 3-6 was rejected."""
    conn.execute(
        text(
            "INSERT INTO identity.customer_identity_map (record_id, profile_id, global_customer_id,"
            " first_customer_id, linked_at, run_id, match_confidence, decision, source,"
            " source_record_id) VALUES (:record_id, :profile, :customer, :customer, now(), 1, 1,"
            " 'SINGLETON', 'crm', 'R' || :record_id)"
        ),
        PEOPLE,
    )
    conn.execute(
        text(
            "INSERT INTO staging.identity_match_candidates (profile_id_l, profile_id_r, rule_id,"
            " model_id, match_weight, match_probability, decision, levels, contributions)"
            " VALUES (1, 2, 1, 1, 9, 0.99, 'AUTO_MERGE', '{}', '{}'),"
            " (2, 3, 1, 1, 1, 0.7, 'FLAG_REVIEW', '{}', '{}'),"
            " (3, 6, 1, 1, -9, 0.01, 'REJECT', '{}', '{}')"
        )
    )
    return conn


def test_the_warehouse_is_held_against_the_truth(people: Connection, truth_of: Reader) -> None:
    truth = truth_of("record_id,cluster_id\nR1,A\nR2,A\nR3,A\nR4,B\nR5,C\nR7,A\n")
    result = evaluation.evaluate(people, truth)
    counts = result.counts
    assert (counts.records, counts.missing, counts.unlabelled) == (6, 1, 1)
    assert (counts.true_pairs, counts.found_pairs, counts.correct_pairs) == (6, 2, 1)
    assert (result.pairwise.precision, result.pairwise.recall) == (0.5, 1 / 6)
    assert result.pairwise.f1 == pytest.approx(0.25)
    lost = result.losses
    assert (lost.ingestion, lost.blocking, lost.scoring, lost.review) == (3, 1, 1, 1)
    assert [(e.left, e.right) for e in lost.examples["blocking"]] == [("crm:R1", "crm:R3")]
    (scored,) = lost.examples["scoring"]
    assert (scored.left, scored.right, scored.probability) == ("crm:R2", "crm:R3", 0.7)
    assert (result.wrong.same_profile, result.wrong.scoring, result.wrong.clustering) == (1, 0, 0)
    page = as_text(result)
    for told in ("6 records of 3 true clusters", "1 of them are not in the ware", "crm:R2  crm:R3"):
        assert told in page
    document = as_json(result)
    assert document["f1"] == pytest.approx(0.25)
    assert document["lost"]["blocking"] == 1


def test_a_pair_whose_profile_has_no_label_does_not_count(
    people: Connection, truth_of: Reader
) -> None:
    result = evaluation.evaluate(people, truth_of("record_id,cluster_id\nR1,A\nR2,A\nR3,A\n"))
    assert sum(row.pairs for row in result.calibration.reliability) == 2  # not 3-6


def test_before_the_first_run_it_says_so(conn: Connection, truth_of: Reader) -> None:
    with pytest.raises(NothingToEvaluate, match="mdm run"):
        evaluation.evaluate(conn, truth_of("record_id,cluster_id\n1,1\n"))
