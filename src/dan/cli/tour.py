"""``dan tour``: the whole pipeline in miniature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import DeviceOption, console, need_torch, progress_bar, tell_skipped
from dan.cli.predict import draw_sheet

DRAWN_FACES = 500
TRAINING_FACES = 1500
TEST_FACES = 200
SETTINGS = {
    "model": {"width": 8, "n_stages": 2, "heat_map": "gaussians"},
    "training": {"epochs": [12, 10], "batch_size": 32, "rate": 2e-3},
}


def tour(
    data: Annotated[
        Path | None,
        typer.Argument(help="Folder in the 300-W layout; left out: drawn faces are made."),
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for everything; default runs/tour-DATA."),
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Prepare, train two small stages, evaluate and predict: a few minutes on two cores."""
    need_torch()
    from dan.cli.training_log import RichLog
    from dan.data.annotated import find_annotated, split_parts
    from dan.data.pack import PackOptions, pack_faces, save_pack
    from dan.data.synthetic import write_synthetic_faces
    from dan.evaluation import predict_annotated, score_predictions
    from dan.metrics import render_table
    from dan.model.predictor import TorchPredictor
    from dan.schemes import FACE68
    from dan.training import Recipe, train

    out = out or Path("runs") / f"tour-{data.resolve().name if data else 'drawn'}"
    if data is None:
        data = out / "drawn_faces"
        if not data.exists():
            write_synthetic_faces(data, DRAWN_FACES)
    train_images, test_images = split_parts(find_annotated(data), TRAINING_FACES, TEST_FACES)
    console.print(f"1. prepare: {len(train_images)} training and {len(test_images)} test faces")
    with progress_bar("cutting out faces", len(train_images)) as on_face:
        pack, skipped = pack_faces(train_images, FACE68, PackOptions(), on_face)
    tell_skipped(skipped)
    out.mkdir(parents=True, exist_ok=True)
    save_pack(out / "faces.npz", pack)

    console.print("2. train: two stages of width 8")
    with RichLog() as log:
        recipe = Recipe.from_dict(SETTINGS)
        trained = train(pack, recipe, out / "training", device=device, log=log)

    console.print("3. evaluate on the test faces, from ground-truth boxes")
    predictor = TorchPredictor(trained.path)
    with progress_bar("predicting", len(test_images)) as on_face:
        predictions = predict_annotated(test_images, predictor, on_face=on_face)
    console.print(render_table(score_predictions(predictions, data.name)), end="")

    console.print("4. predict, with pictures")
    sheet = draw_sheet(predictions, out / "pictures")
    for name, path in (
        ("model", trained.path),
        *((picture.stem, picture) for picture in trained.pictures),
        ("pictures", sheet.parent),
        ("overview", sheet),
    ):
        console.print(f"{name}: {path}")
