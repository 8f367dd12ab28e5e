"""Frames of a video file or a camera, one at a time, with their times."""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError
from dan.core.files import system_errors
from dan.core.types import ColourImage, FilePath
from dan.video import gif
from dan.video.gif import GifCapture

DEFAULT_FPS = 25.0
"""Where the file says none that can be true."""

MAX_FPS = 1000.0
"""Some files give the ticks of their clock for their rate: 90000."""

_STREAMED = frozenset({".m2ts", ".mkv", ".mpeg", ".mpg", ".mts", ".ts", ".vob", ".webm"})
VIDEO_SUFFIXES = _STREAMED | {".3g2", ".3gp", ".asf", ".avi", ".flv", ".gif", ".m4v", ".mov"}
VIDEO_SUFFIXES |= {".mp4", ".ogv", ".wmv"}
"""By which a file is taken for a video where it might be a picture.

Those of ``_STREAMED`` have no table of their frames: what is damaged beyond recognition there
leaves nothing but a gap in the times.
"""

_MOST_FAILURES = 1000
"""Reads in a row that fail before a file is taken to be at its end."""

_FEWEST_STEPS, _EVEN_SHARE, _EVEN_WITHIN = 10, 0.9, 0.25
"""When frames count as evenly paced: so many steps, of which this share is one period long, give or
take this share of it."""

_LONGEST_GAP_S = 60.0
"""What is longer is a clock that was set anew."""

_SNIFFED_BYTES = 4096


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        number: from 0; frames that cannot be read are counted.
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
        is_camera: whether it ends by itself.
        fps: frames a second as the file says, or a default where it says nothing that can be true.
        n_promised: frames that the file claims to have; None where it does not say.
        n_read: frames read so far.
        n_lost: frames between these that could not be read.
        first_lost: number of the first of them; None where there are none.
        has_times: whether the file has the time of each frame. AVI files have not: there, losses
            that leave no trace put what follows too early.

    Raises:
        DataError: naming the source, if there is none, or not even one frame can be decoded.
    """

    def __init__(self, source: FilePath | int) -> None:
        self.is_camera = isinstance(source, int)
        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        self._capture = _opened(source, self.name)
        suffix = Path(self.name).suffix.lower()
        self._lists_frames, self.has_times = suffix not in _STREAMED, suffix != ".avi"
        self._n_failed = self._n_steps = self._n_even = 0
        self.n_read = self.n_lost = 0
        self.first_lost: int | None = None
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

    def damage(self) -> list[str]:
        """What was missing of a file that was read to its end, in a sentence each.

        Containers often count a frame or two that are not there; a cut file lacks many.
        """
        said = []
        if self.n_lost:
            some = f"{self.n_lost} frame{'s' * (self.n_lost != 1)} could not be read"
            others = "are right" if self.has_times else "may be too low"
            said.append(
                f"{self.name}: seems damaged: {some}, from frame {self.first_lost} on; "
                f"numbers and times of the frames that follow {others}"
            )
        promised = self.n_promised
        if promised is not None and self.n_read + self.n_lost < 0.9 * promised:
            said.append(
                f"{self.name}: seems cut short or damaged: it promises {promised} frames, "
                f"{self.n_read} could be read"
            )
        return said

    def __iter__(self) -> Iterator[Frame]:
        """The frames that are left."""
        frame, self._first = self._first, None
        while frame is not None:
            yield frame
            frame = self._next()

    def _next(self) -> Frame | None:
        bgr = self._next_readable()
        if bgr is None:
            return None
        said = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.is_camera:
            said = time.monotonic() - self._started
        before, self._time_s = self._time_s, self._mended_time(said)
        n_lost = self._count_lost(self._time_s - before)
        if n_lost and self.first_lost is None:
            self.first_lost = self.n_read
        self.n_lost += n_lost
        self.n_read += 1
        return Frame(self.n_read - 1 + self.n_lost, self._time_s, to_rgb(bgr))

    def _next_readable(self) -> npt.NDArray[np.uint8] | None:
        """The next frame that can be decoded: OpenCV fails once for each damaged one."""
        for failed in range(1 if self.is_camera else _MOST_FAILURES):
            read, bgr = self._capture.read()
            if read and bgr.size:
                self._n_failed += failed
                return np.asarray(bgr, dtype=np.uint8)
        return None

    def _count_lost(self, step_s: float) -> int:
        """How many frames are lost between the last one and this, so much later.

        Each failed read is one; where frames come at an even pace, the gap in time says where they
        belong, and in files that do not list their frames it alone says how many they are.
        """
        slots = step_s * sane_fps(self._capture.get(cv2.CAP_PROP_FPS))
        fits = step_s < _LONGEST_GAP_S and abs(slots - round(slots)) < _EVEN_WITHIN
        n_lost = self._n_failed
        if self._n_even >= max(_FEWEST_STEPS, _EVEN_SHARE * self._n_steps):
            gap = round(slots) - 1 if fits else 0
            n_lost = min(gap, self._n_failed) if self._lists_frames else gap
        self._n_failed = max(self._n_failed - n_lost, 0)
        if not n_lost:
            self._n_steps += 1
            self._n_even += fits and round(slots) == 1
        return n_lost

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
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sane_fps(said: float) -> float:
    """The rate if it can be true, else a default."""
    return said if 0.1 <= said <= MAX_FPS else DEFAULT_FPS


def to_rgb(picture: ColourImage) -> ColourImage:
    """(H, W, 3) RGB of what a capture gives: BGR, or grey levels from some cameras."""
    if picture.ndim == 2:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _opened(source: FilePath | int, name: str) -> cv2.VideoCapture | GifCapture:
    if isinstance(source, int):
        return cv2.VideoCapture(source)
    is_gif = _head_of(Path(source), name).startswith(gif.SIGNATURE)
    return GifCapture(Path(source)) if is_gif else cv2.VideoCapture(str(source))


def _head_of(path: Path, name: str) -> bytes:
    """The first bytes of what may be a video.

    Refused are missing files, folders and text: FFmpeg would play a text as a film of its letters.
    """
    if path.is_dir():
        raise DataError(f"{name}: expected a video, got a folder")
    if not path.exists():
        raise DataError(f"{name}: expected a video, found no such file")
    with system_errors(name, "cannot be read"), path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    if not head:
        raise DataError(f"{name}: expected a video, got an empty file")
    if _is_text(head):
        raise DataError(f"{name}: expected a video, got text")
    return head


def _is_text(head: bytes) -> bool:
    """Whether a file's first bytes are text in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()  # the last letter may be cut in two
    try:
        text = decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return all(letter >= " " or letter in "\t\n\v\f\r\b\x1b" for letter in text)
