"""Predictions as files: ``.pts`` beside a picture with prediction and truth drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dan.core.files import make_folder
from dan.core.images import read_rgb, write_png
from dan.core.types import ColourImage
from dan.datasets.formats import save_pts
from dan.drawing.landmarks import around_face, contact_sheet, draw_face
from dan.evaluation.predictions import Predictions
from dan.geometry import with_position

SHEET_TILES, SHEET_COLUMNS, SHEET_TILE_SIZE = 24, 6, 240
"""Of the overview: faces at most, faces in a row, pixels of each."""


def save_predictions(predictions: Predictions, folder: Path) -> None:
    """Write ``NAME.pts`` of every face that has a prediction, below ``folder``."""
    for image, points in zip(predictions.images, predictions.estimates[-1], strict=True):
        if np.isfinite(points).all():
            path = folder / f"{image.name}.pts"
            make_folder(path.parent)
            save_pts(path, points)


def write_predictions(
    predictions: Predictions, folder: Path, on_face: Callable[[], None] = lambda: None
) -> Path:
    """Write ``NAME.pts`` and ``NAME.png`` of every face, and ``sheet.png`` of some of them."""
    save_predictions(predictions, folder)
    every, tiles = max(1, len(predictions.images) // SHEET_TILES), []
    for place, tile in enumerate(draw_predictions(predictions, folder)):
        if place % every == 0:
            tiles.append(tile)
        on_face()
    path = folder / "sheet.png"
    write_png(path, contact_sheet(tiles[:SHEET_TILES], SHEET_COLUMNS, SHEET_TILE_SIZE))
    return path


def draw_prediction(predictions: Predictions, place: int) -> ColourImage:
    """The whole picture of a face, prediction and truth drawn."""
    points = predictions.estimates[-1][place]
    return draw_face(
        read_rgb(predictions.images[place].image_path),
        points if np.isfinite(points).all() else None,
        predictions.scheme,
        truth_xy=predictions.truth[place],
    )


def draw_predictions(predictions: Predictions, folder: Path) -> Iterator[ColourImage]:
    """Write ``NAME.png`` of face after face, below ``folder``; yield each, cut out."""
    for place, image in enumerate(predictions.images):
        drawn = draw_prediction(predictions, place)
        path = folder / f"{image.name}.png"
        make_folder(path.parent)
        write_png(path, drawn)
        yield around_face(drawn, with_position(predictions.truth[place]))
