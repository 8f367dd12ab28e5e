"""From annotated images and initial boxes to predicted landmarks, in image pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError
from dan.core.images import read_rgb
from dan.core.types import Box, FilePath, Points
from dan.datasets.annotated import AnnotatedImage
from dan.datasets.formats import HIDDEN, VISIBLE, load_boxes
from dan.evaluation.metrics import Normaliser, common_normalisers
from dan.geometry import box_of_points, with_position
from dan.inference.crops import CropBatch
from dan.inference.landmark_model import CropLandmarks, LandmarkModel
from dan.schemes import LandmarkScheme


@dataclass(frozen=True)
class Predictions:
    """Predicted and true landmarks of F images, pixels of each image.

    Attributes:
        images: F annotated images.
        estimates: (n_stages, F, N, 2); NaN where there was no initial box.
        truth: (F, N, 2); NaN where a point has no position.
        box_source: ``gt``, or the name of the boxes' file.
        covariance: (F, N, 2, 2) that the model states of each error after the last stage, square
            pixels; NaN likewise. None: it states none.
        visibility: (F, N) how likely the model holds each point to be seen, likewise.
    """

    images: Sequence[AnnotatedImage]
    estimates: npt.NDArray[np.float32]
    truth: npt.NDArray[np.float32]
    scheme: LandmarkScheme
    box_source: str
    covariance: npt.NDArray[np.float32] | None = None
    visibility: npt.NDArray[np.float32] | None = None

    @property
    def normalisers(self) -> list[Normaliser]:
        """Those that its faces have the points of, the customary one first."""
        return common_normalisers(self.truth, self.scheme)

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(F, N) points that something covers: annotated, but not seen."""
        nothing = np.full(self.scheme.n_landmarks, VISIBLE)
        seen = [nothing if image.visibility is None else image.visibility for image in self.images]
        covered: npt.NDArray[np.bool_] = np.stack(seen) == HIDDEN
        return covered

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """(F, N) points that have a position and are not covered."""
        seen: npt.NDArray[np.bool_] = ~np.isnan(self.truth).any(axis=2) & ~self.covered
        return seen


BoxSource = Callable[[AnnotatedImage, Points], Box | None]


def box_source_of(boxes: Mapping[str, Box] | None) -> BoxSource:
    """Initial boxes: the ground truth's landmark boxes, or given boxes by image file name."""
    if boxes is None:
        return lambda _, truth: box_of_points(with_position(truth))
    return lambda image, _: boxes.get(image.image_path.name)


def predict_annotated(
    images: Sequence[AnnotatedImage],
    model: LandmarkModel,
    boxes_path: FilePath | None = None,
    *,
    batch_size: int = 64,
    on_face: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every annotated image.

    Args:
        images: what to read, at least one.
        boxes_path: JSON file of initial boxes by image file name; None: ground-truth boxes.

    Raises:
        DataError: if an annotation has another number of points than the model, no image has a
            box in the file, or file names repeat, so that boxes are not told apart.
    """
    boxes_of = box_source_of(None if boxes_path is None else load_boxes(boxes_path))
    if boxes_path is not None and len({i.image_path.name for i in images}) < len(images):
        raise DataError(f"{boxes_path}: expected images of different file names to find boxes by")
    truth = np.stack([_load_truth(image, model.scheme.n_landmarks) for image in images])
    boxes = {
        place: box
        for place, (image, points) in enumerate(zip(images, truth, strict=True))
        if (box := boxes_of(image, points)) is not None
    }
    found = list(boxes)
    if not found:
        raise DataError(f"{boxes_path}: expected boxes of these images, found none by their names")
    parts = []
    for start in range(0, len(found), batch_size):
        cuts = []
        for place in found[start : start + batch_size]:
            picture = read_rgb(images[place].image_path)
            cuts.append(CropBatch.cut(picture, model, boxes_xyxy=[boxes[place]]))
            on_face()
        parts.append(CropBatch.joined(cuts).found_by(model))
    landmarks = CropLandmarks.joined(parts)  # of the faces with a box
    stages = landmarks.estimates()
    estimates = np.full((len(stages), *truth.shape), np.nan, dtype=np.float32)
    estimates[:, found] = stages

    def of_all(values: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32] | None:
        if values is None:
            return None
        everywhere = np.full((len(images), *values.shape[1:]), np.nan, dtype=np.float32)
        everywhere[found] = values
        return everywhere

    return Predictions(
        images=list(images),
        estimates=estimates,
        truth=truth,
        scheme=model.scheme,
        box_source="gt" if boxes_path is None else str(boxes_path),
        covariance=of_all(landmarks.covariance),
        visibility=of_all(landmarks.visibility),
    )


def _load_truth(image: AnnotatedImage, n_landmarks: int) -> Points:
    points = image.load_points()
    if len(points) != n_landmarks:
        raise DataError(
            f"{image.points_path}: expected {n_landmarks} points as the model, got {len(points)}"
        )
    return points
