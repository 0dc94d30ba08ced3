"""An evaluation as a person reads it and as a program reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from mdm.evaluation import Evaluation, Quality
from mdm.evaluation_losses import Example


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain data: pairwise figures at the top, the rest below names."""
    counts, lost, wrong = evaluation.counts, evaluation.losses, evaluation.wrong
    calibration = evaluation.calibration
    return {
        **_quality(evaluation.pairwise),
        "b3": _quality(evaluation.b_cubed),
        "blocking_recall": evaluation.blocking_recall,
        "counts": asdict(counts),
        "lost": {
            "ingestion": lost.ingestion,
            "blocking": lost.blocking,
            "scoring": lost.scoring,
            "of_these_in_review": lost.review,
            "clustering": lost.clustering,
        },
        "wrong": {
            "same_profile": wrong.same_profile,
            "scoring": wrong.scoring,
            "clustering": wrong.clustering,
        },
        "lost_examples": _examples(lost.examples),
        "wrong_examples": _examples(wrong.examples),
        "rules": [asdict(one) for one in evaluation.rules],
        "sweep": [asdict(point) for point in calibration.sweep],
        "reliability": [asdict(row) for row in calibration.reliability],
        "calibration_error": calibration.calibration_error,
        "notes": list(evaluation.notes),
    }


def _quality(quality: Quality) -> dict[str, float]:
    return {"precision": quality.precision, "recall": quality.recall, "f1": quality.f1}


def _examples(examples: dict[str, tuple[Example, ...]]) -> dict[str, list[dict[str, Any]]]:
    return {step: [asdict(example) for example in found] for step, found in examples.items()}


def as_text(evaluation: Evaluation) -> str:
    """The evaluation as a page for the terminal."""
    return "\n".join(_lines(evaluation))


def _lines(evaluation: Evaluation) -> Iterator[str]:
    counts, lost, wrong = evaluation.counts, evaluation.losses, evaluation.wrong
    yield (
        f"{counts.records:,} records of {counts.true_clusters:,} true clusters, "
        f"found as {counts.customers:,} customers"
    )
    if counts.missing:
        yield (
            f"{counts.missing:,} of them are not in the warehouse; each counts as a customer "
            "of its own"
        )
    if counts.unlabelled:
        yield f"{counts.unlabelled:,} records of the warehouse are not in the truth; not counted"
    yield from evaluation.notes
    yield ""
    yield f"  {'':<12}{'precision':>10}{'recall':>10}{'F1':>10}"
    for name, quality in (("pairs", evaluation.pairwise), ("B³", evaluation.b_cubed)):
        yield (f"  {name:<12}{quality.precision:>10.4f}{quality.recall:>10.4f}{quality.f1:>10.4f}")
    yield ""
    yield f"True pairs  {counts.true_pairs:>12,}   found {counts.correct_pairs:,}, lost in"
    yield from _steps(
        (
            ("ingestion", lost.ingestion, "a record is not in the warehouse"),
            ("blocking", lost.blocking, f"blocking recall {evaluation.blocking_recall:.4f}"),
            ("scoring", lost.scoring, f"{lost.review:,} of them wait for a steward"),
            ("clustering", lost.clustering, "merged by the score, kept apart all the same"),
        )
    )
    wrong_n = counts.found_pairs - counts.correct_pairs
    yield f"Found pairs {counts.found_pairs:>12,}   {wrong_n:,} of them wrong, by"
    yield from _steps(
        (
            ("same profile", wrong.same_profile, "the records look the same"),
            ("scoring", wrong.scoring, "decided AUTO_MERGE"),
            ("clustering", wrong.clustering, "joined through others"),
        )
    )
    yield from _rule_lines(evaluation)
    yield from _example_lines("Lost in", lost.examples)
    yield from _example_lines("Wrong by", wrong.examples)
    yield from _calibration_lines(evaluation)


def _steps(steps: Iterable[tuple[str, int, str]]) -> Iterator[str]:
    for name, n, remark in steps:
        yield f"  {name:<14}{n:>8,}   {remark if n or name == 'blocking' else ''}".rstrip()


def _rule_lines(evaluation: Evaluation) -> Iterator[str]:
    if not evaluation.rules:
        return
    true_n = evaluation.counts.true_pairs
    yield ""
    yield "What each blocking rule found first: scored pairs of profiles, share of all true pairs"
    for one in evaluation.rules:
        share = one.true_pairs / true_n if true_n else 0.0
        yield f"  {one.rule:<22}{one.pairs:>12,}{share:>9.4f}"


def _example_lines(title: str, examples: dict[str, tuple[Example, ...]]) -> Iterator[str]:
    for step, found in examples.items():
        if found:
            yield ""
            yield f"{title} {step}, for example (mdm explain LEFT RIGHT):"
            for example in found:
                score = (
                    ""
                    if example.probability is None
                    else f"   {example.probability:.3f} {example.decision}"
                )
                yield f"  {example.left}  {example.right}{score}"


def _calibration_lines(evaluation: Evaluation) -> Iterator[str]:
    calibration = evaluation.calibration
    yield ""
    yield "Linked directly at a threshold, before clustering (pairs of records)"
    yield "  threshold   precision   recall        pairs"
    for point in calibration.sweep:
        yield (
            f"  {point.threshold:>9.3f}{point.precision:>12.4f}{point.recall:>9.4f}"
            f"{point.pairs:>13,}"
        )
    yield ""
    yield "Does the probability mean what it says? (scored pairs of profiles)"
    yield "  probability       pairs     mean     true"
    for row in calibration.reliability:
        yield (
            f"  {row.low:.1f} to {row.high:.1f}{row.pairs:>13,}{row.mean_probability:>9.3f}"
            f"{row.share_true:>9.3f}"
        )
    yield f"  calibration error {calibration.calibration_error:.4f}"
