"""Charts as files, for those who installed the extra ``charts`` (matplotlib)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from mdm.errors import UsageError
from mdm.evaluation import Evaluation

_ENDINGS = (".png", ".svg")
_FOUND, _TRUTH = "#1f5f8b", "#b35900"
_FOR, _AGAINST = "#2e7d4f", "#a83232"


def check(path: Path) -> None:
    """Nothing when a chart can be drawn to ``path``.

    Raises UsageError for an ending that is no picture, a missing folder, or without matplotlib:
    asked before the work is done, so that nobody waits for a chart that cannot come.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--chart {path}: the ending must be one of {', '.join(_ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--chart {path}: the folder does not exist")
    _matplotlib("figure")


def draw_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write a chart of precision against recall by threshold, and of reliability, to ``path``."""
    figure = _figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    _precision_recall(left, evaluation)
    _reliability(right, evaluation)
    save(figure, path)


def draw_waterfall(steps: Sequence[tuple[str, float]], title: str, path: Path) -> None:
    """Write a chart of bits of evidence added up step by step, with their sum last, to ``path``."""
    figure = _figure(max(6.0, 0.95 * len(steps)), 4.6)
    axes = figure.subplots()
    ends = list(accumulate(bits for _, bits in steps))
    starts = [0.0, *ends[:-1]]
    for place, ((_, bits), start) in enumerate(zip(steps, starts, strict=True)):
        axes.bar(place, bits, bottom=start, color=_FOR if bits >= 0 else _AGAINST, width=0.7)
        axes.annotate(
            f"{bits:+.1f}",
            (place, max(start, start + bits)),
            textcoords="offset points",
            xytext=(0, 3),
            ha="center",
            fontsize=8,
        )
    axes.bar(len(steps), ends[-1], color=_FOUND, width=0.7)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(steps) + 1), [*(name for name, _ in steps), "sum"], fontsize=7)
    axes.set(ylabel="bits (log2 odds of one customer)", title=title)
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write ``figure``; the same figure gives the same bytes."""
    svg = path.suffix.lower() == ".svg"
    with _matplotlib("rc_context")({"svg.hashsalt": "mdm", "svg.fonttype": "none"}):
        figure.savefig(path, dpi=144, metadata={"Date": None} if svg else {"Software": None})


def _precision_recall(axes: Any, evaluation: Evaluation) -> None:
    sweep = evaluation.calibration.sweep
    axes.plot(
        [point.recall for point in sweep],
        [point.precision for point in sweep],
        marker="o",
        markersize=3,
        color=_FOUND,
        label="pairs linked at a threshold",
    )
    for point in sweep:
        if point.threshold in (0.01, 0.5, 0.9, 0.99):
            axes.annotate(
                f"{point.threshold:g}",
                (point.recall, point.precision),
                textcoords="offset points",
                xytext=(4, 4),
                fontsize=8,
            )
    reached = evaluation.pairwise
    axes.plot(
        [reached.recall],
        [reached.precision],
        marker="*",
        markersize=13,
        linestyle="none",
        color=_TRUTH,
        label=f"customers (F1 {reached.f1:.3f})",
    )
    axes.set(
        xlabel="recall", ylabel="precision", title="Precision and recall over pairs of records"
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize=8)


def _reliability(axes: Any, evaluation: Evaluation) -> None:
    rows = evaluation.calibration.reliability
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as it should be")
    axes.plot(
        [row.mean_probability for row in rows],
        [row.share_true for row in rows],
        marker="o",
        color=_FOUND,
        label=f"scored pairs (error {evaluation.calibration.calibration_error:.3f})",
    )
    for row in rows:
        axes.annotate(
            f"{row.pairs:,}",
            (row.mean_probability, row.share_true),
            textcoords="offset points",
            xytext=(5, -9),
            fontsize=7,
        )
    axes.set(
        xlabel="match probability", ylabel="share true", title="Reliability of match probability",
        xlim=(-0.02, 1.02), ylim=(-0.02, 1.02),
    )  # fmt: skip
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8)


def _figure(width: float, height: float) -> Any:
    return _matplotlib("figure").Figure(figsize=(width, height), layout="constrained")


def _matplotlib(name: str) -> Any:
    """``matplotlib.NAME``, imported here since it is an optional extra and slow to load."""
    try:
        package = importlib.import_module("matplotlib")
        importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise UsageError(
            "charts need matplotlib, which is not installed: "
            f"{sys.executable} -m pip install 'matplotlib>=3.10'"
        ) from error
    return getattr(package, name)
