"""Pictures of the report: cumulative errors, errors over dropped points, the worst faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dan.core.files import replacing
from dan.core.images import write_png
from dan.drawing.landmarks import around_face, contact_sheet
from dan.evaluation.certainty import CertaintyScore
from dan.evaluation.metrics import ced
from dan.evaluation.per_face import errors_of, mean_percent, peer_predictions
from dan.evaluation.prediction_files import draw_prediction
from dan.evaluation.protocol import SubsetPredictions
from dan.evaluation.published import PUBLISHED, is_comparable
from dan.geometry import with_position

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES, DROPPED_CURVES, WORST_NAMES = "ced.png", "dropped.png", "worst-*.png"

WORST = 20
CURVE_END = 0.1


def plot_curves(
    path: Path, parts: Sequence[SubsetPredictions], peers: Mapping[str, Path]
) -> Path | None:
    """CED of every part, with published means as marks; None where matplotlib is missing."""
    if (canvas := _canvas()) is None:
        return None
    figure, axes = canvas
    thresholds = np.linspace(0, CURVE_END, 500)
    for part in parts:
        errors = errors_of(part.predictions)
        label = f"{part.subset}, {part.box_source}: {mean_percent(errors):.2f} %"
        axes.plot(100 * thresholds, 100 * ced(errors, thresholds), label=label)
    for name, folder in peers.items():
        errors = errors_of(peer_predictions(parts[0].predictions, folder))
        label = f"{name}, {parts[0].subset}: {mean_percent(errors):.2f} %"
        axes.plot(100 * thresholds, 100 * ced(errors, thresholds), "--", label=label)
    comparable = [part for part in parts if is_comparable(part.predictions)]
    subsets = {part.subset.split(" ")[0] for part in comparable}
    for other in PUBLISHED[:1]:
        for subset in sorted(subsets):
            value = other.of(subset)
            if value is not None:
                axes.axvline(value, color="grey", linestyle=":", linewidth=1)
                axes.text(
                    value, 2, f" {other.method}, {subset}", rotation=90, fontsize=7, color="grey"
                )
    axes.set(xlabel="error, % of the normaliser", ylabel="faces at or below, %", ylim=(0, 100))
    axes.set_xlim(0, 100 * CURVE_END)
    axes.legend(loc="lower right")
    return _saved(figure, path)


def plot_dropped(path: Path, scores: Sequence[CertaintyScore]) -> Path | None:
    """Mean error as points are dropped; None without stated errors or matplotlib."""
    scores = [score for score in scores if score.n_points]
    if not scores or (canvas := _canvas()) is None:
        return None
    figure, axes = canvas
    for score in scores:
        shares = 100 * np.array(score.dropped)
        label = f"{score.subset}, {score.box_source}"
        (line,) = axes.plot(shares, score.remaining_percent, label=f"{label}: by stated errors")
        ideal = f"{label}: by true ones"
        axes.plot(shares, score.ideal_percent, "--", color=line.get_color(), label=ideal)
    axes.set(xlabel="points dropped, %", ylabel="mean error of the others, % of the normaliser")
    axes.set(xlim=(0, 100), ylim=(0, None))
    axes.legend(loc="lower left")
    return _saved(figure, path)


def _canvas() -> tuple[Figure, Axes] | None:
    """A new picture; None where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _saved(figure: Figure, path: Path) -> Path:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def draw_worst(folder: Path, part: SubsetPredictions) -> Path:
    """The faces of the largest errors, prediction and truth drawn."""
    predictions = part.predictions
    errors = errors_of(predictions)
    order = np.argsort(-np.where(np.isfinite(errors), errors, np.inf), kind="stable")[:WORST]
    tiles, labels = [], []
    for place in order.tolist():
        drawn = draw_prediction(predictions, place)
        tiles.append(around_face(drawn, with_position(predictions.truth[place])))
        error = errors[place]
        labels.append(f"{100 * error:.1f} %" if np.isfinite(error) else "missed")
    name = WORST_NAMES.replace("*", f"{part.subset.split(' ')[0]}-{part.box_source}")
    write_png(folder / name, contact_sheet(tiles, 5, 240, labels))
    return folder / name
