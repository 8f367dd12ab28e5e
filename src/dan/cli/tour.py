"""``dan tour``: the whole pipeline in miniature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import (
    check_apart,
    console,
    need_torch,
    progress_bar,
    tell_left_out,
    tell_passed_over,
    tell_skipped,
)
from dan.cli.options import DeviceOption
from dan.cli.predict import draw_sheet

DRAWN_FACES = 500
TRAINING_FACES = 1500
TEST_FACES = 200
PACK = "faces.npz"
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
    from dan.core.files import check_output_folder, check_outputs
    from dan.datasets.annotated import find_annotated, split_parts
    from dan.datasets.pack import PackOptions, pack_faces, save_pack
    from dan.datasets.synthetic import write_synthetic_faces
    from dan.evaluation import predict_annotated, score_predictions
    from dan.evaluation.metrics import render_table
    from dan.model.torch_model import TorchModel
    from dan.schemes import scheme_of
    from dan.training import Recipe, train

    out = out or Path("runs") / f"tour-{data.resolve().name if data else 'drawn'}"
    check_output_folder(out)
    if data is not None:
        check_apart(out, data)
        check_outputs([out / PACK] if out.is_dir() else [], [data])
    else:
        data = out / "drawn_faces"
        if not data.exists():
            write_synthetic_faces(data, DRAWN_FACES)
    tell_passed_over([data])
    faces = find_annotated(data)
    train_images, test_images = split_parts(faces, TRAINING_FACES, TEST_FACES)
    tell_left_out(face.reason for face in faces.left_out)
    console.print(f"1. prepare: {len(train_images)} training and {len(test_images)} test faces")
    with progress_bar("cutting out faces", len(train_images)) as on_face:
        scheme = scheme_of(faces.n_landmarks or 1)  # 0: all damaged, which packing them tells
        pack, skipped = pack_faces(train_images, scheme, PackOptions(), on_face)
    tell_skipped(skipped)
    out.mkdir(parents=True, exist_ok=True)
    save_pack(out / PACK, pack)

    console.print("2. train: two stages of width 8")
    with RichLog() as log:
        recipe = Recipe.from_dict(SETTINGS)
        trained = train(pack, recipe, out / "training", device=device, log=log)

    console.print("3. evaluate on the test faces, from ground-truth boxes")
    predictor = TorchModel(trained.path)
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
