"""A video of pictures, playable whenever it ends."""

from __future__ import annotations

import math
import secrets
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DataError
from dan.core.files import check_outputs, system_errors
from dan.core.types import ColourImage, FilePath
from dan.video.reader import sane_fps

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""Containers by suffix, and a codec for each that every OpenCV wheel can write.

MPEG-4 part 2, since the wheels carry no H.264 encoder. There is no sound.
"""


class VideoWriter:
    """Writes frames beside ``path``; at the end the file takes its place.

    A context manager. After Ctrl-C (KeyboardInterrupt) what was written so far is finished and
    kept; after another error nothing is left. Without any frame there is no file.

    Args:
        path: its suffix chooses the container; see :data:`CODECS`.
        fps: frames a second; what cannot be true becomes 25.

    Raises:
        ConfigError: if the suffix is not known.
        DataError: naming the path, if it cannot be written.
    """

    def __init__(self, path: FilePath, fps: float) -> None:
        self.path, self.fps = Path(path), sane_fps(fps)
        check_video_path(self.path)
        # The suffix comes last, as FFmpeg chooses the container by it.
        name = f".{self.path.stem}.{secrets.token_hex(4)}.part{self.path.suffix}"
        self._temporary = self.path.with_name(name)
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    def write(self, frame_rgb: ColourImage) -> None:
        """Add a frame, (H, W, 3) RGB uint8; one of another size is fitted into the first one's."""
        check_shape("frame", frame_rgb, ("H", "W", 3))
        if self._writer is None:
            self._size_wh = frame_rgb.shape[1], frame_rgb.shape[0]
            self._writer = self._open()
        self._writer.write(cv2.cvtColor(fit_into(frame_rgb, self._size_wh), cv2.COLOR_RGB2BGR))

    def _open(self) -> cv2.VideoWriter:
        codec = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
        try:
            writer = cv2.VideoWriter(str(self._temporary), codec, self.fps, self._size_wh)
        except cv2.error as error:
            raise DataError(f"{self.path}: cannot be written: {error.err}") from error
        if not writer.isOpened():
            width, height = self._size_wh
            raise DataError(
                f"{self.path}: cannot be written as {width} x {height} video by this OpenCV"
            )
        return writer

    def finish(self) -> None:
        """End the file and put it in its place."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        try:
            with system_errors(self.path, "cannot be written"):
                self._temporary.replace(self.path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish, or after an error leave nothing."""
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.finish()
        else:
            self.discard()


def check_video_path(path: Path) -> None:
    """Refuse, before any work is done, what could not be written."""
    if path.suffix.lower() not in CODECS:
        raise ConfigError(f"{path}: expected a name that ends in one of {', '.join(CODECS)}")
    check_outputs([path])


def fit_into(frame_rgb: ColourImage, size_wh: tuple[int, int]) -> ColourImage:
    """The frame whole in a picture of (w, h), its sides in proportion, black where it ends."""
    height, width = frame_rgb.shape[:2]
    if (width, height) == size_wh:
        return frame_rgb
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner_wh = max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
    small = cv2.resize(frame_rgb, inner_wh, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((size_wh[1], size_wh[0], 3), dtype=np.uint8)
    x0, y0 = (size_wh[0] - inner_wh[0]) // 2, (size_wh[1] - inner_wh[1]) // 2
    canvas[y0 : y0 + inner_wh[1], x0 : x0 + inner_wh[0]] = small
    return canvas
