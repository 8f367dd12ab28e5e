"""What the formats share: one kind of error, tables, numbers in bulk."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from dan.core.errors import ConfigError, DataError, FormatError, ShapeError

MAX_SHOWN = 60
"""Letters of a file's content that a message repeats at most."""


def shown(value: object) -> str:
    """``value`` as a message shows it: one line, cut short."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what an :class:`AnnotationSet` or a scheme says of bad content into a FormatError."""
    try:
        yield
    except (ConfigError, DataError, ShapeError) as error:
        raise FormatError(str(error)) from error


def as_bytes(data: bytes | str) -> bytes:
    """UTF-8 bytes without byte order mark.

    Raises:
        FormatError: if a text holds half a surrogate pair, which UTF-8 cannot.
    """
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            raise FormatError("expected text that UTF-8 can hold") from error
    return data.removeprefix(b"\xef\xbb\xbf")


def as_text(data: bytes | str) -> str:
    r"""Text without byte order mark, line ends ``\n``.

    Raises:
        FormatError: if the bytes are not UTF-8.
    """
    try:
        text = as_bytes(data).decode()
    except UnicodeDecodeError as error:
        raise FormatError("expected text, got bytes that are not UTF-8") from error
    return text.replace("\r\n", "\n")


def number_rows(
    rows: list[list[str]], places: list[int], n_columns: int
) -> npt.NDArray[np.float64]:
    """(rows, columns) numbers of words; an empty word, as ``nan``, is NaN.

    Args:
        rows: words, ``n_columns`` a row.
        places: the line of each row in the file, for messages.
        n_columns: how many columns, for files without rows.

    Raises:
        FormatError: naming the line, if a word is not a number, or infinite.
    """
    try:
        values = np.array(rows, dtype=np.float64).reshape(len(rows), n_columns)
    except ValueError:
        values = np.array([_numbers(*row) for row in zip(rows, places, strict=True)])
    infinite = np.isinf(values).any(axis=1)
    if infinite.any():
        row = int(np.argmax(infinite))
        word = rows[row][int(np.argmax(np.isinf(values[row])))]
        raise FormatError(f"line {places[row]}: expected finite numbers, got {shown(word)}")
    return values


def _numbers(words: list[str], place: int) -> list[float]:
    values = []
    for word in words:
        try:
            values.append(float(word or "nan"))
        except ValueError:
            raise FormatError(f"line {place}: expected a number, got {shown(word)}") from None
    return values


def csv_rows(data: bytes | str) -> tuple[list[str], list[list[str]], list[int]]:
    """Heading, rows of words and their lines in a CSV file; empty lines are skipped.

    Raises:
        FormatError: naming the line, if the heading is missing, quotes do not close, or a row has
            another number of columns than the heading.
    """
    reader = csv.reader(io.StringIO(as_text(data), newline=""), strict=True)
    rows: list[list[str]] = []
    places: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                places.append(reader.line_num)
    except csv.Error as error:
        raise FormatError(f"line {reader.line_num}: expected CSV: {error}") from error
    if not rows:
        raise FormatError("expected a heading, got an empty file")
    for row, place in zip(rows, places, strict=True):
        if len(row) != len(rows[0]):
            raise FormatError(
                f"line {place}: expected {len(rows[0])} columns as in the heading, got {len(row)}"
            )
    return rows[0], rows[1:], places[1:]


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    r"""CSV, quoted where needed, with ``\n`` line ends."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def check_first_pixel(first_pixel: int) -> None:
    """Raise ConfigError unless a file's count of pixels starts at 0 or 1."""
    if first_pixel not in (0, 1):
        raise ConfigError(f"first_pixel: expected 0 or 1, got {first_pixel!r}")
