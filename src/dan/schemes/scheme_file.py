"""Scheme files: a landmark scheme of one's own, as TOML.

::

    name = "corners4"
    points = ["left_eye", "right_eye", "left_mouth", "right_mouth"]
    flip = [["left_eye", "right_eye"], ["left_mouth", "right_mouth"]]
    edges = [["left_eye", "right_eye"], ["left_mouth", "right_mouth"]]
    positions = [[-0.3, -0.3], [0.3, -0.3], [-0.2, 0.3], [0.2, 0.3]]

    [groups]
    eyes = ["left_eye", "right_eye"]

    [eyes]
    left = ["left_eye"]
    right = ["right_eye"]

Points are told by name or by index (from 0). Only ``name`` and ``points`` have to be there:

- ``points``: names, or a number of points, which are then named ``point_0`` and so on.
- ``flip``: pairs that change places in a left-right flip; other points lie on the middle line.
  Without ``flip``, flipping is not defined; an empty list says that all lie on the line.
- ``eyes``: ``left`` and ``right``, the image's, and ``outer_corners``; error figures need them.
- ``positions``: a typical face, any frame, ``x, y`` a point; pictures need it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from dan.core.errors import ConfigError, FormatError
from dan.core.files import is_file, naming, read_text
from dan.core.structs import build_struct
from dan.core.types import FilePath, FloatArray
from dan.schemes.registry import SCHEMES
from dan.schemes.scheme import Eyes, LandmarkScheme

Point = str | int
"""A point's name or index."""

WORDS = {"int | str": "the name of a point or its index"}


class _EyesTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    left: list[Point]
    right: list[Point]
    outer_corners: tuple[Point, Point] | None = None


