"""Scores of face alignment: normalised mean error, CED, AUC, failure rate."""

from dan.evaluation.metrics.calibration import Reliability, roc_auc
from dan.evaluation.metrics.curves import area_under_ced, ced, failure_rate
from dan.evaluation.metrics.nme import (
    NORMALISERS,
    Normaliser,
    common_normalisers,
    mean_distances,
    normalised_errors,
    normaliser_lengths,
    usable_normalisers,
)
from dan.evaluation.metrics.results import Score, render_table

__all__ = [
    "NORMALISERS",
    "Normaliser",
    "Reliability",
    "Score",
    "area_under_ced",
    "ced",
    "common_normalisers",
    "failure_rate",
    "mean_distances",
    "normalised_errors",
    "normaliser_lengths",
    "render_table",
    "roc_auc",
    "usable_normalisers",
]
