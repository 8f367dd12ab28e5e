"""The evaluation report: tables, error curves and the worst faces, as Markdown and HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dan.core.files import check_output_folder, check_outputs, make_folder, write_text
from dan.core.types import FilePath
from dan.datasets.annotated import counts_in_words
from dan.evaluation.breakdown import group_table, scores_by_group
from dan.evaluation.certainty import certainty_scores, certainty_table, coverage_table
from dan.evaluation.figures import (
    CURVES,
    DROPPED_CURVES,
    WORST_NAMES,
    draw_worst,
    plot_curves,
    plot_dropped,
)
from dan.evaluation.metrics import Score, mean_distances, normaliser_lengths
from dan.evaluation.per_face import errors_of, mean_percent, peer_predictions, regions_of
from dan.evaluation.predictions import Predictions
from dan.evaluation.protocol import SubsetPredictions, left_out_of
from dan.evaluation.published import PUBLISHED, is_comparable
from dan.evaluation.score import score_of
from dan.evaluation.tables import Table, render_html, render_markdown

TEXTS = ("report.md", "report.html", "scores.json")

FIXED_NAMES = (*TEXTS, CURVES, DROPPED_CURVES)
"""Files of reports; the pictures of the worst faces are called ``WORST_NAMES``."""


def check_report_folder(folder: Path, inputs: Iterable[FilePath]) -> None:
    """Refuse, before any work, a folder that no report can be written to."""
    check_output_folder(folder)
    if folder.is_dir():
        names = [folder / name for name in FIXED_NAMES]
        check_outputs([*names, *folder.glob(WORST_NAMES)], inputs)


def write_report(
    folder: Path,
    parts: Sequence[SubsetPredictions],
    about: Mapping[str, str],
    *,
    threshold: float,
    peers: Mapping[str, Path],
) -> list[Path]:
    """Write ``report.md``, ``report.html``, ``scores.json``, curves and the worst faces.

    Args:
        parts: what was predicted; see :func:`dan.evaluation.protocol.predict_protocol`.
        about: model, data, date and the like, told on top.
        peers: name -> folder with ``NAME.pts`` of each face of another method, named as ours are.
    """
    if left_out := left_out_of(parts):
        about = {**about, "left out": counts_in_words(face.reason for face in left_out)}
    scores = [score for part in parts for score in scores_of(part, threshold)]
    groups = [group for part in parts for group in scores_by_group(part, threshold)]
    certainty = certainty_scores(parts)
    tables = [
        _score_table(scores),
        _stage_table(parts),
        _region_table(parts),
        group_table(groups),
        certainty_table(certainty),
        coverage_table(certainty),
        _published_table(parts),
    ]
    if peers:
        tables.append(_peer_table(parts, peers, threshold))
    make_folder(folder)
    pictures = [
        ("Cumulative error", plot_curves(folder / CURVES, parts, peers)),
        ("Error over dropped points", plot_dropped(folder / DROPPED_CURVES, certainty)),
    ]
    pictures += [
        (f"The worst faces, {part.subset}, {part.box_source} boxes", draw_worst(folder, part))
        for part in parts
        if not part.subset.startswith("full")
    ]
    kept = [(title, path) for title, path in pictures if path is not None]
    tables = [table for table in tables if table.rows]
    write_text(folder / "report.md", render_markdown(about, tables, kept))
    write_text(folder / "report.html", render_html(about, tables, kept))
    values = {
        "about": dict(about),
        "scores": [score.to_dict() for score in scores],
        "groups": [group.to_dict() for group in groups],
        "certainty": [score.to_dict() for score in certainty],
    }
    write_text(folder / "scores.json", json.dumps(values, indent=2) + "\n")
    return [*(folder / name for name in TEXTS), *(path for _, path in kept)]


def scores_of(part: SubsetPredictions, threshold: float) -> list[Score]:
    """Scores of the last stage for each normaliser that its faces have the points of."""
    return [
        score_of(part.predictions, part.subset, normaliser=name, threshold=threshold)
        for name in part.predictions.normalisers
    ]


def _cells(score: Score) -> tuple[str, ...]:
    return (
        str(score.n_images),
        str(score.n_missed),
        f"{score.nme_percent:.2f}",
        f"{score.auc:.4f}",
        f"{score.failure_percent:.2f}",
    )


def _score_table(scores: Sequence[Score]) -> Table:
    rows = tuple(
        (f"{score.subset}, {score.box_source}", score.normaliser, *_cells(score))
        for score in scores
    )
    at = f"@{scores[0].threshold:g}" if scores else ""
    columns = ("faces, boxes", "normaliser", "images", "missed", "NME %", f"AUC{at}", f"FR{at} %")
    return Table("Scores", columns, rows)


def _stage_table(parts: Sequence[SubsetPredictions]) -> Table:
    n_stages = max(len(part.predictions.estimates) for part in parts)
    rows = tuple(
        (
            f"{part.subset}, {part.box_source}",
            *(f"{mean_percent(errors_of(part.predictions, stage=k)):.2f}" for k in range(n_stages)),
        )
        for part in parts
    )
    columns = ("faces, boxes", *(f"stage {k + 1}" for k in range(n_stages)))
    return Table("Error after each stage, NME %", columns, rows)


def _region_table(parts: Sequence[SubsetPredictions]) -> Table:
    regions = regions_of(parts[0].predictions.scheme)
    rows = tuple(
        (
            f"{part.subset}, {part.box_source}",
            *(f"{_region_error(part.predictions, places):.2f}" for places in regions.values()),
        )
        for part in parts
    )
    note = "Mean over the region's points, by the whole face's normaliser."
    return Table(
        "Error by region, NME %", ("faces, boxes", *regions), rows if regions else (), note
    )


def _region_error(predictions: Predictions, places: Sequence[int]) -> float:
    truth = predictions.truth
    lengths = normaliser_lengths(truth, predictions.scheme, predictions.normalisers[0])
    found = predictions.estimates[-1]
    return mean_percent(mean_distances(found[:, places], truth[:, places]) / lengths)


def _published_table(parts: Sequence[SubsetPredictions]) -> Table:
    parts = [part for part in parts if is_comparable(part.predictions)]
    if not parts:
        return Table("", (), ())
    subsets = list(dict.fromkeys(part.subset for part in parts))
    rows = [
        (f"this model, {source}", *(_own(parts, subset, source) for subset in subsets))
        for source in dict.fromkeys(part.box_source for part in parts)
    ]
    for other in PUBLISHED:
        values = [other.of(subset) for subset in subsets]
        if any(value is not None for value in values):
            shown = ("–" if value is None else f"{value:.2f}" for value in values)
            rows.append((f"{other.method}, {other.boxes}", *shown))
    note = (
        "Published figures are those of whole subsets; where ours says 'only', it is of a part, "
        "and not to be compared to the second digit."
    )
    return Table(
        "Beside published figures, NME % inter-ocular",
        ("method, boxes", *subsets),
        tuple(rows),
        note,
    )


def _own(parts: Sequence[SubsetPredictions], subset: str, source: str) -> str:
    for part in parts:
        if (part.subset, part.box_source) == (subset, source):
            return f"{mean_percent(errors_of(part.predictions)):.2f}"
    return "–"


def _peer_table(
    parts: Sequence[SubsetPredictions], peers: Mapping[str, Path], threshold: float
) -> Table:
    rows = []
    for part in parts:
        if part.box_source != "gt":
            continue
        for name, folder in peers.items():
            peer = peer_predictions(part.predictions, folder)
            score = score_of(peer, part.subset, threshold=threshold)
            rows.append((f"{name}, {part.subset}", *_cells(score)))
    columns = ("method, faces", "images", "missed", "NME %", "AUC", "FR %")
    return Table("Other methods on the same faces, their own boxes", columns, tuple(rows))
