"""What tests of several packages share, as modules do; fixtures lie in ``conftest.py``."""

import io
import math
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

import dan
from dan.datasets.synthetic import template_shape
from dan.geometry.mean_shape import shape_in_frame
from dan.inference.detections import BoxFit, Detections
from dan.inference.landmark_model import CropLandmarks
from dan.schemes import FACE68

PORTRAIT = Path(dan.__file__).parent / "cli" / "portrait.jpg"
FACE_XYXY = (179.0, 90.0, 269.0, 175.0)
"""Where the landmarks of the portrait lie, about."""


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run_command(*words, stdin=b""):
    """Runs ``dan`` in this process, as its entry point does."""
    from dan.cli.main import app, run

    given, out, err = (
        io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="", write_through=True)
        for data in (stdin, b"", b"")
    )
    with patch.object(sys, "stdin", given), redirect_stdout(out), redirect_stderr(err):
        code = run(lambda: app([str(word) for word in words], standalone_mode=False))
    return Done(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def turned_covariance(deviations, angle_deg):
    """(2, 2) covariance of an ellipse whose first axis lies at that angle."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    axes = np.array([[cos, -sin], [sin, cos]])
    return axes @ np.diag(np.square(deviations)) @ axes.T


class Fixed:
    """A detector of a user's own: says what it was told, whatever the picture shows."""

    def __init__(self, *boxes, scores=None, box_fit=None, rolls_deg=()):
        self.box_fit = box_fit or BoxFit()
        self.boxes = np.array(boxes, dtype=float).reshape(-1, 4)
        self.scores = np.ones(len(boxes)) if scores is None else scores
        self.rolls_deg = np.array(rolls_deg, dtype=float)

    def detect(self, picture):
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        return Detections(self.boxes, self.scores, self.rolls_deg)


class MeanShape:
    """A network of a user's own: it finds the mean shape wherever it looks."""

    name, scheme, crop_size, has_confidence = "mine", FACE68, 64, False

    def __init__(self):
        self.mean_shape = shape_in_frame(template_shape(), 64, 40)

    def __call__(self, crops):
        points = np.repeat(self.mean_shape[None], len(crops), axis=0).astype(np.float32)
        return CropLandmarks(points, np.full(len(crops), np.nan, np.float32))
