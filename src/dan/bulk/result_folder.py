"""The folder of results: ``faces.jsonl`` as it grows, other formats from it at the end.

One JSON object a line and picture: ``{"file", "name", "size_wh", "scheme", "faces"}``, or
``{"file", "name", "error"}`` for one that could not be read. In the folder a line also holds
``file_stamp``, the file's size in bytes and its time of modification in nanoseconds: where they are
others in a later run, the picture is read again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dan.bulk.names import NAMES, ResultNames
from dan.bulk.result_format import ResultFormat
from dan.bulk.result_tables import TABLES, Record, openface_path, write_table
from dan.bulk.sources import Source
from dan.core.errors import DataError
from dan.core.files import make_folder, read_text, replacing, system_errors, write_text
from dan.core.types import FilePath
from dan.datasets.formats import save_pts
from dan.inference.faces import Faces
from dan.schemes import LandmarkScheme

LINES, OPTIONS = "faces.jsonl", "run.json"


def record_of(
    source: Source, size_wh: tuple[int, int], faces: Faces, *, certainty: bool = False
) -> dict[str, Any]:
    """The line of a picture that was read; for ``certainty`` see :meth:`Faces.to_dict`."""
    head = {"file": str(source.path), "name": source.name, "size_wh": list(size_wh)}
    return head | faces.to_dict(certainty=certainty)


def error_record(source: Source, reason: str) -> dict[str, Any]:
    """The line of a picture that could not be read."""
    return {"file": str(source.path), "name": source.name, "error": reason}


class ResultFolder:
    """A folder of results that later runs go on with.

    Each picture keeps one name for ever (``names.json``), and has one line in ``faces.jsonl``.

    Args:
        path: new, empty, or left by a run with the same options.
        options: all that decides what the results are.

    Raises:
        DataError: if the folder holds something else, or results of other options.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path, self.lines = path, path / LINES
        noted = path / OPTIONS
        if noted.is_file():
            check_options(path, read_text(noted), options)
        elif not _is_free(path):
            raise DataError(f"{path}: expected a new or empty folder, or one to go on with")
        if self.lines.is_file() and not (path / NAMES).is_file():
            raise DataError(
                f"{path}: expected {NAMES} beside {LINES}, as this version writes it; "
                "choose another folder, or remove it"
            )
        self.names = ResultNames(path)
        self._has_certainty = bool(options.get("certainty"))
        self._stamps: dict[str, list[int]] = {}
        self._done = {
            record["name"]: record["file_stamp"] for record in self._read() if "error" not in record
        }
        make_folder(path)
        if not noted.is_file():
            write_text(noted, json.dumps(options, indent=2, sort_keys=True) + "\n")
        for part in path.rglob(".*.part"):  # of a run that was killed while it wrote
            part.unlink(missing_ok=True)

    @classmethod
    def open_for(
        cls, path: Path, options: Mapping[str, Any], sources: Sequence[Source]
    ) -> tuple[ResultFolder, list[Source]]:
        """A folder, and the pictures to read; see the class and :meth:`admit`.

        Raises:
            DataError: if a picture lies in the folder, where results could replace it.
        """
        target = path.resolve()
        for source in sources:
            if target in source.path.resolve().parents:
                raise DataError(
                    f"{path}: expected a folder without inputs in it, found {source.path}"
                )
        folder = cls(path, options)
        return folder, folder.admit(sources)

    def admit(self, sources: Sequence[Source]) -> list[Source]:
        """Take in the pictures of a run; returns those to read, under the names they have here.

        To read are new pictures, changed ones, and those that could not be read before. What an
        earlier run wrote of these is removed.
        """
        named = [replace(one, name=self.names.of(one.path, one.below)) for one in sources]
        self.names.save()
        self._stamps = {source.name: _stamp(source.path) for source in named}
        left = [one for one in named if self._done.get(one.name) != self._stamps[one.name]]
        anew = {source.name for source in left}
        with replacing(self.lines) as temporary, temporary.open("wb") as file:
            for record in self._read():
                if record["name"] not in anew:
                    file.write(line_of(record).encode())
        for name in anew:
            self._remove_outputs(name)
        return left

    def _remove_outputs(self, name: str) -> None:
        (self.path / f"{name}.png").unlink(missing_ok=True)
        openface_path(self.path / TABLES[ResultFormat.OPENFACE], name).unlink(missing_ok=True)
        n_faces = 0
        while self.points_path(name, n_faces + 1).exists():
            n_faces += 1
        for place in range(n_faces, 0, -1):  # a kill between two leaves no gap
            self.points_path(name, place).unlink()

    def _read(self) -> Iterator[Record]:
        """The whole lines; a torn last one is no line."""
        if not self.lines.is_file():
            return
        lines = read_text(self.lines).split("\n")[:-1]  # splitlines() parts at other signs, too
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                record["name"], record["file"], record["file_stamp"]
            except (ValueError, RecursionError, TypeError, KeyError) as error:
                raise DataError(
                    f"{self.lines}: line {number}: expected the result of a picture; "
                    "choose another folder, or remove it"
                ) from error
            yield record

    def points_path(self, name: str, place: int) -> Path:
        """Where the points of a picture's face go; its first face, number 1, has its own name."""
        return self.path / f"{name}{'' if place == 1 else f'_{place}'}.pts"

    def add(self, record: Record, formats: Collection[ResultFormat]) -> None:
        """Take the result of one picture that was admitted; it is on disk when this returns."""
        name = record["name"]
        of_file = {"file": self.names.file(name), "file_stamp": self._stamps[name]}
        record = {**record, **of_file}
        if ResultFormat.PTS in formats:
            for place, face in enumerate(record.get("faces", []), start=1):
                target = self.points_path(name, place)
                make_folder(target.parent)
                save_pts(target, np.array(face["points_xy"]))
        with (
            system_errors(self.lines, "cannot be written"),
            self.lines.open("ab", buffering=0) as file,  # one write: a line is whole or absent
        ):
            file.write(line_of(record).encode())

    def finish(self, formats: Collection[ResultFormat], scheme: LandmarkScheme) -> list[Path]:
        """Write the tables of all results, those of earlier runs anew; returns the files."""
        written = [self.lines]
        for kind, name in TABLES.items():
            path = self.path / name
            if kind in formats or path.exists():
                records = list(self._read())
                write_table(kind, path, records, scheme, certainty=self._has_certainty)
                written.append(path)
        return written


