"""``dan evaluate``: scores of a model on annotated images."""

from __future__ import annotations

import datetime
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import (
    BoxesOption,
    DeviceOption,
    JsonOption,
    ModelArgument,
    SourceArgument,
    boxes_path,
    console,
    error_console,
    load_predictor,
    progress_bar,
    tell_passed_over,
)
from dan.errors import ConfigError

if TYPE_CHECKING:
    from dan.evaluation import CropPredictor
    from dan.evaluation.protocol import SubsetPredictions


class Protocol(StrEnum):
    """Protocols that name their own test sets."""

    W300 = "300w"


def evaluate(
    model: ModelArgument,
    data: SourceArgument,
    *,
    boxes: BoxesOption = "gt",
    protocol: Annotated[
        Protocol | None,
        typer.Option(help="300w: DATA is the release's root; all its test sets, all box sources."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for a report (Markdown, HTML, curves, sheets)."),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FOLDER of another method's .pts files; with -o, repeatable."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=1e-6, help="Of AUC and failure rate, share of the normaliser.")
    ] = 0.08,
    device: DeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Score a model: error of each stage, AUC, failure rate, by every normaliser."""
    from dan.evaluation.errors import parse_peers
    from dan.evaluation.report import scores_of, write_report
    from dan.evaluation.score import score_predictions
    from dan.metrics import render_table

    peers = parse_peers(compare or [])
    if peers and out is None:
        raise ConfigError("--compare: expected a folder for the report, -o OUT")
    parts = _predict(load_predictor(model, device), data, boxes, protocol)
    if protocol is None:
        scores = score_predictions(parts[0].predictions, data.name, threshold)
    else:
        scores = [score for part in parts for score in scores_of(part, threshold)]
    if as_json:
        print(json.dumps([score.to_dict() for score in scores], indent=2))
    else:
        console.print(render_table(scores), end="")
    if out is not None:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        about = {"model": model, "data": data.name, "boxes": boxes, "date": today}
        if protocol is not None:
            about["boxes"] = "gt and det, as the tables say"
        for path in write_report(out, parts, about, threshold=threshold, peers=peers):
            error_console.print(f"written: {path}")


def _predict(
    predictor: CropPredictor, data: Path, boxes: str, protocol: Protocol | None
) -> list[SubsetPredictions]:
    """Predict once; scores and pictures are made from it."""
    from dan.data.annotated import find_annotated
    from dan.evaluation.predict import predict_annotated
    from dan.evaluation.protocol import SubsetPredictions, count_faces, predict_protocol

    tell_passed_over([data])
    if protocol is not None:
        with progress_bar("predicting", count_faces(data)) as on_face:
            return predict_protocol(data, predictor, on_face)
    images = find_annotated(data)
    with progress_bar("predicting", len(images)) as on_face:
        predictions = predict_annotated(images, predictor, boxes_path(boxes), on_face=on_face)
    return [SubsetPredictions(data.name, Path(boxes).stem, predictions)]
