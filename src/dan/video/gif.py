"""Frames of a GIF by Pillow, behind the few calls of OpenCV's ``VideoCapture`` that are used.

FFmpeg, in OpenCV 5, gives only the first frame of a GIF whose frames carry no delays.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.images import DECODING_ERRORS

if TYPE_CHECKING:
    from PIL.Image import Image

SIGNATURE = b"GIF8"

DEFAULT_DELAY_MS = 100.0
"""How long a frame is shown that does not say it: browsers and FFmpeg take so long, too."""

_ERRORS = (OSError, *DECODING_ERRORS)


class GifCapture:
    """Reads a GIF from its first frame to its last.

    Args:
        path: the file; one that is no GIF has no frames.
    """

    def __init__(self, path: Path) -> None:
        from PIL import Image

        self._image: Image.Image | None = None
        self._place = -1
        self._start_ms, self._next_ms, self._first_ms = 0.0, 0.0, DEFAULT_DELAY_MS
        try:
            self._image = Image.open(io.BytesIO(path.read_bytes()), formats=["GIF"])
            self._first_ms = _delay_ms(self._image)
        except (*_ERRORS, Image.DecompressionBombError):
            self.release()

    def read(self) -> tuple[bool, npt.NDArray[np.uint8]]:
        """Whether there is a next frame that can be decoded, and the frame, (H, W, 3) BGR."""
        if self._image is None:
            return False, np.empty(0, np.uint8)
        self._place += 1
        try:
            self._image.seek(self._place)
            rgb = np.asarray(self._image.convert("RGB"), dtype=np.uint8)
        except (EOFError, *_ERRORS):
            return False, np.empty(0, np.uint8)
        self._start_ms, self._next_ms = self._next_ms, self._next_ms + _delay_ms(self._image)
        return True, np.ascontiguousarray(rgb[:, :, ::-1])

    def get(self, name: int) -> float:
        """The rate, the number of frames, or the time of the last frame in milliseconds."""
        if name == cv2.CAP_PROP_POS_MSEC:
            return self._start_ms
        return 1000 / self._first_ms if name == cv2.CAP_PROP_FPS else self._count()

    def _count(self) -> float:
        try:
            return float(getattr(self._image, "n_frames", 0))
        except _ERRORS:
            return 0.0

    def release(self) -> None:
        """Let go of the file, which is in memory: there are no more frames."""
        self._image = None


def _delay_ms(image: Image) -> float:
    return float(image.info.get("duration", 0)) or DEFAULT_DELAY_MS
