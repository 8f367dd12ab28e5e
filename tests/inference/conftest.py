"""The portrait that comes with the package, and the small model, loaded once."""

import pytest
from helpers import FACE_XYXY, PORTRAIT, Fixed

from dan.core.images import read_rgb
from dan.inference.aligner import FaceAligner
from dan.inference.onnx_model import OnnxModel


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
