"""``dan predict``: landmarks of annotated images, as files and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import boxes_path, check_apart, console, load_model, progress_bar, tell_left_out
from dan.cli.options import (
    BoxesOption,
    ModelArgument,
    PredictorDeviceOption,
    SourceArgument,
    SourceOptions,
    with_source_options,
)

if TYPE_CHECKING:
    from dan.evaluation import Predictions

SHEET_TILES = 24
SHEET_COLUMNS = 6
SHEET_TILE_SIZE = 240


@with_source_options
def predict(
    model: ModelArgument,
    data: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the results.")],
    *,
    source: SourceOptions,
    boxes: BoxesOption = "gt",
    limit: Annotated[int | None, typer.Option(min=1, help="Take the first so many images.")] = None,
    device: PredictorDeviceOption = "cpu",
) -> None:
    """Write NAME.pts and NAME.png (prediction and truth drawn) of each image, and a sheet."""
    from dan.core.files import building_folder, check_new_folder
    from dan.evaluation import predict_annotated

    check_apart(out, data)
    check_new_folder(out)
    loaded = load_model(model, device)
    images = source.find(data)[:limit]
    tell_left_out(face.reason for face in images.left_out)
    with building_folder(out) as folder:  # a new one: nothing that is there is written over
        with progress_bar("predicting", len(images)) as on_face:
            predictions = predict_annotated(images, loaded, boxes_path(boxes), on_face=on_face)
        sheet = draw_sheet(predictions, folder)
    console.print(f"{len(images)} faces: {out}; an overview: {out / sheet.name}")


def draw_sheet(predictions: Predictions, out: Path) -> Path:
    """Write points and a picture of each face, and an overview, whose path is returned."""
    from dan.core.images import write_png
    from dan.drawing.landmarks import contact_sheet
    from dan.evaluation.prediction_files import draw_predictions, save_predictions

    save_predictions(predictions, out)
    count, tiles = len(predictions.images), []
    with progress_bar("drawing", count) as on_face:
        for place, tile in enumerate(draw_predictions(predictions, out)):
            if place % max(1, count // SHEET_TILES) == 0:
                tiles.append(tile)
            on_face()
    path = out / "sheet.png"
    write_png(path, contact_sheet(tiles[:SHEET_TILES], SHEET_COLUMNS, SHEET_TILE_SIZE))
    return path
