"""What the results of a file are called: one name for ever, and no two files share one."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath

from dan.core.errors import DataError
from dan.core.files import make_folder, read_text, write_text

NAMES = "names.json"

OUTPUT_SUFFIXES = (".pts", ".png", ".csv", ".jsonl", ".parquet", ".mp4")
"""Of the files that are written under a name."""

_SECOND_FACE = re.compile(r"(.+)_(?:[2-9]|[1-9]\d+)")  # as ResultFolder names their files


class ResultNames:
    """The names under which results of files are kept, remembered in ``names.json``.

    A file is known by its absolute path; links count as files of their own. It is named by its path
    below the folder that was given, without suffix; where that could meet another file's results,
    with its suffix, then numbered. A second face's points are called ``NAME_2``, so ``a_2`` may
    not be the name of one file while ``a`` is that of another. Names that differ in case or
    in the way accents are encoded count as alike, as they do on some file systems.

    ``names.json`` holds ``files_from``, the folder that relative paths start from (itself relative
    to the folder of results), and ``files``, name -> path.

    Args:
        folder: of the results; None: nothing is remembered.

    Raises:
        DataError: if ``names.json`` is damaged.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = None if folder is None else folder.resolve()
        self._start = Path.cwd()
        self._names: dict[Path, str] = {}
        self._files: dict[str, str] = {}
        self._taken: set[str] = set()
        self._has_numbered: set[str] = set()
        if folder is not None and (folder / NAMES).is_file():
            self._load(folder / NAMES)

    def _load(self, path: Path) -> None:
        try:
            values = json.loads(read_text(path))
            self._start = Path(os.path.normpath(path.parent.resolve() / values["files_from"]))
            files = {str(name): str(file) for name, file in values["files"].items()}
        except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{path}: expected the names of results; choose another folder, or remove it"
            ) from error
        for name, file in files.items():
            self._take(name, identity(self._start / file), file)

    def of(self, path: Path, wish: PurePath) -> str:
        """The name of a file; a new one where the file has none yet.

        Args:
            wish: the path, with suffix, that a new name is made of.
        """
        file = identity(path)
        if file not in self._names:
            name = next(name for name in _candidates(wish) if self._is_free(name))
            as_given = path if self._start == Path.cwd() else _relative(file, self._start)
            self._take(name, file, str(as_given))
        return self._names[file]

    def file(self, name: str) -> str:
        """The path of a named file, from ``files_from``."""
        return self._files[name]

    def save(self) -> None:
        """Remember all names; to be called before anything is written under a new one."""
        if self.folder is None:
            return
        start = str(_relative(self._start, self.folder))
        values = {"files_from": start, "files": self._files}
        write_text(self.folder / NAMES, json.dumps(values, indent=1) + "\n")

    def _take(self, name: str, file: Path, as_given: str) -> None:
        self._names[file] = name
        self._files[name] = as_given
        self._taken.add(_key(name))
        if numbered := _SECOND_FACE.fullmatch(_key(name)):
            self._has_numbered.add(numbered[1])

    def _is_free(self, name: str) -> bool:
        key = _key(name)
        numbered = _SECOND_FACE.fullmatch(key)
        if key in self._taken or key in self._has_numbered:
            return False
        if numbered is not None and numbered[1] in self._taken:
            return False
        return self.folder is None or not any(
            os.path.lexists(f"{self.folder}/{name}{suffix}") for suffix in OUTPUT_SUFFIXES
        )


def name_video_files(folder: Path, video: Path, suffixes: Iterable[str]) -> list[Path]:
    """The files that a video's results go to, named after it; the folder is made."""
    make_folder(folder)
    names = ResultNames(folder)
    stem = folder / names.of(video, Path(video.name))
    names.save()
    return [stem.with_name(f"{stem.name}{suffix}") for suffix in suffixes]


def identity(path: Path) -> Path:
    """The absolute path of a file: two files never share one, a link and its target have two."""
    path = path.absolute()
    # Only the file system knows where ".." leads from a folder that is a link.
    return path.parent.resolve() / path.name if ".." in path.parts else path


def _candidates(wish: PurePath) -> Iterator[str]:
    """``in/a``, ``in/a.jpg``, ``in/a.jpg-2`` and so on."""
    # A folder must not be called as the file of a result may be.
    folders = [f"{part}_" if part.endswith(OUTPUT_SUFFIXES) else part for part in wish.parts[:-1]]
    yield "/".join([*folders, wish.stem])
    full = "/".join([*folders, wish.name])
    yield full
    number = 2
    while True:
        yield f"{full}-{number}"
        number += 1


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _relative(path: Path, start: Path) -> Path:
    """From one folder to a path, or the path itself where there is no way (other drives)."""
    try:
        return Path(os.path.relpath(path, start))
    except ValueError:
        return path
