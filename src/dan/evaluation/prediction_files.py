"""Predictions as files: ``.pts`` beside a picture with prediction and truth drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dan.core.files import make_folder
from dan.core.images import read_rgb, write_png
from dan.datasets.formats import save_pts
from dan.drawing.landmarks import contact_sheet, draw_face
from dan.evaluation.predictions import Predictions
from dan.geometry import box_of_points, box_size_wh

FACE_MARGIN = 0.25
"""Room left around the face in the overview's tiles, as a share of its size."""

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


def draw_predictions(predictions: Predictions, folder: Path) -> Iterator[npt.NDArray[np.uint8]]:
    """Write ``NAME.png`` of face after face, below ``folder``; yield each, cut out."""
    rows = zip(predictions.images, predictions.estimates[-1], predictions.truth, strict=True)
    for image, points, truth in rows:
        found = points if np.isfinite(points).all() else None
        picture = read_rgb(image.image_path)
        drawn = draw_face(picture, found, predictions.scheme, truth_xy=truth)
        path = folder / f"{image.name}.png"
        make_folder(path.parent)
        write_png(path, drawn)
        yield around_face(drawn, truth)


def around_face(
    picture: npt.NDArray[np.uint8], points: npt.NDArray[np.float32]
) -> npt.NDArray[np.uint8]:
    """The part of a picture about (N, 2) points."""
    box = box_of_points(points)
    margin = FACE_MARGIN * float(box_size_wh(box).max())
    x0, y0 = np.maximum(box[:2] - margin, 0).astype(int)
    x1, y1 = np.ceil(box[2:] + margin).astype(int)
    return picture[y0:y1, x0:x1]
