"""What a bulk run has to do: its sources, listed once, as numbered tasks of some pictures each."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from dan.bulk.runs.places import Place, reason_of
from dan.core.errors import DataError
from dan.core.image_files import is_image_name

TABLE_SUFFIXES = (".parquet", ".pq")
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class Task:
    """A part of the pictures, and of the results.

    Attributes:
        kind: ``files``: the ``names`` below ``root``; ``table``: rows of a Parquet file;
            ``archive``: all pictures in a tar file.
        root: URI or absolute path; of files, the folder that was given, or "".
        names: of files.
        rows: of a table, first and behind the last.
    """

    kind: Literal["files", "table", "archive"]
    root: str
    names: tuple[str, ...] = ()
    rows: tuple[int, int] = (0, 0)

    @classmethod
    def of_line(cls, line: bytes) -> Task:
        """The task of a line of JSON."""
        return cls(**json.loads(line))

    def line(self) -> bytes:
        """The task as a line of JSON: ASCII, as the names of files need not be text."""
        return json.dumps(asdict(self)).encode() + b"\n"


def list_tasks(sources: Iterable[str], part_size: int) -> Iterator[Task]:
    """The tasks of sources, in their order, folders by name; they are found as they are taken.

    Args:
        sources: pictures, Parquet tables and tar archives, folders of these (at any depth) and
            patterns; paths or URIs (patterns are paths). A table has a column ``bytes`` or
            ``path``. ``@FILE`` is a list: a path or URI a line.
        part_size: pictures a task; an archive is one task, whatever it holds.

    Raises:
        DataError: naming a source that is not there or holds no pictures.
    """
    for given in sources:
        is_empty = True
        for task in _tasks_of(given, part_size):
            is_empty = False
            yield task
        if is_empty:
            raise DataError(f"{given.partition('?')[0]}: expected pictures, found none")


def _tasks_of(given: str, part_size: int) -> Iterator[Task]:
    if given.startswith("@"):
        yield from _files("", _lines(given[1:]), part_size)
        return
    if "://" not in given and not Path(given).exists() and glob.has_magic(given):
        matches = sorted(glob.iglob(given, recursive=True))  # noqa: PTH207  absolute patterns too
        files = (str(Path(one).absolute()) for one in matches if Path(one).is_file())
        yield from _sorted_out("", files, part_size)
        return
    place = Place.of(given)
    kind = place.kind()
    if not kind:
        raise DataError(f"{place.shown}: expected pictures, a table or an archive, found nothing")
    if kind == "folder":
        yield from _sorted_out(place.uri, place.walk(), part_size)
    elif is_image_name(Path(place.path)) or not _is_many(place.path):
        yield Task("files", "", (place.uri,))
    else:
        yield from _sorted_out("", [place.uri], part_size)


def _sorted_out(root: str, names: Iterable[str], part_size: int) -> Iterator[Task]:
    """Tasks of the pictures among some files, and of the tables and archives."""

    def pictures() -> Iterator[str]:
        for name in names:
            if is_image_name(Path(name)):
                yield name
            elif _is_many(name):
                many.append(name)

    many: list[str] = []
    yield from _files(root, pictures(), part_size)
    for name in many:
        place = place_of(root, name)
        if place.path.lower().endswith(ARCHIVE_SUFFIXES):
            yield Task("archive", place.uri)
        else:
            n_rows = _length_of(place)
            for first in range(0, n_rows, part_size):
                yield Task("table", place.uri, rows=(first, min(first + part_size, n_rows)))


def _files(root: str, names: Iterable[str], part_size: int) -> Iterator[Task]:
    left = iter(names)
    while chosen := tuple(islice(left, part_size)):
        yield Task("files", root, chosen)


def place_of(root: str, name: str) -> Place:
    """A file of a task."""
    return Place.of(root) / name if root else Place.of(name)


def _is_many(name: str) -> bool:
    return name.partition("?")[0].lower().endswith((*TABLE_SUFFIXES, *ARCHIVE_SUFFIXES))


def _lines(path: str) -> Iterator[str]:
    """The lines of a list, without empty ones; relative paths start from here, as in a shell."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            for line in file:
                if name := line.strip():
                    yield name if "://" in name else str(Path(name).absolute())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a list of pictures: {reason_of(error)}") from error


def _length_of(table: Place) -> int:
    """Rows of a Parquet file, by its footer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with table.files.open_input_file(table.path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{table.shown}: expected a Parquet file: {reason_of(error)}") from error
