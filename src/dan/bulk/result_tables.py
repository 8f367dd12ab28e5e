"""The tables of all results in a folder, made of its lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dan.bulk.result_format import ResultFormat
from dan.core.files import make_folder, write_text
from dan.core.parquet import ParquetTable, need_pyarrow
from dan.datasets.formats import HIDDEN, VISIBLE
from dan.datasets.formats.coco import coco_face, coco_text
from dan.drawing.landmarks import LIKELY_SEEN
from dan.inference.face_rows import csv_line, face_columns, face_values
from dan.inference.other_columns import (
    Sighting,
    openface_columns,
    openface_values,
    pyfeat_columns,
    pyfeat_values,
)
from dan.schemes import FACE51, FACE68, LandmarkScheme
from dan.schemes.conversions import conversion_path

Record = Mapping[str, Any]

TABLES = {
    ResultFormat.CSV: "faces.csv",
    ResultFormat.COCO: "coco.json",
    ResultFormat.OPENFACE: "openface",
    ResultFormat.PYFEAT: "pyfeat.csv",
    ResultFormat.PARQUET: "faces.parquet",
}
"""What they are called; ``openface`` is a folder with a table for each picture."""

KEYS = {"file": str, "face": int}


def check_formats(
    formats: Collection[ResultFormat], scheme: LandmarkScheme, *, axes: bool = False
) -> None:
    """Refuse, before any work, what could not be written.

    Raises:
        ConfigError: if pyarrow is missing, or the points do not convert to those of ``face68``,
            which OpenFace and Py-Feat have, or to those of a head that has axes.
    """
    if ResultFormat.PARQUET in formats:
        need_pyarrow()
    if {ResultFormat.OPENFACE, ResultFormat.PYFEAT}.intersection(formats):
        conversion_path(scheme, FACE68)
    if axes:
        conversion_path(scheme, FACE51)


def write_table(
    kind: ResultFormat,
    path: Path,
    records: Sequence[Record],
    scheme: LandmarkScheme,
    *,
    certainty: bool = False,
) -> None:
    """Write one of :data:`TABLES`; each file is whole or not there at all.

    Args:
        records: lines of ``faces.jsonl``; those of pictures that could not be read have no faces.
        certainty: whether they tell the points' covariance and visibility, too.
    """
    if kind is ResultFormat.CSV:
        write_text(path, render_csv(records, scheme, certainty=certainty))
    elif kind is ResultFormat.COCO:
        write_text(path, render_coco(records, scheme))
    elif kind is ResultFormat.OPENFACE:
        _write_openface(path, records, scheme)
    elif kind is ResultFormat.PYFEAT:
        write_text(path, render_pyfeat(records, scheme))
    else:
        columns = face_columns((), scheme, certainty=certainty)
        with ParquetTable(path, KEYS | dict.fromkeys(columns, float)) as table:
            for face, seen in _sightings(records):
                table.add(face_values((seen.file, seen.number), face))


def _sightings(records: Sequence[Record]) -> Iterator[tuple[Record, Sighting]]:
    """Each face, and where it was seen."""
    for place, record in enumerate(records):
        file = record["file"].encode(errors="backslashreplace").decode()
        size_wh = record.get("size_wh")
        for number, face in enumerate(record.get("faces", []), start=1):
            yield face, Sighting(number, size_wh, place, file=file)


def render_csv(
    records: Sequence[Record], scheme: LandmarkScheme, *, certainty: bool = False
) -> str:
    """One row a face: file, place, score, confidence, box, then x and y of each point.

    Args:
        certainty: whether the records tell the points' covariance and visibility, too.
    """
    head: list[object] = [*face_columns(KEYS, scheme, certainty=certainty)]
    rows = [face_values((seen.file, seen.number), face) for face, seen in _sightings(records)]
    return "".join(csv_line(row) for row in (head, *rows))


def render_pyfeat(records: Sequence[Record], scheme: LandmarkScheme) -> str:
    """One row a face, in the columns of Py-Feat."""
    rows = [pyfeat_values(face, scheme, seen) for face, seen in _sightings(records)]
    return "".join(csv_line(row) for row in (pyfeat_columns(video=False), *rows))


def openface_path(folder: Path, name: str) -> Path:
    """Where the table of a picture's faces is."""
    return folder / f"{name}.csv"


def _write_openface(folder: Path, records: Sequence[Record], scheme: LandmarkScheme) -> None:
    """A table for each picture that was read, as OpenFace writes them, empty without a face.

    Those of earlier runs stay, as the table of a picture that is read again was removed.
    """
    head = openface_columns(video=False)
    for record in records:
        path = openface_path(folder, record["name"])
        if "error" in record or path.exists():
            continue
        rows = [openface_values(face, scheme, seen) for face, seen in _sightings([record])]
        make_folder(path.parent)
        write_text(path, "".join(csv_line(row) for row in (head, *rows)))


def render_coco(records: Sequence[Record], scheme: LandmarkScheme) -> str:
    """COCO keypoints: images, one category with the scheme's names and edges, annotations.

    ``bbox`` is the box of the points; ``score`` is the confidence where the model has one, else
    the detector's. A point whose record says that it is likely not seen counts as occluded, any
    other as seen. COCO has pixel centres at integers, as we have.
    """
    images = [(record["file"], record.get("size_wh", (0, 0))) for record in records]
    faces = [
        _coco_face(image, face)
        for image, record in enumerate(records)
        for face in record.get("faces", [])
    ]
    return coco_text(images, faces, scheme)


def _coco_face(image: int, face: Record) -> dict[str, Any]:
    points = np.array(face["points_xy"], dtype=np.float64)
    x0, y0, x1, y1 = face["box_xyxy"]
    area = round((x1 - x0) * (y1 - y0), 3)
    likely = face.get("visibility") or [1.0] * len(points)
    seen = [VISIBLE if each >= LIKELY_SEEN else HIDDEN for each in likely]
    confidence = face["confidence"]
    score = face["score"] if confidence is None else confidence
    return coco_face(image, points, seen, area=area, box_xyxy=(x0, y0, x1, y1)) | {"score": score}
