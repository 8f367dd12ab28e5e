"""What ``dan track`` does, and ``dan align`` with a video."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dan.bulk.result_format import ROW_SUFFIXES, ResultFormat
from dan.cli.align_output import described
from dan.cli.common import console, counted, error_console, progress_bar, tell_small_faces
from dan.cli.options import AlignerOptions
from dan.core.errors import DeviceError

if TYPE_CHECKING:
    from dan.inference.aligner import FaceAligner
    from dan.video.following import Paint, Pictures, Sink
    from dan.video.reader import Frame, VideoReader
    from dan.video.tracked_faces import TrackedFaces
    from dan.video.tracker import FaceTracker


def align_video(
    video: str,
    out: Path | None,
    options: AlignerOptions,
    *,
    formats: Sequence[ResultFormat],
    draw: bool,
    axes: bool,
    as_json: bool,
) -> None:
    """Hand over to the tracker; the files in the folder are named after the video."""
    from dan.bulk.names import name_video_files
    from dan.bulk.result_tables import check_formats
    from dan.video.reader import VideoReader

    _silence_opencv()
    VideoReader(video).close()  # what is no video, and what cannot work, is told before a
    tracker = options.build_tracker()  # folder is made
    check_formats(formats, tracker.aligner.model.scheme, axes=axes)
    rows: list[Path] = []
    movie = None
    if out is not None:
        suffixes = (".mp4", ".jsonl", *(ROW_SUFFIXES[kind] for kind in dict.fromkeys(formats)))
        movie, *rows = name_video_files(out, Path(video), suffixes)
    wants_lines = as_json or out is None
    printer = _Printer(video, options, as_json=as_json) if wants_lines else None
    movie = movie if draw else None
    _check_outputs(movie, rows, inputs=(video, options.model, options.detector_name))
    _follow(video, tracker, options, movie=movie, rows=rows, axes=axes, sink=printer)


def follow_video(
    video: str,
    options: AlignerOptions,
    *,
    movie: Path | None,
    rows: Sequence[Path],
    axes: bool = False,
    detect_every: int = 15,
    smoothing: bool = True,
    sink: Sink | None = None,
    painter: Callable[[FaceAligner], Paint] | None = None,
) -> None:
    """Track, write, and say what was done.

    Args:
        sink: takes the faces, too.
        painter: makes what paints the frames of the movie; None: the faces are drawn.
    """
    from dan.bulk.result_tables import check_formats
    from dan.video.rows import check_rows_path

    _silence_opencv()
    _check_outputs(movie, rows, inputs=(video, options.model, options.detector_name))
    tracker = options.build_tracker(detect_every=detect_every, smoothing=smoothing)
    for path in rows:
        check_rows_path(path, tracker.aligner.model.scheme)
    check_formats((), tracker.aligner.model.scheme, axes=axes)
    paint = None if painter is None else painter(tracker.aligner)
    _follow(video, tracker, options, movie=movie, rows=rows, axes=axes, sink=sink, paint=paint)


def _follow(
    video: str,
    tracker: FaceTracker,
    options: AlignerOptions,
    *,
    movie: Path | None,
    rows: Sequence[Path],
    axes: bool,
    sink: Sink | None = None,
    paint: Paint | None = None,
) -> None:
    from dan.video.following import follow
    from dan.video.reader import VideoReader
    from dan.video.rows import RowWriter

    written = [*([] if movie is None else [movie]), *rows]
    scheme, certainty = tracker.aligner.model.scheme, options.certainty
    is_camera = video.isdecimal() and not Path(video).exists()
    with VideoReader(int(video) if is_camera else video) as reader:
        pictures = _pictures(
            reader, movie, options, paint, axes=axes, may_do_without_window=bool(written)
        )
        tables = [RowWriter(path, scheme, certainty=certainty) for path in rows]
        sinks = [one for one in (*tables, sink, pictures) if one is not None]
        with progress_bar("tracking", reader.n_promised) as on_frame:
            followed = follow(reader, tracker, sinks, on_frame)
    for path in written:
        error_console.print(f"written: {path}")
    if not written and sink is None and not reader.is_camera:
        error_console.print(
            "nothing written: -o OUT.mp4 draws the faces, --points OUT.csv lists them"
        )
    _tell_tracked(tracker, followed.seconds)
    if followed.is_interrupted:
        raise typer.Exit(130)
    for sentence in reader.damage():
        error_console.print(sentence)


class _Printer(AbstractContextManager[object]):
    """A sink: the faces of each frame on standard output."""

    def __init__(self, video: str, options: AlignerOptions, *, as_json: bool) -> None:
        self.video, self.certainty, self.as_json = video, options.certainty, as_json

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        from dan.video.rows import render_jsonl

        if self.as_json:
            lines = render_jsonl(frame.number, frame.time_s, faces, certainty=self.certainty)
            print(lines, end="", flush=True)
            return True
        for face in faces:
            where = f"{self.video}: frame {frame.number}, face {face.id}"
            console.print(f"{where}, {described(face)}")
        return True

    def __exit__(self, *_: object) -> None:
        """Nothing has to be closed."""


def _pictures(
    reader: VideoReader,
    movie: Path | None,
    options: AlignerOptions,
    paint: Paint | None,
    *,
    axes: bool,
    may_do_without_window: bool,
) -> Pictures | None:
    """Where painted frames go; None: nobody wants them."""
    from dan.video import window
    from dan.video.following import Pictures
    from dan.video.writer import VideoWriter

    shown = None
    if reader.is_camera:
        try:
            shown = window.LiveWindow(f"dan: {reader.name}")
        except DeviceError as error:
            if not may_do_without_window:
                raise
            error_console.print(f"{error}; going on without")
    if movie is None and shown is None:
        return None
    writer = None if movie is None else VideoWriter(movie, reader.fps)
    return Pictures(writer, shown, paint=paint, certainty=options.certainty, axes=axes)


def _silence_opencv() -> None:
    """Our own line says what is wrong."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _check_outputs(movie: Path | None, rows: Sequence[Path], inputs: Sequence[str]) -> None:
    from dan.core.files import check_outputs
    from dan.video.rows import check_rows_path
    from dan.video.writer import check_video_path

    if movie is not None:
        check_video_path(movie)
    for path in rows:
        check_rows_path(path)
    check_outputs([*rows, *([] if movie is None else [movie])], inputs)


def _tell_tracked(tracker: FaceTracker, seconds: float) -> None:
    from dan.inference.detectors import is_shrunk_much

    n_frames, n_ids = tracker.n_frames, tracker.n_ids
    error_console.print(
        f"{counted(n_frames, 'frame')}, {counted(n_ids, 'face')}, "
        f"{n_frames / max(seconds, 1e-9):.1f} frames/s, "
        f"{100 * tracker.n_detections / n_frames:.1f} detector calls per 100 frames"
    )
    detector = tracker.aligner.detector
    if not n_ids and is_shrunk_much(detector, tracker.frame_wh):
        tell_small_faces("large frames without a face", getattr(detector, "size", 0))