def is_result_folder(path: Path) -> bool:
    """Whether a run left its results here; pictures in it are no inputs."""
    return (path / OPTIONS).is_file()


def check_options(
    folder: FilePath, noted: str, options: Mapping[str, Any], leave_out: Collection[str] = ()
) -> None:
    """Raise DataError where a folder's results were made with other options; says which.

    Args:
        folder: for messages.
        noted: the content of its ``run.json``.
        options: of this run.
        leave_out: names of options that may differ.
    """
    try:
        before = dict(json.loads(noted))
    except (ValueError, RecursionError, TypeError) as error:
        raise DataError(f"{folder}: expected the options of a run in {OPTIONS}") from error
    for name in dict.fromkeys([*options, *before]):
        was, wanted = (json.dumps(values.get(name)) for values in (before, options))
        if was != wanted and name not in leave_out:
            raise DataError(
                f"{folder}: holds results of other options ({name}: {was}, now {wanted}); "
                "choose another folder, or remove it"
            )


def _stamp(path: Path) -> list[int]:
    """Of a file: bytes, and the time of its last change in nanoseconds."""
    try:
        found = path.stat()
    except OSError:  # gone since it was found; reading it will say so
        return [0, 0]
    return [found.st_size, found.st_mtime_ns]


def _is_free(path: Path) -> bool:
    """Whether there is nothing, or an empty folder; what a killed run began counts as nothing."""
    if not path.is_dir():
        return not path.exists()
    return all(file.name.startswith(".") and file.suffix == ".part" for file in path.iterdir())


def line_of(record: Record) -> str:
    """One line of JSON; in ASCII where a file's name is no proper text."""
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(record)
    return text + "\n"
