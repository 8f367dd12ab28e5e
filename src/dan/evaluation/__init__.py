"""Prediction on annotated images and its scores; works with any :class:`CropPredictor`."""

from dan.evaluation.predict import (
    CropPredictor,
    Predictions,
    box_source_of,
    predict_annotated,
)
from dan.evaluation.score import score_predictions

__all__ = [
    "CropPredictor",
    "Predictions",
    "box_source_of",
    "predict_annotated",
    "score_predictions",
]
