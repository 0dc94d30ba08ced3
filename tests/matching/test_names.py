"""The labelled name pairs of OpenSanctions: our comparison of names against a strong matcher's."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from matching.name_scores import SAME_NAME, score_names

PAIRS = Path(__file__).resolve().parents[3] / "shared/data/name_pairs/nomenklatura_cases.csv"
BASELINE_F1 = 0.790
"""OpenSanctions logic-v2 on the same pairs, as frozen beside them."""


@pytest.mark.shared
@pytest.mark.skipif(not PAIRS.exists(), reason="the labelled pairs are kept outside the project")
def test_name_pairs_beat_the_baseline() -> None:
    with PAIRS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    scores = score_names(
        [row["name1"] for row in rows],
        [row["name2"] for row in rows],
        [row["schema"] for row in rows],
    )
    found = scores >= SAME_NAME
    truth = [row["is_match"] == "true" for row in rows]
    hits = sum(f and t for f, t in zip(found, truth, strict=True))
    f1 = 2 * hits / (sum(found) + sum(truth))
    print(f"name_pairs: F1 {f1:.3f} on {len(rows)} pairs")
    assert f1 > BASELINE_F1
