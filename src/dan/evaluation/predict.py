"""From annotated images and initial boxes to predicted landmarks, in image pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dan.cropping import crop_from_box, extract_crop
from dan.data.annotated import AnnotatedImage
from dan.errors import DataError
from dan.formats import load_boxes
from dan.geometry import Similarity, box_of_points
from dan.images import read_grey
from dan.schemes import LandmarkScheme
from dan.types import Box, FilePath, Points


class CropPredictor(Protocol):
    """Anything that finds landmarks in canonical crops.

    Attributes:
        scheme: what the landmarks are.
        crop_size: side of the crops, pixels.
        mean_shape: (N, 2) pixels of the crop; initial boxes are fitted to it.
    """

    scheme: LandmarkScheme
    crop_size: int
    mean_shape: Points

    def predict(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(B, S, S) grey crops -> (n_stages, B, N, 2) estimates, crop pixels; the last counts."""


@dataclass(frozen=True)
class Predictions:
    """Predicted and true landmarks of F images, pixels of each image.

    Attributes:
        images: F annotated images.
        estimates: (n_stages, F, N, 2); NaN where there was no initial box.
        truth: (F, N, 2).
        scheme: what the landmarks are.
        box_source: ``gt``, or the name of the boxes' file.
    """

    images: Sequence[AnnotatedImage]
    estimates: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32]
    scheme: LandmarkScheme
    box_source: str


BoxSource = Callable[[AnnotatedImage, Points], Box | None]


def box_source_of(boxes: Mapping[str, Box] | None) -> BoxSource:
    """Initial boxes: the ground truth's landmark boxes, or given boxes by image file name."""
    if boxes is None:
        return lambda _, truth: box_of_points(truth)
    return lambda image, _: boxes.get(image.image_path.name)


def predict_annotated(
    images: Sequence[AnnotatedImage],
    predictor: CropPredictor,
    boxes_path: FilePath | None = None,
    *,
    batch_size: int = 64,
    on_face: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every annotated image.

    Args:
        images: what to read, at least one.
        predictor: finds landmarks in crops.
        boxes_path: JSON file of initial boxes by image file name; None: ground-truth boxes.
        batch_size: crops at a time.
        on_face: called after each image is read.

    Raises:
        DataError: if an annotation has another number of points than the model, no image has a
            box in the file, or file names repeat, so that boxes are not told apart.
    """
    boxes_of = box_source_of(None if boxes_path is None else load_boxes(boxes_path))
    if boxes_path is not None and len({i.image_path.name for i in images}) < len(images):
        raise DataError(f"{boxes_path}: expected images of different file names to find boxes by")
    n_landmarks, size = predictor.scheme.n_landmarks, predictor.crop_size
    truth = np.stack([_load_truth(image, n_landmarks) for image in images])
    boxes = {
        place: box
        for place, (image, points) in enumerate(zip(images, truth, strict=True))
        if (box := boxes_of(image, points)) is not None
    }
    found = list(boxes)
    if not found:
        raise DataError(f"{boxes_path}: expected boxes of these images, found none by their names")
    estimates = []
    for start in range(0, len(found), batch_size):
        crops, transforms = [], []
        for place in found[start : start + batch_size]:
            transforms.append(crop_from_box(boxes[place], predictor.mean_shape))
            grey = read_grey(images[place].image_path)
            crops.append(extract_crop(grey, transforms[-1], size))
            on_face()
        estimates.append(_in_image(predictor.predict(np.stack(crops)), transforms))
    in_order = np.concatenate(estimates, axis=1)  # (n_stages, faces with a box, N, 2)
    everywhere = np.full((len(in_order), *truth.shape), np.nan, dtype=np.float32)
    everywhere[:, found] = in_order
    return Predictions(
        images=list(images),
        estimates=everywhere,
        truth=truth,
        scheme=predictor.scheme,
        box_source="gt" if boxes_path is None else str(boxes_path),
    )


def _load_truth(image: AnnotatedImage, n_landmarks: int) -> Points:
    points = image.load_points()
    if len(points) != n_landmarks:
        raise DataError(
            f"{image.points_path}: expected {n_landmarks} points as the model, got {len(points)}"
        )
    return points


def _in_image(
    estimates: npt.NDArray[np.float32], transforms: Sequence[Similarity]
) -> npt.NDArray[np.float32]:
    """(n_stages, B, N, 2) crop points -> image points, by the ``crop_from_image`` of each face."""
    moved = [
        [
            transform.inverse().apply(points)
            for points, transform in zip(stage, transforms, strict=True)
        ]
        for stage in estimates
    ]
    return np.array(moved, dtype=np.float32)
