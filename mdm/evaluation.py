"""How good the customers are, against a labelled truth.

Every figure is about pairs of records and counts all true pairs, whether blocking met them or
not. Nothing enumerates pairs of records: with *n* records in a group there are n(n-1)/2 pairs, so
sizes of groups (true cluster, customer, profile, and their overlaps) give all counts in linear
time.

- pairwise precision = pairs in one customer and one true cluster / pairs in one customer;
  recall = the same / pairs in one true cluster; F1 their harmonic mean
  (Menestrina, Whang and Garcia-Molina, "Evaluating entity resolution results", VLDB 2010).
- B³: precision of a record = share of its customer that is of its true cluster, recall = share of
  its true cluster that is in its customer; the mean over records (Bagga and Baldwin, LREC 1998).

Where nothing was claimed nothing was wrong: precision is 1 without pairs in one customer, recall
is 1 without true pairs.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from db import bulk
from db.queries import load, query
from mdm.errors import MdmError
from mdm.evaluation_calibration import Calibration, calibrate
from mdm.evaluation_losses import (
    Losses,
    RuleYield,
    Wrong,
    losses,
    rule_yields,
    wrong_pairs,
)
from mdm.evaluation_pairs import DECISIONS, Groups, ScoredPairs, agreeing, pairs_within
from mdm.evaluation_truth import Labelled, Truth, align

_FILE = "mdm/evaluation.sql"
_CROSSWALK = pl.Schema(
    {
        "source": pl.String(),
        "record_id": pl.String(),
        "profile": pl.Int64(),
        "customer": pl.String(),
    }
)
#: Columns of scored pairs of profiles.
PAIRS = pl.Schema(
    {
        "l": pl.Int64(),
        "r": pl.Int64(),
        "probability": pl.Float32(),
        "decision": pl.Enum(DECISIONS),
        "vetoed": pl.Int8(),
        "rule": pl.Int16(),
    }
)


class NothingToEvaluate(MdmError):
    """The pipeline has not given any record a customer yet."""


@dataclass(frozen=True)
class Quality:
    """Precision, recall and their harmonic mean, each in [0, 1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 when both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Counts:
    """What was compared: records, clusters, and pairs of records.

    ``missing`` records are in the truth but not in the warehouse (each counts as a customer of its
    own), ``unlabelled`` ones are in the warehouse but not in the truth (they count nowhere).
    """

    records: int
    missing: int
    unlabelled: int
    true_clusters: int
    customers: int
    true_pairs: int
    found_pairs: int
    correct_pairs: int


@dataclass(frozen=True)
class Evaluation:
    """The whole outcome: quality over pairs and records, where pairs were lost, calibration."""

    counts: Counts
    pairwise: Quality
    b_cubed: Quality
    blocking_recall: float
    losses: Losses
    wrong: Wrong
    calibration: Calibration
    rules: tuple[RuleYield, ...]
    notes: tuple[str, ...] = ()


def evaluate(conn: Connection, truth: Truth) -> Evaluation:
    """The customers in the warehouse held against ``truth``, as this transaction sees them.

    Reads ``identity.customer_identity_map`` and ``staging.identity_match_candidates``. Raises
    NothingToEvaluate before the first run, BadInput when truth and records do not meet.
    """
    crosswalk = _fetch(conn, "crosswalk", _CROSSWALK)
    if crosswalk.is_empty():
        raise NothingToEvaluate("No record has a customer yet. Run the pipeline first: mdm run")
    labelled = align(truth, crosswalk)
    del crosswalk
    rules = {row.rule_id: row.name for row in conn.execute(query(_FILE, "rules"))}
    return measure(labelled, _fetch(conn, "scored_pairs", PAIRS), rules)


def measure(labelled: Labelled, pairs: pl.DataFrame, rules: Mapping[int, str]) -> Evaluation:
    """The evaluation of labelled records and scored ``pairs`` of profiles; reads nothing else.

    The columns of ``pairs`` are those of ``PAIRS``, each pair once; ``rules`` are the names of the
    blocking rules by number.
    """
    records = labelled.records
    present = records.filter(pl.col("profile").is_not_null())
    groups = Groups.of(records)
    scored = ScoredPairs.of(pairs, groups)
    true = agreeing(groups, scored, groups.truth)
    lost = losses(records, groups, scored, true)
    true_n = pairs_within(records, "truth")
    return Evaluation(
        counts=Counts(
            records=len(records),
            missing=labelled.missing_n,
            unlabelled=labelled.unlabelled_n,
            true_clusters=records["truth"].n_unique(),
            customers=present["customer"].n_unique(),
            true_pairs=true_n,
            found_pairs=pairs_within(records, "customer"),
            correct_pairs=pairs_within(records, "truth", "customer"),
        ),
        pairwise=pairwise(records),
        b_cubed=b_cubed(records),
        blocking_recall=_share(pairs_within(present, "profile", "truth") + lost.proposed, true_n),
        losses=lost,
        wrong=wrong_pairs(records, groups, scored),
        calibration=calibrate(records, groups, scored, true),
        rules=rule_yields(scored, true, rules),
        notes=labelled.notes,
    )


def pairwise(records: pl.DataFrame) -> Quality:
    """Pairwise precision and recall of ``customer`` against ``truth``."""
    correct_n = pairs_within(records, "truth", "customer")
    return Quality(
        precision=_share(correct_n, pairs_within(records, "customer")),
        recall=_share(correct_n, pairs_within(records, "truth")),
    )


def b_cubed(records: pl.DataFrame) -> Quality:
    """B³ precision and recall of ``customer`` against ``truth``, the mean over records."""
    cells = (
        records.group_by("truth", "customer").len("n").with_columns(pl.col("n").cast(pl.Float64))
    )
    cells = cells.with_columns(
        of_truth=pl.col("n").sum().over("truth"), of_customer=pl.col("n").sum().over("customer")
    )
    squares = pl.col("n") * pl.col("n")
    precision, recall = cells.select(
        precision=(squares / pl.col("of_customer")).sum() / len(records),
        recall=(squares / pl.col("of_truth")).sum() / len(records),
    ).row(0)
    return Quality(float(precision), float(recall))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _fetch(conn: Connection, name: str, schema: pl.Schema) -> pl.DataFrame:
    sink = io.BytesIO()
    bulk.copy_out(conn, load(_FILE)[name], sink)
    sink.seek(0)
    return pl.read_csv(sink, schema=schema)
