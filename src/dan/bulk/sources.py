"""From the words of a command line to picture files."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dan.errors import DataError
from dan.images import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"}
)


@dataclass(frozen=True)
class Source:
    """One picture file.

    Attributes:
        path: the file.
        name: unique among the sources, with ``/`` between folders and without suffix unless two
            files differ in nothing else; results are named by it.
    """

    path: Path
    name: str


def find_sources(inputs: Iterable[str]) -> list[Source]:
    """Picture files, folders of them (at any depth) and patterns such as ``'trip/*.jpg'``.

    Files given by name come in the given order, those of a folder or pattern by name. A file that
    is given twice counts once.

    Raises:
        DataError: naming the input that is missing, or holds no pictures.
    """
    found: dict[Path, Path] = {}  # the file -> its path below the folder that was given
    for given in inputs:
        for path, below in _files_of(given):
            found.setdefault(path.resolve(), below)
    paths = [Path(path) for path in found]
    stems = [below.with_suffix("").as_posix() for below in found.values()]
    names = _told_apart(stems, [below.as_posix() for below in found.values()])
    return [Source(path, name) for path, name in zip(paths, names, strict=True)]


def _files_of(given: str) -> Sequence[tuple[Path, Path]]:
    path = Path(given)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise DataError(f"{given}: expected pictures in the folder, found none")
        return [(file, file.relative_to(path)) for file in files]
    if path.exists():
        return [(path, Path(path.name))]
    matches = sorted(glob.glob(given, recursive=True)) if glob.has_magic(given) else []  # noqa: PTH207  absolute patterns too
    if not matches:
        raise DataError(f"{given}: expected a picture, a folder or a pattern, found none")
    return [pair for match in matches for pair in _files_of_match(Path(match))]


def _files_of_match(path: Path) -> Sequence[tuple[Path, Path]]:
    if path.is_dir():
        return [] if not any(path.rglob("*")) else _files_of(str(path))
    return [(path, Path(path.name))] if path.suffix.lower() in IMAGE_SUFFIXES else []


def _told_apart(stems: Sequence[str], with_suffix: Sequence[str]) -> list[str]:
    """Stems; where two are alike, with their suffix; where those are alike too, numbered."""
    often = Counter(stem.casefold() for stem in stems)
    names = [
        full if often[stem.casefold()] > 1 else stem
        for stem, full in zip(stems, with_suffix, strict=True)
    ]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name.casefold()] += 1
        if seen[name.casefold()] > 1:
            names[place] = f"{name}-{seen[name.casefold()]}"
    return names
