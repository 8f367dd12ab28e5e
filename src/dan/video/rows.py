"""Tracked faces as CSV or JSON lines, one a face and frame, on disk as soon as they are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from dan.core.errors import ConfigError
from dan.core.files import check_outputs, system_errors
from dan.core.types import FilePath
from dan.inference.face_csv import csv_head, csv_row
from dan.schemes import LandmarkScheme
from dan.video.reader import Frame
from dan.video.tracked_faces import TrackedFaces

KEYS = ("frame", "time_s", "id")

SUFFIXES = (".csv", ".jsonl")


class RowWriter:
    """Writes the faces of each frame into a file that others may read meanwhile.

    A context manager, and a sink of :func:`dan.video.following.follow`. CSV: the columns of
    :data:`KEYS` and of :func:`dan.inference.face_csv.csv_head`; what is not known is left empty.
    JSON lines: ``{"frame", "time_s", "id", "score", "confidence", "box_xyxy", "points_xy"}``; what
    is not known is null. Pixels to a thousandth.

    Args:
        path: ends in ``.csv`` or ``.jsonl``; a file that is there is replaced.
        scheme: of the points.
        certainty: also the points' covariance and visibility, as
            :meth:`dan.inference.faces.Face.to_dict` gives them.

    Raises:
        ConfigError: if the suffix is another.
        DataError: naming the path, if it cannot be written.
    """

    def __init__(self, path: FilePath, scheme: LandmarkScheme, *, certainty: bool = False) -> None:
        self.path, self.certainty = Path(path), certainty
        check_rows_path(self.path)
        self._as_csv = self.path.suffix.lower() == ".csv"
        with system_errors(path, "cannot be written"):
            self._file = self.path.open("w", encoding="utf-8", newline="")
        if self._as_csv:
            self._put(csv_head(KEYS, scheme, certainty=certainty))

    def write(self, frame: int, time_s: float, faces: TrackedFaces) -> None:
        """Add the faces of a frame."""
        render = render_csv if self._as_csv else render_jsonl
        self._put(render(frame, time_s, faces, certainty=self.certainty))

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        """Add the faces of a frame; True."""
        self.write(frame.number, frame.time_s, faces)
        return True

    def _put(self, text: str) -> None:
        with system_errors(self.path, "cannot be written"):
            self._file.write(text)
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def check_rows_path(path: Path) -> None:
    """Refuse, before any work is done, what could not be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: expected a name that ends in one of {', '.join(SUFFIXES)}")
    check_outputs([path])


def render_csv(frame: int, time_s: float, faces: TrackedFaces, *, certainty: bool = False) -> str:
    """One line a face, without the head."""
    return "".join(
        csv_row((frame, round(time_s, 6), face["id"]), face)
        for face in faces.to_dict(certainty=certainty)["faces"]
    )


def render_jsonl(frame: int, time_s: float, faces: TrackedFaces, *, certainty: bool = False) -> str:
    """One JSON object a line and face."""
    names = ["id", "score", "confidence", "box_xyxy", "points_xy"]
    names += ["covariance", "visibility"] if certainty else []
    lines = []
    for face in faces.to_dict(certainty=certainty)["faces"]:
        row = {"frame": frame, "time_s": round(time_s, 6)} | {name: face[name] for name in names}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)
