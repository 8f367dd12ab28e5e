"""Scores of predictions: one line for each stage, then the result for the other normalisers."""

from pathlib import Path

from dan.evaluation.metrics import Normaliser, Score
from dan.evaluation.per_face import errors_of
from dan.evaluation.predictions import Predictions


def score_of(
    predictions: Predictions,
    subset: str,
    *,
    normaliser: Normaliser | None = None,
    stage: int = -1,
    threshold: float = 0.08,
) -> Score:
    """The score of one stage, by default the last, by a given normaliser or the first there is.

    Args:
        threshold: of AUC and failure rate, a fraction of the normaliser.
    """
    kind = normaliser or predictions.normalisers[0]
    return Score.of(
        errors_of(predictions, kind, stage),
        subset=subset,
        scheme=predictions.scheme.name,
        box_source=Path(predictions.box_source).stem,
        normaliser=kind,
        threshold=threshold,
    )


def score_predictions(
    predictions: Predictions, subset: str, threshold: float = 0.08
) -> list[Score]:
    """Scores of each stage for the first normaliser, then of the last stage for all others."""
    normalisers = predictions.normalisers
    last = len(predictions.estimates) - 1
    rows = [(stage, normalisers[0]) for stage in range(last)]
    rows += [(last, name) for name in normalisers]
    return [
        score_of(
            predictions,
            f"{subset}, stage {stage + 1}",
            normaliser=name,
            stage=stage,
            threshold=threshold,
        )
        for stage, name in rows
    ]
