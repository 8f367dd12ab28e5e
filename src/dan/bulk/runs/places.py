"""Files on disks and in buckets alike, by path or URI, through ``pyarrow.fs``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from dan.core.errors import DataError
from dan.core.files import make_folder, write_bytes
from dan.core.parquet import need_pyarrow

OBJECT_STORES = ("s3", "gcs", "abfs")
"""Here an object appears whole or not at all; elsewhere files are moved into place."""


S3_OPTIONS = frozenset({"endpoint_override", "region", "scheme"})

CONNECT_S, READ_S = 10.0, 60.0
"""Seconds without an answer until a bucket is asked again. AWS's default of 3 for reading turns an
object that is slow to come into one that cannot be read."""

BUCKETS = ("s3", "gs", "gcs")
"""Schemes whose URIs begin with a bucket."""


@dataclass(frozen=True)
class Place:
    """A file or folder, wherever it is.

    Attributes:
        uri: as it was given, an absolute path where it is on a disk; with what opens it, such as
            ``?endpoint_override=…``.
        files: a ``pyarrow.fs.FileSystem``.
        path: within it.
    """

    uri: str
    files: Any
    path: str

    @classmethod
    def of(cls, given: str | Path) -> Place:
        """The place of a path, or of a URI of any kind that pyarrow or fsspec opens.

        Raises:
            ConfigError: if pyarrow is not installed.
            DataError: naming the URI, if nothing opens it.
        """
        need_pyarrow()
        given = str(given)
        if "://" not in given:
            path = str(Path(given).absolute())
            return cls(path, _local(), path)
        parts = urlsplit(given)
        if "@" in parts.netloc:
            raise DataError(
                f"{parts.scheme}://…@{parts.netloc.rpartition('@')[2]}: expected no keys in a URI, "
                "which is noted in the results; give them as the environment's"
            )
        if parts.scheme in BUCKETS:  # a client is dear, and serves the whole bucket
            files, _ = _opened(urlunsplit((parts.scheme, parts.netloc, "", parts.query, "")))
            return cls(given, files, f"{parts.netloc}{unquote(parts.path)}".rstrip("/"))
        files, path = _opened(given)
        return cls(given, files, path.rstrip("/"))

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk."""
        return bool(self.files.type_name == "local")

    @property
    def shown(self) -> str:
        """The URI without what opens it, or the path: for people, and for the rows."""
        return self.uri.partition("?")[0].rstrip("/") if "://" in self.uri else self.uri

    def __truediv__(self, name: str) -> Place:
        """A file or folder in this folder."""
        head, mark, options = self.uri.partition("?") if "://" in self.uri else (self.uri, "", "")
        below = quote(name) if "://" in head else name
        return Place(
            f"{head.rstrip('/')}/{below}{mark}{options}", self.files, f"{self.path}/{name}"
        )

    def kind(self) -> str:
        """``file``, ``folder`` or, where nothing is there, ````."""
        from pyarrow import fs

        with self._naming("cannot be looked up"):
            found = self.files.get_file_info(self.path).type
        return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(found, "")

    def names(self) -> list[str]:
        """Names of the files in this folder, in order; none where it is not there."""
        return [name for name, is_folder in self._entries() if not is_folder]

    def walk(self) -> Iterator[str]:
        """Paths of all files below this folder, at any depth, in order; links are not followed."""
        for name, is_folder in self._entries():
            if is_folder:
                yield from (f"{name}/{below}" for below in (self / name).walk())
            else:
                yield name

    def _entries(self) -> list[tuple[str, bool]]:
        from pyarrow import fs

        with self._naming("cannot be listed"):
            if self.is_local:
                if not Path(self.path).is_dir():
                    return []
                with os.scandir(self.path) as found:
                    return sorted((one.name, one.is_dir(follow_symlinks=False)) for one in found)
            entries = self.files.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted((one.base_name, one.type == fs.FileType.Directory) for one in entries)

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """The content, or a stretch of it.

        Raises:
            OSError: as the file system says.
        """
        with self.files.open_input_file(self.path) as file:
            return bytes(file.read_at(file.size() - offset if size is None else size, offset))

    def write(self, data: bytes) -> None:
        """Write a whole file or nothing, its folder too."""
        if self.is_local:
            make_folder(Path(self.path).parent)
            write_bytes(self.path, data)
            return
        with self._naming("cannot be written"):
            folder, _, name = self.path.rpartition("/")
            if self.files.type_name in OBJECT_STORES:
                target = self.path
            else:
                self.files.create_dir(folder)
                target = f"{folder}/.{name}.part"
            with self.files.open_output_stream(target) as file:
                file.write(data)
            if target != self.path:
                self.files.move(target, self.path)

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"{self.shown}: {what}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """What a file system says, in one line."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).strip().splitlines()[0]


@lru_cache(maxsize=1)
def _local() -> Any:  # noqa: ANN401 - pyarrow has no types
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


@lru_cache(maxsize=16)
def _opened(uri: str) -> tuple[Any, str]:
    """A file system, and the path in it."""
    from pyarrow.fs import FileSystem

    try:
        if uri.startswith("s3://"):
            return _s3(uri)
        files, path = FileSystem.from_uri(uri)
    except (OSError, ValueError) as error:
        return _by_fsspec(uri, error)
    return files, str(path)


def _s3(uri: str) -> tuple[Any, str]:
    """As ``FileSystem.from_uri`` opens it, but with patience."""
    from pyarrow.fs import S3FileSystem, resolve_s3_region

    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    if unknown := options.keys() - S3_OPTIONS:
        wanted = ", ".join(sorted(S3_OPTIONS))
        raise ValueError(f"expected {wanted} behind the ?, got {', '.join(sorted(unknown))}")
    if not options.keys() & {"region", "endpoint_override"}:
        options["region"] = resolve_s3_region(parts.netloc)
    waits = {"connect_timeout": CONNECT_S, "request_timeout": READ_S}
    return S3FileSystem(**options, **waits), parts.netloc


def _by_fsspec(uri: str, reason: Exception) -> tuple[Any, str]:
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(uri)
    except (ImportError, ValueError, OSError) as error:
        why = reason if isinstance(error, ImportError) else error
        raise DataError(
            f"{uri.partition('?')[0]}: expected a place that pyarrow or fsspec opens: "
            f"{reason_of(why)}"
        ) from error
    return PyFileSystem(FSSpecHandler(files)), path


def check_apart_from(out: Place, sources: Iterable[str]) -> None:
    """Refuse results in a folder that is read.

    Raises:
        DataError: naming both.
    """
    for source in map(Place.of, sources):
        if f"{_whole(out)}/".startswith(f"{_whole(source)}/"):
            raise DataError(
                f"{out.shown}: expected a place outside of {source.shown}, which is read"
            )


def _whole(place: Place) -> str:
    return str(Path(place.path).resolve()) if place.is_local else place.shown
