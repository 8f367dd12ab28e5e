"""The predictions that ``dan evaluate`` scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dan.cli.common import boxes_path, progress_bar
from dan.cli.options import Protocol, SourceOptions

if TYPE_CHECKING:
    from dan.evaluation.protocol import SubsetPredictions
    from dan.inference.landmark_model import LandmarkModel


def predict_parts(
    model: LandmarkModel,
    data: Path,
    source: SourceOptions,
    boxes: str,
    *,
    protocol: Protocol | None,
    every: int | None,
    out: Path | None,
) -> list[SubsetPredictions]:
    """Predict once; scores and pictures are made from it.

    Args:
        protocol: whose subsets are wanted; None: all faces are one.
        every: score every so many-th face by name; of fewer, the last; None: all.
        out: folder of the report, which must not be that of the faces.
    """
    from dan.datasets.annotated import files_of, find_annotated
    from dan.evaluation.predictions import predict_annotated
    from dan.evaluation.protocol import SubsetPredictions, count_faces, predict_protocol
    from dan.evaluation.report import check_report_folder

    n_faces = 0 if protocol is None else count_faces(data)
    images = source.find(data) if protocol is None else find_annotated(data)
    if out is not None:
        check_report_folder(out, files_of(images, data, source.images))
    name = data.name
    if every is not None:
        images, name = images[every - 1 :: every] or images[-1:], f"{name} (1 in {every})"
    with progress_bar("predicting", n_faces or len(images)) as on_face:
        if protocol is not None:
            return predict_protocol(data, model, on_face)
        predictions = predict_annotated(images, model, boxes_path(boxes), on_face=on_face)
    return [SubsetPredictions(name, Path(boxes).stem, predictions, images.left_out)]
