"""Scores: bits of each level, of common and rare values, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from matching import scoring
from matching.model import AttributeModel, SegmentModel
from matching.profiles import PERSON, Profiles
from matching.scoring import Scorer

Person = Mapping[str, str | None]
RATES = {"+4930111": 0.02, "+4930222": 0.0004, "+4930999": 0.3}
"""Shares of strangers that hold a number; the last one nobody here has."""


def segment() -> SegmentModel:
    """A model of the phone alone, in which relatives count for nothing."""
    phone = AttributeModel(
        name="phone",
        type="phone",
        levels=["different", "typo", "last_seven_digits", "exact"],
        m=[0.25, 0.05, 0.1, 0.6],
        u=[0.9, 0.05, 0.0499, 0.0001],
        h=[0.9, 0.05, 0.0499, 0.0001],
        frequency_level=3,
        u_of_value=RATES,
    )
    return SegmentModel(PERSON, [phone], prior_match=0.001, prior_related=1e-12)


@pytest.mark.parametrize(
    ("left", "right", "level", "bits"),
    [
        ("+4930111", "+4930111", 3, np.log2(0.6 / 0.02)),
        ("+4930222", "+4930222", 3, np.log2(0.6 / 0.0004)),
        ("+4930333", "+4930333", 3, np.log2(0.6 / 0.0001)),
        ("+4930111", "+4977555", 0, np.log2(0.25 / 0.9)),
        ("+4930111", "+4930112", 1, 0.0),
        ("+4930111", None, -1, 0.0),
    ],
)
def test_bits_of_levels_and_values(
    left: str,
    right: str | None,
    level: int,
    bits: float,
    profiles_of: Callable[[list[Person]], Profiles],
) -> None:
    people: list[Person] = [{"phone": left}, {"phone": right}, {"phone": "+4930222"}]
    scores = Scorer(profiles_of(people), segment()).score(np.array([0]), np.array([1]))
    assert scores.levels.tolist() == [[level]]
    assert scores.contributions[0] == pytest.approx([bits, 0.0], abs=1e-6)
    assert scores.weight[0] == pytest.approx(bits + np.log2(0.001 / 0.999), abs=1e-5)


def test_batches_and_threads_change_nothing(
    monkeypatch: pytest.MonkeyPatch, profiles_of: Callable[[list[Person]], Profiles]
) -> None:
    people: list[Person] = [{"phone": f"+4930{i % 7}{i % 5}1"} for i in range(40)]
    left, right = np.triu_indices(40, 1)
    whole = Scorer(profiles_of(people), segment()).score(left, right)
    monkeypatch.setattr(scoring, "BATCH", 50)
    pieces = Scorer(profiles_of(people), segment()).score(left, right)
    assert len(left) > 10 * 50
    for one, other in (
        (whole.weight, pieces.weight),
        (whole.levels, pieces.levels),
        (whole.contributions, pieces.contributions),
    ):
        assert one.tobytes() == other.tobytes()


def test_alike_values_never_say_more_than_equal_ones(
    profiles_of: Callable[[list[Person]], Profiles],
) -> None:
    name = AttributeModel(
        name="given_name",
        type="given_name",
        levels=["different", "other_name", "similar", "initial", "nickname", "typo", "exact"],
        m=[0.02, 0.01, 0.02, 0.02, 0.08, 0.05, 0.8],
        u=[0.9, 0.02, 0.02, 0.02, 0.001, 0.001, 0.0005],
        h=[0.9, 0.02, 0.02, 0.02, 0.001, 0.001, 0.0005],
        frequency_level=6,
        u_of_value={"robert": 0.1},
    )
    model = SegmentModel(PERSON, [name], prior_match=0.001, prior_related=1e-12)
    people: list[Person] = [{"given_name": one} for one in ("robert", "bob", "elizabeth", "liz")]
    scorer = Scorer(profiles_of(people), model)
    equal = np.log2(0.8 / 0.1)
    for left, right, bits in ((0, 1, equal), (1, 0, equal), (2, 3, np.log2(0.08 / 0.001))):
        scores = scorer.score(np.array([left]), np.array([right]))
        assert scores.levels.tolist() == [[4]]
        assert scores.contributions[0, 0] == pytest.approx(bits, abs=1e-5)
