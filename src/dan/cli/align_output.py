"""What ``dan align`` reads from standard input, and what it says."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dan.cli.common import console, counted, error_console, tell_small_faces

if TYPE_CHECKING:
    from dan.bulk.aligning import Outcome
    from dan.bulk.outcomes import Tally
    from dan.bulk.sources import Source
    from dan.inference.aligner import FaceAligner
    from dan.inference.faces import Face, Faces


def with_standard_input(inputs: list[str]) -> list[str]:
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


class Printer:
    """Says what became of each picture.

    Args:
        on_picture: called after each.
        as_json: prints its line of JSON.
        says_faces: else prints its faces, where nothing else keeps them.
    """

    def __init__(self, on_picture: Callable[[], None], *, as_json: bool, says_faces: bool) -> None:
        self.on_picture, self.as_json, self.says_faces = on_picture, as_json, says_faces

    def __call__(self, outcome: Outcome[Source], record: Mapping[str, Any]) -> None:
        """One picture, and its line."""
        from dan.bulk.result_folder import line_of

        path = outcome.source.path
        if outcome.faces is None:
            error_console.print(f"skipped {path}: {outcome.error}")
        if self.as_json:
            print(line_of(record), end="", flush=True)
        elif self.says_faces and outcome.faces is not None:
            _print_faces(path, outcome.faces)
        self.on_picture()


def _print_faces(path: Path, faces: Faces) -> None:
    if not len(faces):
        console.print(f"{path}: no face")
    for number, face in enumerate(faces, start=1):
        console.print(f"{path}: face {number}, {described(face)}")


def described(face: Face) -> str:
    """Where a face is, and how good."""
    x0, y0, x1, y1 = face.box_xyxy.tolist()
    confidence = "" if math.isnan(face.confidence) else f", confidence {face.confidence:.2f}"
    return f"box {x0:.0f} {y0:.0f} {x1:.0f} {y1:.0f}, score {face.score:.2f}{confidence}"


def tell_admitted(sources: Sequence[Source], left: Sequence[Source]) -> None:
    """How many pictures an earlier run has finished."""
    if n_done := len(sources) - len(left):
        were = "picture was" if n_done == 1 else "pictures were"
        error_console.print(f"{n_done} {were} done before")


def tell_done(tally: Tally, aligner: FaceAligner, written: Iterable[Path]) -> None:
    """What was written, and the counts."""
    for path in written:
        error_console.print(f"written: {path}")
    rate = tally.n_pictures / tally.seconds
    skipped = f", {tally.n_unreadable} skipped" if tally.n_unreadable else ""
    error_console.print(
        f"{counted(tally.n_pictures, 'picture')}{skipped}, {counted(tally.n_faces, 'face')}, "
        f"{rate:.1f} pictures/s"
    )
    size = getattr(aligner.detector, "size", None)
    if tally.n_large_without and size is not None:
        tell_small_faces(f"large pictures without a face: {tally.n_large_without}", size)
