"""``dan predict``: landmarks of annotated images, as files and pictures."""

from __future__ import annotations

from dan.cli import options as opt
from dan.cli.common import (
    boxes_path,
    check_apart,
    console,
    counted,
    load_model,
    progress_bar,
    tell_left_out,
)


@opt.with_options
def predict(
    model: opt.ModelArgument,
    data: opt.SourceArgument,
    out: opt.PredictionsOption,
    *,
    boxes: opt.BoxesOption = "gt",
    limit: opt.LimitOption = None,
    device: opt.PredictorDeviceOption = "cpu",
    source: opt.SourceOptions,
) -> None:
    """Write NAME.pts and NAME.png (prediction and truth drawn) for each image, and a sheet."""
    from dan.core.files import building_folder, check_new_folder
    from dan.evaluation import predict_annotated
    from dan.evaluation.prediction_files import write_predictions

    check_apart(out, data)
    check_new_folder(out)
    loaded = load_model(model, device)
    images = source.find(data)[:limit]
    tell_left_out(face.reason for face in images.left_out)
    with building_folder(out) as folder:  # a new one: nothing that is there is written over
        with progress_bar("predicting", len(images)) as on_face:
            predictions = predict_annotated(images, loaded, boxes_path(boxes), on_face=on_face)
        with progress_bar("drawing", len(images)) as on_face:
            sheet = write_predictions(predictions, folder, on_face)
    console.print(f"{counted(len(images), 'face')}: {out}; an overview: {out / sheet.name}")
