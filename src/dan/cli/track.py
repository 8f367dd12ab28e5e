"""``dan track``: faces and their landmarks through a video or from a camera."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import error_console, is_shrunk_much, progress_bar, tell_small_faces
from dan.cli.options import (
    DetectorOption,
    DetectorSizeOption,
    ModelOption,
    ProviderOption,
    ThreadsOption,
)
from dan.core.errors import DeviceError
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL

if TYPE_CHECKING:
    from dan.video.reader import Frame, VideoReader
    from dan.video.tracked_faces import TrackedFaces
    from dan.video.tracker import FaceTracker


def track(
    video: Annotated[str, typer.Argument(help="A video file, or the number of a camera: 0.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Video to write, faces drawn: .mp4, .mov, .mkv or .avi."),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="Rows to write, one a face and frame: .csv or .jsonl.")
    ] = None,
    model: ModelOption = DEFAULT_MODEL,
    detector: DetectorOption = DEFAULT_DETECTOR,
    detector_size: DetectorSizeOption = None,
    detect_every: Annotated[
        int, typer.Option(min=1, help="Frames from one detection to the next.")
    ] = 15,
    smoothing: Annotated[bool, typer.Option(help="One-Euro filter of the points.")] = True,
    max_faces: Annotated[
        int | None, typer.Option(min=1, help="At most so many at a time, the first ones seen.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out faces below; they are still followed.")
    ] = 0.0,
    threads: ThreadsOption = None,
    provider: ProviderOption = "cpu",
) -> None:
    """Follow the faces of a video. Ctrl-C ends it early; what was written so far can be played."""
    follow_video(
        video,
        out=out,
        rows=[] if points is None else [points],
        model=model,
        detector=detector,
        detector_size=detector_size,
        detect_every=detect_every,
        smoothing=smoothing,
        max_faces=max_faces,
        min_confidence=min_confidence,
        threads=threads,
        provider=provider,
    )


Say = Callable[["Frame", "TrackedFaces"], None]
"""Prints the faces of a frame."""


def follow_video(
    video: str,
    *,
    out: Path | None,
    rows: Sequence[Path],
    say: Say | None = None,
    model: str,
    detector: str,
    detector_size: int | None,
    detect_every: int = 15,
    smoothing: bool = True,
    max_faces: int | None,
    min_confidence: float,
    threads: int | None,
    provider: str,
) -> None:
    """What ``dan track`` does, and ``dan align`` with a video."""
    silence_opencv()
    from dan.inference.aligner import FaceAligner
    from dan.video.reader import VideoReader
    from dan.video.tracker import FaceTracker

    _check_outputs(out, rows, inputs=(video, model, detector))
    with VideoReader(_source_of(video)) as reader:
        aligner = FaceAligner(
            model, detector, detector_size=detector_size, threads=threads, provider=provider
        )
        _ = aligner.detector  # one that cannot work is told before anything is written
        tracker = FaceTracker(
            aligner,
            detect_every=detect_every,
            smoothing=smoothing,
            max_faces=max_faces,
        )
        with _ctrl_c() as is_stopped, _outputs(reader, tracker, out, rows, say) as put:
            seconds = _follow(reader, tracker, put, is_stopped, min_confidence)
    _tell_written(reader, [*([] if out is None else [out]), *rows], say)
    _tell(tracker, seconds)
    if is_stopped():
        raise typer.Exit(130)
    _tell_missing(reader)


def silence_opencv() -> None:
    """Our own line says what is wrong."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _source_of(video: str) -> str | int:
    """A camera's number, or a path."""
    return int(video) if video.isdecimal() and not Path(video).exists() else video


def _check_outputs(out: Path | None, rows: Sequence[Path], inputs: Sequence[str]) -> None:
    from dan.core.files import check_outputs
    from dan.video.rows import check_rows_path
    from dan.video.writer import check_video_path

    if out is not None:
        check_video_path(out)
    for path in rows:
        check_rows_path(path)
    check_outputs([*rows, *([] if out is None else [out])], inputs)


