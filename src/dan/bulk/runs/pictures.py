"""The pictures of a task, read wherever they are."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from dan.bulk.aligning import in_turn
from dan.bulk.runs.places import Place, reason_of
from dan.bulk.runs.tasks import Task, place_of
from dan.bulk.worker import INPUTS
from dan.core.errors import DanError, ImageError
from dan.core.image_files import is_image_name
from dan.core.images import decode_rgb, read_rgb
from dan.core.types import ColourImage

READERS = 16
"""Pictures that are fetched from afar at a time, by threads that wait for the network."""

ROWS_AT_ONCE = 32
"""Of a table with bytes: pictures in memory."""


@dataclass(frozen=True)
class TaskPicture:
    """A picture of a task.

    Attributes:
        name: below the folder, or in the archive or table, that was given.
        file: path or URI; ``ARCHIVE#MEMBER``, ``TABLE#ROW``.
        read: gives its levels, or raises an ImageError.
    """

    name: str
    file: str
    read: Callable[[], ColourImage]


def pictures_of(task: Task) -> Iterator[TaskPicture]:
    """All pictures of a task, in order; what cannot be opened is a picture that cannot be read."""
    if task.kind == "archive":
        return _of_archive(Place.of(task.root))
    if task.kind == "table":
        return _of_table(Place.of(task.root), *task.rows)
    places = ((name, _shown_place(task.root, name)) for name in task.names)
    is_near = bool(task.root) and _root(task.root).is_local
    return map(_fetch, places) if is_near else _fetched(places)


def _shown_place(root: str, name: str) -> Place | DanError:
    try:
        return _root(root) / name if root else place_of(root, name)
    except DanError as error:
        return error


@lru_cache(maxsize=8)
def _root(root: str) -> Place:
    return Place.of(root)


def _fetched(places: Iterator[tuple[str, Place | DanError]]) -> Iterator[TaskPicture]:
    """Files on disks are left to those that decode them; others are fetched ahead."""
    return in_turn(_readers(), _fetch, places, READERS)


@lru_cache(maxsize=1)
def _readers() -> ThreadPoolExecutor:
    """One pool a process: threads that come and go leave memory behind in the allocator."""
    return ThreadPoolExecutor(READERS, thread_name_prefix="dan-fetch")


def _fetch(named: tuple[str, Place | DanError]) -> TaskPicture:
    name, place = named
    if isinstance(place, DanError):
        return TaskPicture(name, name, partial(_fail, str(place)))
    if place.is_local:
        return TaskPicture(name, place.path, partial(read_rgb, place.path))
    try:
        data = place.read()
    except OSError as error:
        return TaskPicture(name, place.shown, partial(_fail, reason_of(error)))
    return TaskPicture(name, place.shown, partial(decode_rgb, data, place.shown))


def _of_archive(archive: Place) -> Iterator[TaskPicture]:
    """Members are read one after the other, as they lie there."""
    try:
        with (
            archive.files.open_input_stream(archive.path) as stream,
            tarfile.open(fileobj=stream, mode="r|*") as members,
        ):
            for member in members:
                file = f"{archive.shown}#{member.name}"
                if not member.isfile() or not is_image_name(Path(member.name)):
                    continue
                content = members.extractfile(member)
                data = b"" if content is None else content.read()
                yield TaskPicture(member.name, file, partial(decode_rgb, data, file))
    except (OSError, tarfile.TarError, EOFError) as error:
        reason = f"expected a whole archive, pictures are missing: {reason_of(error)}"
        name = PurePosixPath(archive.path).name
        yield TaskPicture(name, archive.shown, partial(_fail, reason))


def _of_table(table: Place, first: int, end: int) -> Iterator[TaskPicture]:
    """Rows ``first`` to ``end - 1``; a damaged table is a row of errors."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = first
    try:
        with table.files.open_input_file(table.path) as file:
            reader = pq.ParquetFile(file)
            names = reader.schema_arrow.names
            content = _input_of(names)
            columns = [content, *(name for name in ("name",) if name in names)]
            rows = _rows(reader, columns, first, end)
            if content == "path":
                named = [_of_path(table, row, values) for row, values in enumerate(rows, first)]
            else:
                named = []
                for values in rows:
                    yield _of_bytes(table, row, values)
                    row += 1
    except (OSError, pa.ArrowException, ImageError) as error:
        for place in range(row, end):
            file = f"{table.shown}#{place}"
            yield TaskPicture(_row_name(table, place), file, partial(_fail, reason_of(error)))
        return
    if named:
        yield from _fetched(iter(named))


def _input_of(names: list[str]) -> str:
    """Which of a table's columns says what the pictures are."""
    for name in INPUTS:
        if name in names:
            return name
    raise ImageError(f"expected a column bytes or path, got {', '.join(names)}")


def _rows(
    reader: Any,  # noqa: ANN401 - pyarrow has no types
    columns: list[str],
    first: int,
    end: int,
) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file; only the row groups that hold them are read."""
    metadata = reader.metadata
    chosen, start, skipped = [], 0, 0
    for group in range(metadata.num_row_groups):
        length = metadata.row_group(group).num_rows
        if start + length <= first:
            skipped += length
        elif start < end:
            chosen.append(group)
        start += length
    place = skipped
    for batch in reader.iter_batches(ROWS_AT_ONCE, row_groups=chosen, columns=columns):
        inside = batch.slice(max(first - place, 0), max(end - max(place, first), 0))
        place += len(batch)
        yield from inside.to_pylist()
        if place >= end:
            return


def _of_bytes(table: Place, row: int, values: dict[str, Any]) -> TaskPicture:
    name, file = values.get("name") or _row_name(table, row), f"{table.shown}#{row}"
    data = values["bytes"]
    if data is None:
        return TaskPicture(str(name), file, partial(_fail, "expected bytes, got none"))
    return TaskPicture(str(name), file, partial(decode_rgb, data, file))


def _of_path(table: Place, row: int, values: dict[str, Any]) -> tuple[str, Place | DanError]:
    """A picture by its URI, or by its path: a relative one starts from the table's folder."""
    path = values["path"]
    name = str(values.get("name") or path or _row_name(table, row))
    if not path:
        return name, ImageError("expected path, got none")
    is_whole = "://" in path or PurePosixPath(path).is_absolute()
    root = "" if is_whole else str(PurePosixPath(table.path).parent)
    folder = Place(table.uri.rpartition("/")[0], table.files, root)
    return name, _shown_place("", path) if is_whole else folder / path


def _row_name(table: Place, row: int) -> str:
    return f"{PurePosixPath(table.path).stem}-{row}"


def _fail(reason: str) -> ColourImage:
    raise ImageError(reason)
