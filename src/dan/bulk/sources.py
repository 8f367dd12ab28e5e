"""From the words of a command line to picture files."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dan.bulk.names import ResultNames, identity
from dan.core.errors import DataError
from dan.core.image_files import is_image_name
from dan.video.reader import VIDEO_SUFFIXES


@dataclass(frozen=True)
class Source:
    """One picture file.

    Attributes:
        path: the file, as it was given or found.
        below: its path below the folder that was given.
        name: of its results, with ``/`` between folders; see :class:`dan.bulk.names.ResultNames`.
    """

    path: Path
    below: Path
    name: str


def find_sources(inputs: Iterable[str], leave_out: Path | None = None) -> list[Source]:
    """Picture files, folders of them (at any depth) and patterns such as ``'trip/*.jpg'``.

    Files given by name come in the given order, those of a folder or pattern by name. A file that
    is given twice counts once, a link to it is another file.

    Args:
        inputs: paths and patterns, at least one.
        leave_out: folder whose pictures are not taken where they are found in another.

    Raises:
        DataError: naming the input that is missing, holds no pictures, or is a video.
    """
    found: dict[Path, tuple[Path, Path]] = {}  # identity -> as given, below the folder given
    for given in inputs:
        try:
            for path, below in _files_of(given, leave_out):
                found.setdefault(identity(path), (path, below))
        except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, a loop of links
            if isinstance(error, DataError):
                raise
            reason = error.strerror if isinstance(error, OSError) else error
            raise DataError(f"{given}: cannot be looked up: {reason}") from error
    if not found:
        raise DataError("expected pictures to read, got no input at all")
    names = ResultNames()
    return [Source(path, below, names.of(path, below)) for path, below in found.values()]


def in_shard(sources: Iterable[Source], number: int, of: int) -> list[Source]:
    """Those that fall to one of several machines, which share out the same pictures.

    Which one is decided by the path below the folder that was given alone: it stays the same when
    pictures are added, and on every machine.

    Args:
        number: of the shard, 1 and up.
        of: how many there are.
    """

    def place(source: Source) -> int:
        digest = hashlib.sha256(source.below.as_posix().encode(errors="surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % of

    return [source for source in sources if place(source) == number - 1]


def is_video(given: str) -> bool:
    """Whether this is a video file, by its name."""
    return Path(given).suffix.lower() in VIDEO_SUFFIXES and Path(given).is_file()


def _files_of(given: str, leave_out: Path | None) -> Sequence[tuple[Path, Path]]:
    """Files and their paths below the folder that was given."""
    if not given:  # pathlib would take it for the current folder
        raise DataError("expected pictures to read, got an empty name")
    path = Path(given)
    if path.is_dir():
        files = [(file, file.relative_to(path)) for file in _pictures_in(path, leave_out)]
        if not files:
            raise DataError(f"{given}: expected pictures in the folder, found none")
        return files
    if path.is_file():
        if is_video(given):
            raise DataError(f"{given}: expected pictures, got a video; give it alone")
        return [(path, Path(path.name))]
    matches = sorted(glob.glob(given, recursive=True)) if glob.has_magic(given) else []  # noqa: PTH207  absolute patterns too
    files = [pair for match in matches for pair in _files_of_match(Path(match), leave_out)]
    if not files:
        raise DataError(f"{given}: expected a picture, a folder or a pattern, found none")
    return files


def _files_of_match(path: Path, leave_out: Path | None) -> Sequence[tuple[Path, Path]]:
    if path.is_dir():
        return [(file, file.relative_to(path)) for file in _pictures_in(path, leave_out)]
    return [(path, Path(path.name))] if _is_picture(path) else []


def _pictures_in(folder: Path, leave_out: Path | None) -> Iterator[Path]:
    """Picture files at any depth, by path."""
    for path in sorted(folder.rglob("*")):
        if _is_picture(path) and (leave_out is None or leave_out not in path.resolve().parents):
            yield path


def _is_picture(path: Path) -> bool:
    """By its name; and no folder, pipe or device, which may be called so, too."""
    return is_image_name(path) and path.is_file()
