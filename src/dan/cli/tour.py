"""``dan tour``: the whole pipeline in miniature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dan.cli.common import (
    check_apart,
    console,
    need_torch,
    progress_bar,
    tell_left_out,
    tell_skipped,
)
from dan.cli.options import DeviceOption, SourceOptions, TourArgument, TourOption, with_options
from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.datasets.annotated import AnnotatedFaces, AnnotatedImage
    from dan.datasets.pack import FacePack

DRAWN_FACES = 500
TRAINING_FACES = 1500
TEST_FACES = 200
PACK = "faces.npz"
SETTINGS = {
    "model": {"width": 8, "n_stages": 2, "heat_map": "gaussians"},
    "training": {"epochs": [12, 10], "batch_size": 32, "rate": 2e-3},
}


@with_options
def tour(
    data: TourArgument = None,
    *,
    out: TourOption = None,
    device: DeviceOption = "auto",
    source: SourceOptions,
) -> None:
    """Prepare, train two small stages, evaluate and predict: a few minutes on two cores."""
    need_torch()
    from dan.cli.training_log import RichLog
    from dan.core.files import check_output_folder, check_outputs
    from dan.datasets.synthetic import write_synthetic_faces
    from dan.evaluation import predict_annotated, score_predictions
    from dan.evaluation.metrics import render_table
    from dan.evaluation.prediction_files import write_predictions
    from dan.model.torch_model import TorchModel
    from dan.training import Recipe, train

    out = out or Path("runs") / f"tour-{data.resolve().name if data else 'drawn'}"
    check_output_folder(out)
    if data is not None:
        check_apart(out, data)
        check_outputs([out / PACK] if out.is_dir() else [], [data])
    elif source != SourceOptions():
        raise ConfigError("expected DATA, got only options that say how to read it")
    elif not (data := out / "drawn_faces").exists():
        write_synthetic_faces(data, DRAWN_FACES)
    pack, test_images = _prepare(source.find(data), out)

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
    with progress_bar("drawing", len(test_images)) as on_face:
        sheet = write_predictions(predictions, out / "pictures", on_face)
    pictures = {picture.stem: picture for picture in trained.pictures}
    made = {"model": trained.path, **pictures, "pictures": sheet.parent, "overview": sheet}
    for name, path in made.items():
        console.print(f"{name}: {path}")


def _prepare(faces: AnnotatedFaces, out: Path) -> tuple[FacePack, list[AnnotatedImage]]:
    """The pack of the training faces, which is written, and the test faces."""
    from dan.datasets.annotated import split_parts
    from dan.datasets.pack import PackOptions, pack_faces, save_pack
    from dan.schemes import scheme_of

    train_images, test_images = split_parts(faces, TRAINING_FACES, TEST_FACES)
    tell_left_out(face.reason for face in faces.left_out)
    console.print(f"1. prepare: {len(train_images)} training and {len(test_images)} test faces")
    with progress_bar("cutting out faces", len(train_images)) as on_face:
        scheme = scheme_of(faces.n_landmarks or 1)  # 0: all damaged, which packing them tells
        pack, skipped = pack_faces(train_images, scheme, PackOptions(), on_face)
    tell_skipped(skipped)
    out.mkdir(parents=True, exist_ok=True)
    save_pack(out / PACK, pack)
    return pack, test_images
