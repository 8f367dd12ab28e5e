"""Deep Alignment Network: face landmarks, from training to finding them.

    >>> import dan
    >>> aligner = dan.FaceAligner()          # doctest: +SKIP
    >>> faces = aligner("portrait.jpg")      # doctest: +SKIP
    >>> faces.points_xy.shape                # doctest: +SKIP
    (1, 68, 2)

The names below are loaded when they are first used, so that ``import dan`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dan.inference.aligner import FaceAligner as FaceAligner
    from dan.inference.detections import BoxFit as BoxFit
    from dan.inference.detections import Detections as Detections
    from dan.inference.detections import Detector as Detector
    from dan.inference.faces import Face as Face
    from dan.inference.faces import Faces as Faces
    from dan.inference.landmark_model import LandmarkModel as LandmarkModel
    from dan.inference.onnx_model import OnnxModel as OnnxModel
    from dan.video.reader import VideoReader as VideoReader
    from dan.video.smoothing import Smoothing as Smoothing
    from dan.video.tracked_faces import TrackedFaces as TrackedFaces
    from dan.video.tracker import FaceTracker as FaceTracker
    from dan.video.writer import VideoWriter as VideoWriter

__version__ = "0.1.0"

_HOMES = {
    "FaceAligner": "dan.inference.aligner",
    "BoxFit": "dan.inference.detections",
    "Detections": "dan.inference.detections",
    "Detector": "dan.inference.detections",
    "Face": "dan.inference.faces",
    "Faces": "dan.inference.faces",
    "FaceTracker": "dan.video.tracker",
    "LandmarkModel": "dan.inference.landmark_model",
    "OnnxModel": "dan.inference.onnx_model",
    "Smoothing": "dan.video.smoothing",
    "TrackedFaces": "dan.video.tracked_faces",
    "VideoReader": "dan.video.reader",
    "VideoWriter": "dan.video.writer",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'dan' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
