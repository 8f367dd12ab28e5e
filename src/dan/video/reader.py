"""Frames of a video file or a camera, one at a time, with their times."""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from dan.errors import DataError
from dan.types import ColourImage, FilePath

DEFAULT_FPS = 25.0
"""Where the file says none that can be true."""

MAX_FPS = 1000.0
"""Some files give the ticks of their clock for their rate: 90000."""

_SNIFFED_BYTES = 4096


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        number: from 0.
        time_s: since the start of the video; grows from frame to frame.
        rgb: (H, W, 3) uint8.
    """

    number: int
    time_s: float
    rgb: ColourImage


class VideoReader:
    """Goes through a video once; holds one frame at a time, however long the video is.

    Use it as a context manager, and iterate over it.

    Args:
        source: path of a video file (whatever OpenCV's FFmpeg reads; GIF too), or the number of a
            camera.

    Attributes:
        name: for messages.
        is_camera: whether it ends by itself.
        fps: frames a second as the file says, or a default where it says nothing that can be true.
        n_promised: frames that the file claims to have; None where it does not say.
        n_read: frames read so far.

    Raises:
        DataError: naming the source, if there is none, or not even one frame can be decoded.
    """

    def __init__(self, source: FilePath | int) -> None:
        self.is_camera = isinstance(source, int)
        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        if isinstance(source, int):
            self._capture = cv2.VideoCapture(source)
        else:
            _refuse_other_files(Path(source), self.name)
            self._capture = cv2.VideoCapture(str(source))
        self.n_read = 0
        self._started = time.monotonic()
        self._time_s = -math.inf
        self._first = self._next()
        if self._first is None:
            self.close()
            wanted = "a camera that gives" if self.is_camera else "a video with"
            raise DataError(f"{self.name}: expected {wanted} frames, found none")
        self.fps = sane_fps(self._capture.get(cv2.CAP_PROP_FPS))
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.n_promised = int(count) if 0 < count < 2**31 and not self.is_camera else None

    def __iter__(self) -> Iterator[Frame]:
        """The frames that are left."""
        frame, self._first = self._first, None
        while frame is not None:
            yield frame
            frame = self._next()

    def _next(self) -> Frame | None:
        read, bgr = self._capture.read()
        if not read or not bgr.size:
            return None
        said = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.is_camera:
            said = time.monotonic() - self._started
        self._time_s = self._mended_time(said)
        self.n_read += 1
        return Frame(self.n_read - 1, self._time_s, to_rgb(np.asarray(bgr, dtype=np.uint8)))

    def _mended_time(self, said: float) -> float:
        """A time stamp that advances, whatever the file says."""
        if math.isfinite(said) and said > max(self._time_s, -1e-9):
            return max(said, 0.0)
        if not self.n_read:
            return 0.0
        return self._time_s + 1 / sane_fps(self._capture.get(cv2.CAP_PROP_FPS))

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()


def sane_fps(said: float) -> float:
    """The rate if it can be true, else a default."""
    return said if 0.1 <= said <= MAX_FPS else DEFAULT_FPS


def to_rgb(picture: ColourImage) -> ColourImage:
    """(H, W, 3) RGB of what a capture gives: BGR, or grey levels from some cameras."""
    if picture.ndim == 2:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _refuse_other_files(path: Path, name: str) -> None:
    """Missing files, folders and text: FFmpeg would play a text as a film of its letters."""
    if path.is_dir():
        raise DataError(f"{name}: expected a video, got a folder")
    if not path.exists():
        raise DataError(f"{name}: expected a video, found no such file")
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from error
    if not head:
        raise DataError(f"{name}: expected a video, got an empty file")
    if _is_text(head):
        raise DataError(f"{name}: expected a video, got text")


def _is_text(head: bytes) -> bool:
    """Whether a file's first bytes are text in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()  # the last letter may be cut in two
    try:
        text = decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter >= " " or letter in "\t\n\v\f\r\b\x1b" for letter in text)
