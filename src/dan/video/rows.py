"""Tracked faces as tables or JSON lines, one row a face and frame."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from dan.core.errors import ConfigError
from dan.core.files import check_outputs, system_errors
from dan.core.parquet import ParquetTable, need_pyarrow
from dan.core.types import FilePath
from dan.inference.face_rows import csv_line, face_columns, face_values
from dan.inference.other_columns import (
    Sighting,
    openface_columns,
    openface_values,
    pyfeat_columns,
    pyfeat_values,
)
from dan.schemes import FACE68, LandmarkScheme
from dan.schemes.conversions import conversion_path
from dan.video.reader import Frame
from dan.video.tracked_faces import TrackedFaces

KEYS = {"frame": int, "time_s": float, "id": int}

OTHERS = {
    ".openface.csv": (openface_columns, openface_values),
    ".pyfeat.csv": (pyfeat_columns, pyfeat_values),
}
"""Columns and rows of other programs, by how a file's name ends."""

SUFFIXES = (*OTHERS, ".csv", ".jsonl", ".parquet")


class RowWriter:
    """Writes the faces of each frame into a file that others may read meanwhile.

    A context manager, and a sink of :func:`dan.video.following.follow`. What is written follows
    from the file's name:

    - ``.csv``: the columns of :data:`KEYS` and of :func:`dan.inference.face_rows.face_columns`;
      what is not known is left empty.
    - ``.jsonl``: ``{"frame", "time_s", "id", "score", "confidence", "box_xyxy", "points_xy"}``;
      what is not known is null.
    - ``.parquet``: the columns of ``.csv``. This file appears when it is complete.
    - ``.openface.csv`` and ``.pyfeat.csv``: see :mod:`dan.inference.other_columns`.

    Pixels to a thousandth, those of OpenFace to a tenth.

    Args:
        path: a file that is there is replaced.
        scheme: of the points.
        certainty: also the points' covariance and visibility, as
            :meth:`dan.inference.faces.Face.to_dict` gives them; not in the columns of others.

    Raises:
        ConfigError: if the name ends otherwise, pyarrow is missing, or the points do not convert to
            the ``face68`` of OpenFace and Py-Feat.
        DataError: naming the path, if it cannot be written.
    """

    def __init__(self, path: FilePath, scheme: LandmarkScheme, *, certainty: bool = False) -> None:
        self.path, self.scheme, self.certainty = Path(path), scheme, certainty
        self._suffix = check_rows_path(self.path, scheme)
        self._table: ParquetTable | None = None
        columns = face_columns((), scheme, certainty=certainty)
        if self._suffix == ".parquet":
            self._table = ParquetTable(path, KEYS | dict.fromkeys(columns, float))
            return
        with system_errors(path, "cannot be written"):
            self._file = self.path.open("w", encoding="utf-8", newline="")
        if self._suffix in OTHERS:
            self._put(csv_line(OTHERS[self._suffix][0](video=True)))
        elif self._suffix == ".csv":
            self._put(csv_line([*KEYS, *columns]))

    def write(
        self,
        frame: int,
        time_s: float,
        faces: TrackedFaces,
        size_wh: tuple[int, int] | None = None,
    ) -> None:
        """Add the faces of a frame.

        Args:
            size_wh: of the frame, pixels; the columns of OpenFace need it.

        Raises:
            ConfigError: if these do not get it.
        """
        if self._suffix == ".jsonl":
            self._put(render_jsonl(frame, time_s, faces, certainty=self.certainty))
            return
        for face in faces.to_dict(certainty=self.certainty)["faces"]:
            if self._suffix in OTHERS:
                seen = Sighting(face["id"], size_wh, frame, time_s)
                self._put(csv_line(OTHERS[self._suffix][1](face, self.scheme, seen)))
                continue
            row = face_values((frame, round(time_s, 6), face["id"]), face)
            if self._table is None:
                self._put(csv_line(row))
            else:
                self._table.add(row)

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        """Add the faces of a frame; True."""
        height, width = frame.rgb.shape[:2]
        self.write(frame.number, frame.time_s, faces, (width, height))
        return True

    def _put(self, text: str) -> None:
        with system_errors(self.path, "cannot be written"):
            self._file.write(text)
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._table is None:
            self._file.close()
        else:
            self._table.__exit__(kind, error, trace)


def check_rows_path(path: Path, scheme: LandmarkScheme = FACE68) -> str:
    """Refuse, before any work is done, what could not be written; returns how its name ends."""
    ends = [suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)]
    if not ends:
        raise ConfigError(f"{path}: expected a name that ends in one of {', '.join(SUFFIXES)}")
    if ends[0] == ".parquet":
        need_pyarrow()
    if ends[0] in OTHERS:
        conversion_path(scheme, FACE68)
    check_outputs([path])
    return ends[0]


def render_jsonl(frame: int, time_s: float, faces: TrackedFaces, *, certainty: bool = False) -> str:
    """One JSON object a line and face."""
    names = ["id", "score", "confidence", "box_xyxy", "points_xy"]
    names += ["covariance", "visibility"] if certainty else []
    lines = []
    for face in faces.to_dict(certainty=certainty)["faces"]:
        row = {"frame": frame, "time_s": round(time_s, 6)} | {name: face[name] for name in names}
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)
