"""Through a video, frame by frame: the faces of each go to the sinks that want them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from dan.core.types import ColourImage
from dan.video.drawing import draw_tracked
from dan.video.reader import Frame, VideoReader
from dan.video.tracked_faces import TrackedFaces
from dan.video.tracker import FaceTracker
from dan.video.window import LiveWindow
from dan.video.writer import VideoWriter


class Sink(AbstractContextManager[object], Protocol):
    """Where the faces of each frame go, such as a table of rows."""

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        """Take in the faces of the next frame; False asks to end the video here."""


Paint = Callable[[Frame, TrackedFaces], ColourImage]
"""Makes the picture that is shown of a frame and its faces."""


class Pictures(AbstractContextManager[object]):
    """A sink that shows the faces, in a movie, a live window, or both.

    Args:
        paint: what is shown; None: the frame with the faces drawn.
        certainty: of drawn faces; see :func:`dan.video.drawing.draw_tracked`.
        axes: likewise.
    """

    def __init__(
        self,
        movie: VideoWriter | None,
        window: LiveWindow | None = None,
        *,
        paint: Paint | None = None,
        certainty: bool = False,
        axes: bool = False,
    ) -> None:
        self.movie, self.window = movie, window
        self.paint, self.certainty, self.axes = paint, certainty, axes

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        """Show a frame; False once the window is closed."""
        if self.paint is None:
            picture = draw_tracked(frame.rgb, faces, certainty=self.certainty, axes=self.axes)
        else:
            picture = self.paint(frame, faces)
        if self.movie is not None:
            self.movie.write(picture)
        return self.window is None or self.window.show(picture)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the movie, or after an error leave none; take the window away."""
        try:
            if self.movie is not None:
                self.movie.__exit__(kind)
        finally:
            if self.window is not None:
                self.window.close()


@dataclass(frozen=True)
class Followed:
    """How a video ended."""

    seconds: float
    is_interrupted: bool


def follow(
    reader: VideoReader,
    tracker: FaceTracker,
    sinks: Sequence[Sink],
    on_frame: Callable[[], None] = lambda: None,
) -> Followed:
    """Track the faces of each frame, until the end, Ctrl-C, or until a sink asks to stop.

    The first Ctrl-C ends it after the frame, so that every sink has the same frames; the second
    raises KeyboardInterrupt at once. In a thread other than the main one Ctrl-C is not looked at.
    """
    started = time.perf_counter()
    with _ctrl_c() as is_stopped, ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        for frame in reader:
            faces = tracker.update(frame.rgb, frame.time_s)
            goes_on = [sink.take(frame, faces) for sink in sinks]
            on_frame()
            if not all(goes_on) or is_stopped():
                break
        seconds = time.perf_counter() - started
    return Followed(seconds, is_stopped())


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed; pressed again it raises."""
    pressed: list[bool] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, previous)
