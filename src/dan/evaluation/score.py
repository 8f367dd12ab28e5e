"""Scores of predictions: one line a stage, then the result by every normaliser."""

from pathlib import Path

from dan.evaluation.metrics import Score, normalised_errors, usable_normalisers
from dan.evaluation.predictions import Predictions


def score_predictions(
    predictions: Predictions, subset: str, threshold: float = 0.08
) -> list[Score]:
    """Scores of each stage by the first normaliser, then of the last stage by all others.

    Args:
        threshold: of AUC and failure rate, a fraction of the normaliser.
    """
    usable = usable_normalisers(predictions.scheme)
    stages = len(predictions.estimates)
    rows = [(stage, usable[0]) for stage in range(stages)]
    rows += [(stages - 1, name) for name in usable[1:]]
    return [
        Score.of(
            normalised_errors(
                predictions.estimates[stage], predictions.truth, predictions.scheme, normaliser
            ),
            subset=f"{subset}, stage {stage + 1}",
            scheme=predictions.scheme.name,
            box_source=Path(predictions.box_source).stem,
            normaliser=normaliser,
            threshold=threshold,
        )
        for stage, normaliser in rows
    ]
