"""The portrait that comes with the package, and the small model, loaded once."""

from pathlib import Path

import numpy as np
import pytest

import dan
from dan.core.images import read_rgb
from dan.inference.aligner import FaceAligner
from dan.inference.detectors import BoxFit, Detections
from dan.inference.onnx_model import OnnxModel

PORTRAIT = Path(dan.__file__).parent / "cli" / "portrait.jpg"
FACE_XYXY = (179.0, 90.0, 269.0, 175.0)
"""Where the landmarks of the portrait lie, about."""


class Fixed:
    """A detector of a user's own: says what it was told, whatever the picture shows."""

    def __init__(self, *boxes, scores=None):
        self.box_fit = BoxFit()
        self.boxes = np.array(boxes, dtype=float).reshape(-1, 4)
        self.scores = np.ones(len(boxes)) if scores is None else scores

    def detect(self, picture):
        return Detections(self.boxes, self.scores)


@pytest.fixture(scope="session")
def portrait():
    return read_rgb(PORTRAIT)


@pytest.fixture(scope="session")
def model():
    """The smallest model of the package, on one thread."""
    return OnnxModel("dan68-fast", threads=1)


@pytest.fixture(scope="session")
def aligner(model):
    """Takes the portrait's face for granted, so that the default detector is not needed."""
    return FaceAligner(model, Fixed(FACE_XYXY))
