"""Our own face finder: faces of any size and at any angle, by one small network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dan.core.errors import BundleError
from dan.core.files import read_bytes
from dan.core.types import ColourImage, FilePath, FloatArray
from dan.inference.bundle import models_folder
from dan.inference.copying import Copied
from dan.inference.detections import BoxFit, Detections, one_a_face
from dan.inference.onnx_model import start_session
from dan.inference.shrinking import check_options, enlarged, shrunk

CARD = "dan-face-finder"
"""Key of the card in the metadata of a finder's ONNX file."""

SIZE = 320
"""Longer side to which pictures are shrunk unless a caller says another, pixels."""

MIN_SCORE = 0.1
"""Of detections, unless a caller says another."""

MULTIPLE = 32
"""Of both sides of what the network sees, pixels; less is filled with black."""

COARSE = 320
"""Longer side of pictures that are looked at once, pixels; larger ones also in half their size."""

LARGEST = 160
"""Side of the largest faces that are looked for before a picture is halved, pixels."""

MAX_OVERLAP = 0.35
"""Of the upright squares about two faces, intersection over union; the weaker one is dropped."""


CLEAR = 0.6
"""Score of a face beside which other large ones would be clear, too."""

LARGE = 48
"""Side of a large face, pixels of what the network sees."""

LEAST_BESIDE_CLEAR = 0.3
"""Score below which, beside a clear face, a large one is none: of 380 such findings in 1200 of
300-W's training pictures one was a face, cut by the picture's edge; all cost a look at landmarks.
The network scores small faces lower, so these keep ``MIN_SCORE``."""


class FaceFinder(Copied):
    """Finds faces of any size and at any angle: the default.

    Args:
        size: the picture's longer side is first shrunk to this many pixels; faces must then be
            about 12 pixels or larger. More finds smaller faces, at a square cost.
        min_score: weaker detections are dropped, 0..1. The landmarks' confidence judges once more
            of those that are not sure, see :class:`~dan.FaceAligner`.
        path: of another finder's ONNX file; None: the one that comes with the package.

    Raises:
        ConfigError: if an option is out of range.
        BundleError: if the file is no finder's.
    """

    box_fit = BoxFit()

    _own = ("_session",)

    def __init__(
        self, size: int = SIZE, min_score: float = MIN_SCORE, *, path: FilePath | None = None
    ) -> None:
        check_options(size, min_score)
        self.size, self.min_score = size, min_score
        self.path = Path(models_folder() / "finder.onnx" if path is None else path)
        self._prepare()

    def _prepare(self) -> None:
        name = str(self.path)
        self._session = start_session(read_bytes(self.path), name, threads=1, provider="cpu")
        if CARD not in self._session.get_modelmeta().custom_metadata_map:
            raise BundleError(f"{name}: expected a face finder of dan's, got another network")

    @property
    def card(self) -> Mapping[str, Any]:
        """How it was made, as plain values."""
        found = json.loads(self._session.get_modelmeta().custom_metadata_map[CARD])
        return dict(found)

    def detect(self, picture: ColourImage) -> Detections:
        """Faces of an (H, W, 3) RGB uint8 picture.

        Boxes are squares, whose side is the mean of both sides of the landmarks' box.
        """
        small, scale_xy = shrunk(picture, self.size)
        frames = _without_dim(self._found(small))
        return Detections.of(enlarged(frames[:, :4], scale_xy), frames[:, 5], frames[:, 4])

    def _found(self, picture: ColourImage) -> FloatArray:
        """(F, 6) boxes, rolls and scores, one a face; large faces are those of half the picture."""
        frames, longer = self._looked(picture), max(picture.shape[:2])
        if longer <= COARSE:
            return frames
        half, scale_xy = shrunk(picture, longer // 2)
        large = self._found(half)
        large[:, :4] = enlarged(large[:, :4], scale_xy)
        small = frames[frames[:, 2] - frames[:, 0] < LARGEST]
        both = np.concatenate([large, small])
        return both[one_a_face(both[:, :4], both[:, 5], MAX_OVERLAP)]

    def _looked(self, picture: ColourImage) -> FloatArray:
        """(F, 6) likewise, of one look at an (H, W, 3) picture."""
        height, width = (-(-side // MULTIPLE) * MULTIPLE for side in picture.shape[:2])
        padded = np.zeros((height, width, 3), dtype=np.uint8)
        padded[: picture.shape[0], : picture.shape[1]] = picture
        least = np.array([self.min_score], dtype=np.float32)
        (frames,) = self._session.run(["frames"], {"picture": padded, "min_score": least})
        return np.asarray(frames, dtype=np.float64)


def _without_dim(frames: FloatArray) -> FloatArray:
    """(F, 6) frames but for large ones that are too weak beside a clear one."""
    if not (frames[:, 5] >= CLEAR).any():
        return frames
    return frames[(frames[:, 5] >= LEAST_BESIDE_CLEAR) | (frames[:, 2] - frames[:, 0] < LARGE)]


def is_finder(path: FilePath) -> bool:
    """Whether an ONNX file is that of a finder."""
    return CARD.encode() in read_bytes(path)
