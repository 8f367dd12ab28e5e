"""``dan evaluate``: scores of a model on annotated images."""

from __future__ import annotations

import datetime
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import (
    boxes_path,
    console,
    error_console,
    load_model,
    progress_bar,
    tell_left_out,
)
from dan.cli.options import (
    BoxesOption,
    JsonOption,
    ModelArgument,
    PredictorDeviceOption,
    SourceArgument,
    SourceOptions,
    with_source_options,
)
from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.evaluation.protocol import SubsetPredictions
    from dan.inference.landmark_model import LandmarkModel


class Protocol(StrEnum):
    """Protocols that name their own test sets."""

    W300 = "300w"


@with_source_options
def evaluate(
    model: ModelArgument,
    data: SourceArgument,
    *,
    source: SourceOptions,
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
    device: PredictorDeviceOption = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Score a model: error of each stage, AUC, failure rate, by every normaliser."""
    from dan.datasets.annotated import counts_in_words
    from dan.evaluation.metrics import render_table
    from dan.evaluation.per_face import parse_peers
    from dan.evaluation.report import check_report_folder, scores_of, write_report
    from dan.evaluation.score import score_predictions

    peers = parse_peers(compare or [])
    if peers and out is None:
        raise ConfigError("--compare: expected a folder for the report, -o OUT")
    if protocol is not None and source != SourceOptions():
        raise ConfigError(
            "--protocol 300w: expected the release's own folders, got options of other data"
        )
    if out is not None:
        check_report_folder(out, [data, model, boxes])
    parts = _predict(load_model(model, device), data, source, boxes, protocol, out=out)
    left_out = dict.fromkeys(face for part in parts for face in part.left_out)
    tell_left_out(face.reason for face in left_out)
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
        if left_out:
            about["left out"] = counts_in_words(face.reason for face in left_out)
        for path in write_report(out, parts, about, threshold=threshold, peers=peers):
            error_console.print(f"written: {path}")


def _predict(
    model: LandmarkModel,
    data: Path,
    source: SourceOptions,
    boxes: str,
    protocol: Protocol | None,
    *,
    out: Path | None,
) -> list[SubsetPredictions]:
    """Predict once; scores and pictures are made from it."""
    from dan.datasets.annotated import files_of, find_annotated
    from dan.evaluation.predictions import predict_annotated
    from dan.evaluation.protocol import SubsetPredictions, count_faces, predict_protocol
    from dan.evaluation.report import check_report_folder

    if protocol is not None:
        n_faces = count_faces(data)
        if out is not None:
            check_report_folder(out, files_of(find_annotated(data), data))
        with progress_bar("predicting", n_faces) as on_face:
            return predict_protocol(data, model, on_face)
    images = source.find(data)
    if out is not None:
        check_report_folder(out, files_of(images, data, source.images))
    with progress_bar("predicting", len(images)) as on_face:
        predictions = predict_annotated(images, model, boxes_path(boxes), on_face=on_face)
    return [SubsetPredictions(data.name, Path(boxes).stem, predictions, images.left_out)]
