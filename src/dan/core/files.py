"""Files read with one clear line on failure, and written whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dan.core.errors import DataError, FormatError
from dan.core.types import FilePath


def read_text(path: FilePath) -> str:
    r"""The text of a UTF-8 file; line ends become ``\n``, a byte order mark is dropped.

    Raises:
        FormatError: naming the file, if it is missing, unreadable or not text.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected text, got bytes that are not UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: FilePath) -> bytes:
    """The content of a file."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror}") from error


@contextmanager
def naming(path: FilePath) -> Iterator[None]:
    """Put the file's name in front of each FormatError of the body."""
    try:
        yield
    except FormatError as error:
        if str(error).startswith(f"{path}: "):  # the file could not even be opened
            raise
        raise FormatError(f"{path}: {error}") from error


@contextmanager
def system_errors(path: FilePath, what: str) -> Iterator[None]:
    """Turn the system's errors in the body into a DataError: ``PATH: cannot be made: reason``."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: {what}: {error.strerror or error}") from error


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
    with system_errors(path, "cannot be made"):
        Path(path).mkdir(parents=True, exist_ok=True)


def check_outputs(outputs: Iterable[FilePath], inputs: Iterable[FilePath] = ()) -> None:
    """Refuse, before any work, files that cannot be written, or that are read by the same command.

    Args:
        inputs: what is read; links of both kinds count as the file that they lead to. Folders, and
            what does not exist, are no such file.

    Raises:
        DataError: naming the output, and the input that it would overwrite.
    """
    there: dict[tuple[int, int], FilePath] = {}
    seen: dict[Path, FilePath] = {}
    for path in outputs:
        _check_writable(path)
        twin = seen.setdefault(Path(path).resolve(), path)
        if twin is not path:
            raise DataError(f"expected different files to write, got {twin} and {path}")
        key = _identity(path)
        if key is not None:
            there[key] = path
    if not there:  # then the inputs, of which there may be many, need no look
        return
    for path in inputs:
        key = _identity(path)
        if key in there:
            raise DataError(
                f"{there[key]}: expected another file than the input {path}, "
                "which would be overwritten"
            )


def check_output_folder(path: FilePath) -> None:
    """Refuse, before any work, a folder that cannot be made or written to."""
    folder = Path(path)
    with system_errors(path, "cannot be made"):
        if folder.exists() and not folder.is_dir():
            raise DataError(f"{path}: expected a folder to write to, got a file")
        above = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise DataError(f"{path}: cannot be made: {above} is no folder that can be written to")


def check_new_folder(path: FilePath) -> None:
    """Refuse, before any work, a folder that is not new or empty, or that cannot be made."""
    folder = Path(path)
    with system_errors(path, "cannot be made"):
        is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free:
        raise DataError(f"{path}: expected a new or empty folder; choose another, or remove it")
    check_output_folder(path)


def _check_writable(path: FilePath) -> None:
    """A file can be written there: in a folder that exists, and it is no folder itself."""
    file = Path(path)
    with system_errors(path, "cannot be written"):
        if file.is_dir() or not file.parent.is_dir():
            raise DataError(f"{path}: expected a file in a folder that exists")
        file.exists()  # a name may be too long
    if not os.access(file.parent, os.W_OK):
        raise DataError(f"{path}: cannot be written: {file.parent}: Permission denied")


def _identity(path: FilePath) -> tuple[int, int] | None:
    """What all links to a file have in common; None where there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - takes names that cannot be paths, too
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


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
        with system_errors(path, "cannot be written"):
            yield temporary
            temporary.replace(path)
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
    check_new_folder(path)
    target = path.resolve()  # "." and ".." have no name, and a link cannot be replaced by a folder
    temporary = target.with_name(f".{target.name}.partial-{secrets.token_hex(4)}")
    with system_errors(path, "cannot be made"):
        temporary.mkdir(parents=True)
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


def write_inside(folder: Path, name: str, data: bytes) -> None:
    """Write a file of a folder under construction: plainly, in half of ``Path.write_bytes``'s time.

    It is the folder that appears whole or not at all; see :func:`building_folder`.
    """
    with open(f"{folder}/{name}", "wb", buffering=0) as file:  # noqa: PTH123 - pathlib is slower
        while data:
            data = data[file.write(data) :]


def write_text(path: FilePath, text: str) -> None:
    r"""Write a whole UTF-8 file or nothing, with ``\n`` line ends on every system."""
    write_bytes(path, text.encode())
