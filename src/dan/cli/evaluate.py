"""``dan evaluate``: scores of a model on annotated images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import (
    BoxesOption,
    DeviceOption,
    JsonOption,
    ModelArgument,
    boxes_path,
    console,
    load_predictor,
    progress_bar,
)


def evaluate(
    model: ModelArgument,
    data: Annotated[Path, typer.Argument(help="Folder of images with a .pts file beside each.")],
    *,
    boxes: BoxesOption = "gt",
    threshold: Annotated[
        float, typer.Option(min=1e-6, help="Of AUC and failure rate, share of the normaliser.")
    ] = 0.08,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Score a model: error of each stage, AUC, failure rate, by every normaliser."""
    from dan.data.annotated import find_annotated
    from dan.evaluation import predict_annotated, score_predictions
    from dan.metrics import render_table

    predictor = load_predictor(model, device)
    images = find_annotated(data)
    with progress_bar("predicting", len(images)) as on_face:
        predictions = predict_annotated(images, predictor, boxes_path(boxes), on_face=on_face)
    scores = score_predictions(predictions, data.name, threshold)
    if as_json:
        print(json.dumps([score.to_dict() for score in scores], indent=2))
    else:
        console.print(render_table(scores), end="")
