"""The folder of a bulk run: what there is to do, and a Parquet file for each part that is done.

``tasks.jsonl`` names the pictures, a line for each task; ``run.json``, written after it, says with
which options; ``parts/part-NNNNNNNN.parquet`` holds the rows of a task, and is the whole record of
it: a task is done where its part exists. Parts appear whole or not at all, so a run may be killed
anywhere, and two that do the same task write the same file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dan.bulk.result_folder import check_options
from dan.bulk.runs.parts import Part, part_bytes
from dan.bulk.runs.pictures import pictures_of
from dan.bulk.runs.places import Place, reason_of
from dan.bulk.runs.tasks import Task
from dan.bulk.worker import AlignBatch
from dan.core.errors import DataError
from dan.core.files import make_folder, replacing

RUN, TASKS, PARTS = "run.json", "tasks.jsonl", "parts"
FORMAT = 1


@dataclass(frozen=True)
class TaskLine:
    """Where a task stands in ``tasks.jsonl``: all that travels to a worker.

    Attributes:
        number: of the task.
        offset: of its line, bytes.
        size: likewise.
    """

    number: int
    offset: int
    size: int


class RunFolder:
    """See the module.

    Args:
        place: path or URI.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = Place.of(place)

    def prepare(self, options: Mapping[str, Any], tasks: Iterable[Task]) -> None:
        """Begin a run, or go on with one of the same options, whose list of pictures stays.

        Args:
            options: all that decides what the results are.
            tasks: taken only where there is no list yet.

        Raises:
            DataError: if there is something else in the folder, or results of other options.
        """
        noted = self.place / RUN
        options = {"bulk_format": FORMAT, **options}
        if noted.kind():
            check_options(self.place.shown, self._content(noted), options)
            return
        if (self.place / PARTS).names():
            raise DataError(f"{self.place.shown}: expected a new place, or one to go on with")
        lines = (task.line() for task in tasks)
        if self.place.is_local:
            _write_lines(Path(self.place.path), lines)
        else:
            (self.place / TASKS).write(b"".join(lines))
        noted.write((json.dumps(options, indent=2) + "\n").encode())

    def lines(self) -> Iterator[TaskLine]:
        """Every task, in order."""
        tasks = self.place / TASKS
        offset = 0
        with tasks.files.open_input_stream(tasks.path, buffer_size=1 << 20) as file:
            for number, size in enumerate(_sizes_of_lines(file)):
                yield TaskLine(number, offset, size)
                offset += size

    def left(self) -> list[TaskLine]:
        """The tasks that are not done."""
        return self.left_and_done()[0]

    def left_and_done(self) -> tuple[list[TaskLine], int]:
        """Likewise, and how many are done."""
        done = set((self.place / PARTS).names())
        lines = list(self.lines())
        left = [line for line in lines if part_name(line.number) not in done]
        return left, len(lines) - len(left)

    def do(self, line: TaskLine, worker: AlignBatch) -> Part:
        """Do a task, and write its part."""
        started, before = time.perf_counter(), worker.network.counts()
        task = Task.of_line((self.place / TASKS).read(line.offset, line.size))
        pictures = (((one.name, one.file), one.file, one.read) for one in pictures_of(task))
        outcomes = [*worker.align(pictures)]
        rows = [
            {"name": outcome.source[0], "file": outcome.source[1]} | row
            for outcome, row in zip(outcomes, worker.rows_of(outcomes), strict=True)
        ]
        counts = worker.network.counts() - before
        part = Part(
            number=line.number,
            n_pictures=len(rows),
            n_unreadable=sum(row["error"] is not None for row in rows),
            n_faces=sum(len(row["score"] or ()) for row in rows),
            n_runs=counts.n_runs,
            n_crops=counts.n_crops,
            seconds=time.perf_counter() - started,
        )
        scheme = worker.aligner.model.scheme
        (self.place / PARTS / part_name(line.number)).write(part_bytes(rows, scheme.name, part))
        return part

    def remove_remains(self) -> None:
        """Remove what killed workers began to write; to be called when all tasks are done."""
        if self.place.is_local:
            for name in (self.place / PARTS).names():
                if name.startswith(".") and name.endswith(".part"):
                    Path(self.place.path, PARTS, name).unlink(missing_ok=True)

    def _content(self, place: Place) -> str:
        try:
            return place.read().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{place.shown}: cannot be read: {reason_of(error)}") from error


def part_name(number: int) -> str:
    """The file of a task's rows."""
    return f"part-{number:08d}.parquet"


def _write_lines(folder: Path, lines: Iterable[bytes]) -> None:
    """Write the list of tasks as they are found; where none can be, no folder stays behind."""
    make_folder(folder)
    try:
        with replacing(folder / TASKS) as temporary, temporary.open("wb") as file:
            file.writelines(lines)
    except BaseException:
        with suppress(OSError):  # there was something in it
            folder.rmdir()
        raise


def _sizes_of_lines(file: Any) -> Iterator[int]:  # noqa: ANN401 - a file of pyarrow's
    """Sizes of the lines of a file, line ends included."""
    size = 0
    while chunk := file.read(1 << 20):
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield size + end + 1 - start
            size, start = 0, end + 1
        size += len(chunk) - start
