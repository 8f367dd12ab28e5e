"""Prediction on annotated images and its scores; works with any :class:`LandmarkModel`."""

from dan.evaluation.predictions import (
    Predictions,
    box_source_of,
    predict_annotated,
)
from dan.evaluation.score import score_predictions

__all__ = [
    "Predictions",
    "box_source_of",
    "predict_annotated",
    "score_predictions",
]
