"""The landmarks of a dlib XML file in bulk: runs of plain ``<part>`` elements.

Nearly all of such a file is rows of ``<part name='00' x='1' y='2'/>``. An XML parser that hands
each of them to Python takes ten times as long as the rest. So they are cut out before, but only
where the bytes between ``<box ...>`` and ``</box>`` are **exactly** such rows, all with the same
quotes and the same white space between them; anything else stays in, for the XML parser to judge.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dan.errors import FormatError
from dan.formats.reading import json_numbers

_BLOCK = 64  # boxes whose letters fit into the processor's cache
_NUMBER_LETTERS = b"0123456789.-"
_WHITE = b" \t\r\n"
# "<part name='07' x='1' y='2'/>" -> " ,107   , 1   , 2 ", after "e='" became ",1", for JSON does
# not know numbers such as 07. A digit anywhere but between the quotes is no JSON then.
_AS_JSON = bytes.maketrans(b"xy='\"", b",,   ")
_DROPPED = bytes(
    letter for letter in range(256) if letter not in _NUMBER_LETTERS + _WHITE + b"xy='\","
)
MAX_DIGITS = 9
"""Digits of a landmark's number that :func:`name_code` takes."""


@dataclass
class PartRuns:
    """What :func:`cut_parts` found.

    Attributes:
        skeleton: the file without the runs; their line ends stay, so that lines count the same.
        run_at: byte of a ``<box`` in the skeleton -> its run.
        codes: of each run, :func:`name_code` of the landmarks' names, as the bytes of an int64
            array: most runs have the same, and bytes can be compared at once.
        points: of each run, (n, 2) float64 as in the file.
    """

    skeleton: bytes
    run_at: dict[int, int] = field(default_factory=dict)
    codes: list[bytes] = field(default_factory=list)
    points: list[npt.NDArray[np.float64]] = field(default_factory=list)


def name_code(digits: str) -> int:
    """A number that tells names of up to 9 digits apart, zeros in front included."""
    return int("1" + digits)


def code_name(code: int) -> str:
    """The name that :func:`name_code` took."""
    return str(code)[1:]


def cut_parts(data: bytes) -> PartRuns:
    """Part the runs of plain ``<part>`` elements from the rest of an XML file."""
    runs = PartRuns(b"")
    kept: list[bytes] = []
    done = size = 0
    for block in _blocks(data):
        bodies = [data[start:end] for _, start, end in block]
        for (box, start, end), body, run in zip(block, bodies, _read_bodies(bodies), strict=True):
            if run is None:
                continue
            runs.run_at[size + box - done] = len(runs.codes)
            runs.codes.append(run[0])
            runs.points.append(run[1])
            kept += [data[done:start], b"\n" * body.count(b"\n")]
            size += len(kept[-2]) + len(kept[-1])
            done = end
    kept.append(data[done:])
    runs.skeleton = b"".join(kept)
    return runs


def _blocks(data: bytes) -> Iterator[list[tuple[int, int, int]]]:
    block = []
    for place in _bodies(data):
        block.append(place)
        if len(block) == _BLOCK:
            yield block
            block = []
    yield block


def _bodies(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where boxes begin, and from where to where their content goes."""
    position = 0
    while (box := data.find(b"<box", position)) >= 0:
        start = data.find(b">", box) + 1
        if not start:
            return
        position = start
        if data[start - 2 : start] == b"/>":
            continue
        end = data.find(b"</box>", start)
        if end < 0:
            return
        position = end
        yield box, start, end


_Run = tuple[bytes, npt.NDArray[np.float64]]


def _read_bodies(bodies: list[bytes]) -> list[_Run | None]:
    runs: list[_Run | None] | None = _read_block(bodies) if bodies else []
    if runs is not None:
        return runs
    # Some box of the block is of another kind: find out which.
    singles = [_read_block([body]) for body in bodies]
    return [None if single is None else single[0] for single in singles]


def _read_block(bodies: list[bytes]) -> list[_Run | None] | None:
    """The runs of several boxes, or None if one of them is not exactly a run of parts."""
    bodies = [body.strip() for body in bodies]
    counts = [body.count(b"<part ") for body in bodies]
    first = bodies[0]
    between = first[first.find(b"/>") + 2 : first.find(b"<part", 1)] if counts[0] > 1 else b""
    quote = first[11:12]
    if not min(counts) or between.strip() or quote not in (b"'", b'"'):
        return None
    joined = between.join(bodies)
    unit = b"<part name='' x='' y=''/>".replace(b"'", quote)
    letters = (unit + between) * (sum(counts) - 1) + unit
    if joined.translate(None, _NUMBER_LETTERS) != letters:
        return None
    array = joined.replace(b"e=" + quote, b",1").translate(_AS_JSON, _DROPPED)
    try:
        values = json_numbers(b"[0 " + array + b"]")[1:].reshape(-1, 3)
    except (FormatError, ValueError):
        return None  # such as x='', x='1-2', x='007': for the XML parser
    names, points = values[:, 0], values[:, 1:].copy()
    codes = names.astype(np.int64)
    if (codes != names).any() or codes.min() < 10 or codes.max() >= 2 * 10**MAX_DIGITS:
        return None
    ends = np.cumsum(counts).tolist()
    return [(codes[a:b].tobytes(), points[a:b]) for a, b in pairwise([0, *ends])]