class _SchemeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scheme file as it stands."""

    name: Annotated[str, Meta(min_length=1)]
    points: (
        Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]
        | Annotated[int, Meta(ge=1, le=10_000)]
    )
    flip: list[tuple[Point, Point]] | None = None
    edges: list[tuple[Point, Point]] = []
    groups: dict[str, list[Point]] = {}
    eyes: _EyesTable | None = None
    positions: list[tuple[float, float]] | None = None


@dataclass(frozen=True)
class SchemeFile:
    """What a scheme file says.

    Attributes:
        positions: (N, 2) float64 a typical face, any frame; None where the file has none.
    """

    scheme: LandmarkScheme
    positions: npt.NDArray[np.float64] | None = None


def parse_scheme(text: str) -> SchemeFile:
    """The scheme that a file's text describes.

    Raises:
        FormatError: naming the entry, what was expected and what came.
    """
    try:
        table = build_struct(_SchemeTable, tomllib.loads(text), WORDS)
        scheme = _scheme(table)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"expected TOML: {error}") from error
    except ConfigError as error:
        raise FormatError(str(error)) from error
    return SchemeFile(scheme, _positions(table.positions, scheme.n_landmarks))


def _scheme(table: _SchemeTable) -> LandmarkScheme:
    names, eyes = table.points, table.eyes
    points = _Points(
        LandmarkScheme.plain(names).point_names if isinstance(names, int) else tuple(names)
    )
    return LandmarkScheme(
        name=table.name,
        point_names=points.names,
        flip_partner=None if table.flip is None else _flip_partner(points, table.flip),
        groups={
            group: points.several(f"groups.{group}", members)
            for group, members in table.groups.items()
        },
        edges=tuple(points.pair("edges", pair) for pair in table.edges),
        eyes=None if eyes is None else _eyes(points, eyes),
    )


@dataclass(frozen=True)
class _Points:
    """Finds points by name or index."""

    names: tuple[str, ...]

    def one(self, entry: str, point: Point) -> int:
        if isinstance(point, str) and point in self.names:
            return self.names.index(point)
        if isinstance(point, int) and 0 <= point < len(self.names):
            return point
        raise FormatError(
            f"{entry}: expected the name of a point or an index 0..{len(self.names) - 1}, "
            f"got {point!r}"
        )

    def several(self, entry: str, points: Sequence[Point]) -> tuple[int, ...]:
        return tuple(self.one(entry, point) for point in points)

    def pair(self, entry: str, pair: tuple[Point, Point]) -> tuple[int, int]:
        return self.one(entry, pair[0]), self.one(entry, pair[1])


def _flip_partner(points: _Points, pairs: Sequence[tuple[Point, Point]]) -> dict[str, str]:
    partner: dict[str, str] = {}
    for pair in pairs:
        one, other = (points.names[index] for index in points.pair("flip", pair))
        for name in {one, other} & partner.keys():
            raise FormatError(f"flip: expected each point in one pair, got {name!r} in two")
        partner |= {one: other, other: one}
    return partner


def _eyes(points: _Points, eyes: _EyesTable) -> Eyes:
    corners = eyes.outer_corners
    return Eyes(
        points.several("eyes.left", eyes.left),
        points.several("eyes.right", eyes.right),
        None if corners is None else points.pair("eyes.outer_corners", corners),
    )


def _positions(
    rows: Sequence[tuple[float, float]] | None, n_points: int
) -> npt.NDArray[np.float64] | None:
    if rows is None:
        return None
    positions = np.array(rows, dtype=np.float64).reshape(-1, 2)
    if len(positions) != n_points or not np.isfinite(positions).all():
        raise FormatError(
            f"positions: expected finite x and y of {n_points} points, got {positions.shape}"
        )
    return positions


def render_scheme(scheme: LandmarkScheme, positions: FloatArray | None = None) -> str:
    """The scheme file of a scheme; :func:`parse_scheme` reads it back.

    Args:
        positions: (N, 2) a typical face, any frame.
    """
    lines = [f"name = {_quoted(scheme.name)}", _listed("points", scheme.point_names, _quoted)]
    mirror = scheme.mirror
    if mirror is not None:
        pairs = [(one, other) for one, other in enumerate(mirror.tolist()) if one < other]
        lines.append(_listed("flip", pairs, lambda pair: _named(scheme, pair)))
    if scheme.edges:
        lines.append(_listed("edges", scheme.edges, lambda pair: _named(scheme, pair)))
    if positions is not None:
        rounded = np.round(np.asarray(positions, dtype=np.float64), 4) + 0.0
        lines.append(_listed("positions", rounded.tolist(), str))
    if scheme.groups:
        lines += ["", "[groups]"]
        lines += [
            f"{_quoted(group)} = {_named(scheme, points)}"
            for group, points in scheme.groups.items()
        ]
    if scheme.eyes is not None:
        eyes = scheme.eyes
        lines += ["", "[eyes]", f"left = {_named(scheme, eyes.left)}"]
        lines += [f"right = {_named(scheme, eyes.right)}"]
        if eyes.outer_corners is not None:
            lines += [f"outer_corners = {_named(scheme, eyes.outer_corners)}"]
    return "\n".join(lines) + "\n"


def _listed(entry: str, values: Sequence[Any], shown: Callable[[Any], str]) -> str:
    return "\n".join([f"{entry} = [", *(f"    {shown(value)}," for value in values), "]"])


def _named(scheme: LandmarkScheme, points: Sequence[int]) -> str:
    return "[" + ", ".join(_quoted(scheme.point_names[point]) for point in points) + "]"


def _quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = "".join(
        f"\\{letter}"
        if letter in '"\\'
        else letter
        if letter.isprintable()
        else f"\\U{ord(letter):08x}"
        for letter in text
    )
    return f'"{escaped}"'


def load_scheme_file(path: FilePath) -> SchemeFile:
    """Read a scheme file."""
    with naming(path):
        return parse_scheme(read_text(path))


def load_scheme(name_or_path: FilePath) -> LandmarkScheme:
    """A scheme by its name, or from a scheme file.

    Raises:
        ConfigError: if it is neither a known name nor a file.
        FormatError: naming the file, if it is malformed.
    """
    if str(name_or_path) in SCHEMES:
        return SCHEMES[str(name_or_path)]
    if not is_file(name_or_path) and Path(name_or_path).suffix != ".toml":
        raise ConfigError(
            f"scheme: expected one of {', '.join(SCHEMES)}, or a scheme file, got {name_or_path}"
        )
    return load_scheme_file(name_or_path).scheme
