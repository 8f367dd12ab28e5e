"""The folder of results: ``faces.jsonl`` as it grows, other formats from it at the end.

One JSON object a line and picture: ``{"file", "name", "size_wh", "scheme", "faces"}``, or
``{"file", "name", "error"}`` for one that could not be read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dan.bulk.result_format import ResultFormat
from dan.bulk.sources import Source
from dan.errors import DataError
from dan.files import make_folder, read_text, write_text
from dan.formats import save_pts
from dan.formats.coco import INFO
from dan.inference.faces import Faces
from dan.schemes import LandmarkScheme

LINES, OPTIONS = "faces.jsonl", "run.json"

BOX_COLUMNS = ("box_x0", "box_y0", "box_x1", "box_y1")

Record = Mapping[str, Any]


def record_of(source: Source, size_wh: tuple[int, int], faces: Faces) -> dict[str, Any]:
    """The line of a picture that was read."""
    head = {"file": str(source.path), "name": source.name, "size_wh": list(size_wh)}
    return head | faces.to_dict()


def error_record(source: Source, reason: str) -> dict[str, Any]:
    """The line of a picture that could not be read."""
    return {"file": str(source.path), "name": source.name, "error": reason}


class ResultFolder:
    """A folder of results that an interrupted run goes on with.

    Args:
        path: new, empty, or left by a run with the same options.
        options: all that decides what the results are.

    Attributes:
        done: name of each picture that was read before -> its file, as it was given.

    Raises:
        DataError: if the folder holds something else, or results of other options.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path, self.lines = path, path / LINES
        wanted = json.dumps(options, indent=2, sort_keys=True) + "\n"
        noted = path / OPTIONS
        if noted.is_file():
            if read_text(noted) != wanted:
                raise DataError(
                    f"{path}: holds results of other options (see {OPTIONS}); "
                    "choose another folder, or remove it"
                )
        elif not _is_free(path):
            raise DataError(f"{path}: expected a new or empty folder, or one to go on with")
        else:
            make_folder(path)
            write_text(noted, wanted)
        for part in path.rglob(".*.part"):  # of a run that was killed while it wrote
            part.unlink(missing_ok=True)
        # Whole lines of pictures that were read; the others are tried again.
        records = [record for record in self._read() if "error" not in record]
        write_text(self.lines, "".join(map(line_of, records)))
        self.done: dict[str, str] = {record["name"]: record["file"] for record in records}

    def left(self, sources: Sequence[Source]) -> list[Source]:
        """The sources that no earlier run has read.

        Raises:
            DataError: if the earlier run has read another picture under the name of one of them.
        """
        for source in sources:
            before = self.done.get(source.name)
            if before is not None and Path(before).resolve() != source.path.resolve():
                raise DataError(
                    f"{self.path}: holds results of another {source.name}, of {before}; "
                    "choose another folder, or remove it"
                )
        return [source for source in sources if source.name not in self.done]

    def _read(self) -> Iterator[Record]:
        """The whole lines; a torn last one is no line."""
        if not self.lines.is_file():
            return
        lines = read_text(self.lines).split("\n")[:-1]  # splitlines() parts at other signs, too
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                record["name"], record["file"]
            except (ValueError, RecursionError, TypeError, KeyError) as error:
                raise DataError(
                    f"{self.lines}: line {number}: expected the result of a picture; "
                    "choose another folder, or remove it"
                ) from error
            yield record

    def add(self, record: Record, formats: Sequence[ResultFormat]) -> None:
        """Take the result of one picture; it is on disk when this returns."""
        if ResultFormat.PTS in formats:
            for place, face in enumerate(record.get("faces", []), start=1):
                # The first face has the picture's own name, as single-face tools expect it.
                number = "" if place == 1 else f"_{place}"
                target = self.path / f"{record['name']}{number}.pts"
                make_folder(target.parent)
                save_pts(target, np.array(face["points_xy"]))
        try:
            with self.lines.open("ab", buffering=0) as file:  # one write: a line is whole or absent
                file.write(line_of(record).encode())
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self.lines}: cannot be written: {reason}") from error

    def finish(self, formats: Sequence[ResultFormat], scheme: LandmarkScheme) -> list[Path]:
        """Write the tables of all results, those of earlier runs anew; returns the files."""
        written = [self.lines]
        for kind, name, render in (
            (ResultFormat.CSV, "faces.csv", render_csv),
            (ResultFormat.COCO, "coco.json", render_coco),
        ):
            path = self.path / name
            if kind in formats or path.exists():
                write_text(path, render(list(self._read()), scheme))
                written.append(path)
        return written


def _is_free(path: Path) -> bool:
    """Whether there is nothing, or an empty folder; what a killed run began counts as nothing."""
    if not path.is_dir():
        return not path.exists()
    return all(file.name.startswith(".") and file.suffix == ".part" for file in path.iterdir())


def line_of(record: Record) -> str:
    """One line of JSON; in ASCII where a file's name is no proper text."""
    return _json(record) + "\n"


def _json(values: Mapping[str, object]) -> str:
    text = json.dumps(values, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(values)
    return text


def render_csv(records: Sequence[Record], scheme: LandmarkScheme) -> str:
    """One row a face: file, place, score, confidence, box, then x and y of each point."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    points = [f"{axis}{index}" for index in range(scheme.n_landmarks) for axis in "xy"]
    writer.writerow(["file", "face", "score", "confidence", *BOX_COLUMNS, *points])
    for record in records:
        for place, face in enumerate(record.get("faces", []), start=1):
            flat = [value for point in face["points_xy"] for value in point]
            sure = "" if face["confidence"] is None else face["confidence"]
            file = record["file"].encode(errors="backslashreplace").decode()
            writer.writerow([file, place, face["score"], sure, *face["box_xyxy"], *flat])
    return buffer.getvalue()


def render_coco(records: Sequence[Record], scheme: LandmarkScheme) -> str:
    """COCO keypoints: images, one category with the scheme's names and edges, annotations.

    ``bbox`` is the box of the points; ``score`` is the confidence where the model has one, else
    the detector's. COCO has pixel centres at integers, as we have.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, record in enumerate(records, start=1):
        width, height = record.get("size_wh", (0, 0))
        images.append(
            {"id": image_id, "file_name": record["file"], "width": width, "height": height}
        )
        for face in record.get("faces", []):
            points = np.array(face["points_xy"], dtype=np.float64)
            x0, y0 = points.min(axis=0).tolist()
            box_w, box_h = np.ptp(points, axis=0).tolist()
            flat = np.concatenate([points, np.full((len(points), 1), 2.0)], axis=1)
            sure = face["confidence"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [round(value, 3) for value in (x0, y0, box_w, box_h)],
                    "area": round(box_w * box_h, 3),
                    "num_keypoints": len(points),
                    "keypoints": [round(value, 3) for value in flat.ravel().tolist()],
                    "score": face["score"] if sure is None else sure,
                }
            )
    category = {
        "id": 1,
        "name": "face",
        "supercategory": "person",
        "keypoints": list(scheme.point_names),
        "skeleton": [[first + 1, second + 1] for first, second in scheme.edges],
    }
    values = {"info": INFO, "images": images, "annotations": annotations, "categories": [category]}
    return _json(values) + "\n"
