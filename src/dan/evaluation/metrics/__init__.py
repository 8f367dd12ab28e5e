"""Scores of face alignment: error, CED, AUC, failures; and of what a model says of its errors."""

from dan.evaluation.metrics.calibration import Reliability
from dan.evaluation.metrics.coverage import EllipseCoverage, ellipse_coverage
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
from dan.evaluation.metrics.ranking import errors_over_dropped, rank_correlation, roc_auc
from dan.evaluation.metrics.results import Score, plain_values, render_table

__all__ = [
    "NORMALISERS",
    "EllipseCoverage",
    "Normaliser",
    "Reliability",
    "Score",
    "area_under_ced",
    "ced",
    "common_normalisers",
    "ellipse_coverage",
    "errors_over_dropped",
    "failure_rate",
    "mean_distances",
    "normalised_errors",
    "normaliser_lengths",
    "plain_values",
    "rank_correlation",
    "render_table",
    "roc_auc",
    "usable_normalisers",
]
