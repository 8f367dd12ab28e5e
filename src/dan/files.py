"""Files read with one clear line on failure, and written whole or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dan.errors import DataError, FormatError
from dan.types import FilePath


def read_text(path: FilePath) -> str:
    r"""The text of a UTF-8 file; line ends become ``\n``, a byte order mark is dropped.

    Raises:
        FormatError: naming the file, if it is missing, unreadable or not text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected text, got bytes that are not UTF-8") from error


def read_bytes(path: FilePath) -> bytes:
    """The bytes of a file.

    Raises:
        FormatError: naming the file, if it is missing or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from error


def is_file(path: FilePath) -> bool:
    """Whether there is such a file; what cannot be a path (too long, a NUL in it) is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def make_folder(path: FilePath) -> None:
    """Make a folder and those above it; one that is there stays as it is.

    Raises:
        DataError: naming it, if it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be made: {error.strerror or error}") from error


@contextmanager
def replacing(path: FilePath) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes the place of ``path``.

    If the body raises, ``path`` stays as it was and the temporary file is removed.

    Raises:
        DataError: naming ``path``, if it cannot be written (no such folder, no space, no right).
    """
    path = Path(path)
    # The name is cut short: with the rest it must not be longer than a file's name may be.
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def building_folder(path: FilePath) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it becomes ``path``.

    If the body raises, Ctrl-C included, nothing is left behind.

    Raises:
        DataError: if ``path`` exists and is not an empty folder, or cannot be made.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise DataError(f"{path}: expected a new or empty folder; choose another, or remove it")
    target = path.resolve()  # "." and ".." have no name, and a link cannot be replaced by a folder
    temporary = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be made: {error.strerror or error}") from error
    try:
        yield temporary
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: FilePath, data: bytes) -> None:
    """Write a whole file or nothing."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: FilePath, text: str) -> None:
    r"""Write a whole UTF-8 file or nothing, with ``\n`` line ends on every system."""
    write_bytes(path, text.encode())
