"""Errors by yaw and by visibility: over the points that are seen, and over those covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dan.evaluation.metrics import failure_rate, plain_values
from dan.evaluation.per_face import errors_over, mean_percent
from dan.evaluation.protocol import SubsetPredictions
from dan.evaluation.tables import Table
from dan.evaluation.yaw import YAWS_DEG, estimate_yaws

ALL = "all"
"""The row of all faces, of which some may have no known yaw."""


@dataclass(frozen=True)
class GroupScore:
    """Errors after the last stage of the faces of one band of yaw, percent of the box size.

    The box shrinks far less than the distance of the eyes as a face turns. The error of a face is
    the mean over its seen points or over its covered ones; a figure of no face at all is NaN.

    Attributes:
        yaw: the band of the true points' yaw to either side, such as ``30–60°``; or :data:`ALL`.
        n_faces: faces of the band, missed ones included.
        n_seen: points that are seen.
        nme_percent: mean error over seen points, of the faces that were found.
        median_percent: their median error, missed faces counted as infinitely wrong.
        failure_percent: faces above ``threshold``, missed ones included.
        threshold: a fraction of the box size.
        n_covered: points that something covers, so that their true position is a guess.
        covered_percent: mean error over them, of the faces that have some and were found.
    """

    subset: str
    box_source: str
    yaw: str
    n_faces: int
    n_seen: int
    nme_percent: float
    median_percent: float
    failure_percent: float
    threshold: float
    n_covered: int
    covered_percent: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; None for a figure that is NaN or infinite."""
        return plain_values(self)


def scores_by_group(part: SubsetPredictions, threshold: float = 0.08) -> list[GroupScore]:
    """Of all faces, then of each band of yaw that there are faces of.

    Where the scheme does not tell the yaw, all faces alone; none where no point is covered, too.

    Args:
        threshold: of the failure rate, a fraction of the box size.
    """
    predictions = part.predictions
    covered, seen = predictions.covered, predictions.seen
    yaws = np.abs(estimate_yaws(predictions.truth, predictions.scheme))
    groups = {ALL: np.ones(len(yaws), dtype=np.bool_)}
    for low, high in zip((0.0, *YAWS_DEG), (*YAWS_DEG, np.inf), strict=True):
        name = f"{low:.0f}–{high:.0f}°" if high < np.inf else f"{low:.0f}° and more"
        groups[name] = (low <= yaws) & (yaws < high)
    if np.isnan(yaws).all() and not covered.any():
        return []
    errors, guessed = errors_over(predictions, seen), errors_over(predictions, covered)
    scores = []
    for name, chosen in groups.items():
        if not chosen.any():
            continue
        own = errors[chosen & seen.any(axis=1)]
        scores.append(
            GroupScore(
                part.subset,
                part.box_source,
                name,
                n_faces=int(chosen.sum()),
                n_seen=int(seen[chosen].sum()),
                nme_percent=mean_percent(own),
                median_percent=100 * float(np.median(own)) if len(own) else float("nan"),
                failure_percent=100 * failure_rate(own, threshold) if len(own) else float("nan"),
                threshold=threshold,
                n_covered=int(covered[chosen].sum()),
                covered_percent=mean_percent(guessed[chosen]),
            )
        )
    return scores


def group_table(scores: Sequence[GroupScore]) -> Table:
    """The scores as a table; without columns of covered points where there are none."""
    at = f"@{scores[0].threshold:g}" if scores else ""
    columns = ["faces, boxes", "yaw", "faces", "seen points", "NME %", "median %", f"FR{at} %"]
    rows = [
        [
            f"{score.subset}, {score.box_source}",
            score.yaw,
            str(score.n_faces),
            str(score.n_seen),
            _figure(score.nme_percent),
            _figure(score.median_percent),
            _figure(score.failure_percent),
        ]
        for score in scores
    ]
    if any(score.n_covered for score in scores):
        columns += ["covered points", "their NME %"]
        for row, score in zip(rows, scores, strict=True):
            row += [str(score.n_covered), _figure(score.covered_percent)]
    note = (
        "Percent of the box size, over the points that are seen. Yaw, to either side, is estimated "
        "from the true points; a face with too few of them counts under all only."
    )
    return Table("Error by yaw and visibility", tuple(columns), tuple(map(tuple, rows)), note)


def _figure(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"