def _follow(
    reader: VideoReader,
    tracker: FaceTracker,
    put: Callable[[Frame, TrackedFaces], bool],
    is_stopped: Callable[[], bool],
    min_confidence: float,
) -> float:
    """Frame by frame, until the end, Ctrl-C, or the window is closed; the seconds it took."""
    started = time.perf_counter()
    with progress_bar("tracking", reader.n_promised) as on_frame:
        for frame in reader:
            faces = tracker.update(frame.rgb, frame.time_s)
            go_on = put(frame, faces[~(faces.confidence < min_confidence)])
            on_frame()
            if not go_on or is_stopped():
                break
    return time.perf_counter() - started


@contextmanager
def _outputs(
    reader: VideoReader,
    tracker: FaceTracker,
    out: Path | None,
    rows: Sequence[Path],
    say: Say | None,
) -> Iterator[Callable[[Frame, TrackedFaces], bool]]:
    """Takes the faces of each frame to where they are wanted; says whether to go on."""
    from dan.video.drawing import draw_tracked
    from dan.video.rows import RowWriter
    from dan.video.window import LiveWindow
    from dan.video.writer import VideoWriter

    with ExitStack() as stack:
        window = None
        if reader.is_camera:
            try:
                window = LiveWindow(f"dan: {reader.name}")
                stack.callback(window.close)
            except DeviceError as error:
                if out is None and not rows:
                    raise
                error_console.print(f"{error}; going on without")
        movie = stack.enter_context(VideoWriter(out, reader.fps)) if out else None
        scheme = tracker.aligner.model.scheme
        writers = [stack.enter_context(RowWriter(path, scheme)) for path in rows]

        def put(frame: Frame, faces: TrackedFaces) -> bool:
            for writer in writers:
                writer.write(frame.number, frame.time_s, faces)
            if say is not None:
                say(frame, faces)
            if movie is None and window is None:
                return True
            picture = draw_tracked(frame.rgb, faces)
            if movie is not None:
                movie.write(picture)
            return window is None or window.show(picture)

        yield put


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks to stop after the frame; the second stops at once."""
    pressed: list[bool] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, previous)


def _tell_written(reader: VideoReader, written: Sequence[Path], say: Say | None) -> None:
    for path in written:
        error_console.print(f"written: {path}")
    if not written and say is None and not reader.is_camera:
        error_console.print(
            "nothing written: -o OUT.mp4 draws the faces, --points OUT.csv lists them"
        )


def _tell(tracker: FaceTracker, seconds: float) -> None:
    n_frames, n_ids = tracker.n_frames, tracker.n_ids
    error_console.print(
        f"{n_frames} frame{'s' * (n_frames != 1)}, {n_ids} face{'s' * (n_ids != 1)}, "
        f"{n_frames / max(seconds, 1e-9):.1f} frames/s, "
        f"{100 * tracker.n_detections / n_frames:.1f} detector calls per 100 frames"
    )
    size = getattr(tracker.aligner.detector, "size", None)
    if size is not None and not n_ids and is_shrunk_much(tracker.frame_wh, size):
        tell_small_faces("large frames without a face", size)


def _tell_missing(reader: VideoReader) -> None:
    """Containers often count a frame or two that are not there; a cut file lacks many."""
    if reader.n_lost:
        some = f"{reader.n_lost} frame{'s' * (reader.n_lost != 1)} could not be read"
        others = "are right" if reader.has_times else "may be too low"
        error_console.print(
            f"{reader.name}: seems damaged: {some}, from frame {reader.first_lost} on; "
            f"numbers and times of the frames that follow {others}"
        )
    promised = reader.n_promised
    if promised is not None and reader.n_read + reader.n_lost < 0.9 * promised:
        error_console.print(
            f"{reader.name}: seems cut short or damaged: it promises {promised} frames, "
            f"{reader.n_read} could be read"
        )
