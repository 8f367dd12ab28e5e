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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.errors import ConfigError, FormatError
from dan.files import is_file, read_text
from dan.schemes.registry import SCHEMES
from dan.schemes.scheme import Eyes, LandmarkScheme
from dan.types import FilePath, FloatArray

_ENTRIES = ("name", "points", "flip", "edges", "groups", "eyes", "positions")


@dataclass(frozen=True)
class SchemeFile:
    """What a scheme file says.

    Attributes:
        scheme: the scheme.
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
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"expected TOML: {error}") from error
    unknown = [entry for entry in values if entry not in _ENTRIES]
    if unknown:
        raise FormatError(f"{unknown[0]}: unknown entry; known: {', '.join(_ENTRIES)}")
    name = values.get("name")
    if not isinstance(name, str) or not name:
        raise FormatError(f"name: expected a word, got {name!r}")
    names = _names(values.get("points"))
    points = _Points(names)
    try:
        scheme = LandmarkScheme(
            name=name,
            point_names=names,
            flip_partner=_flip_partner(points, values["flip"]) if "flip" in values else None,
            groups={
                group: points.several(f"groups.{group}", members)
                for group, members in _table("groups", values.get("groups", {})).items()
            },
            edges=points.pairs("edges", values.get("edges", [])),
            eyes=_eyes(points, values["eyes"]) if "eyes" in values else None,
        )
    except ConfigError as error:
        raise FormatError(str(error)) from error
    return SchemeFile(scheme, _positions(values.get("positions"), len(names)))


@dataclass(frozen=True)
class _Points:
    """Finds points by name or index."""

    names: tuple[str, ...]

    def one(self, entry: str, point: Any) -> int:  # noqa: ANN401 - whatever the file has
        if isinstance(point, str) and point in self.names:
            return self.names.index(point)
        is_index = isinstance(point, int) and not isinstance(point, bool)
        if is_index and 0 <= point < len(self.names):
            return int(point)
        raise FormatError(
            f"{entry}: expected the name of a point or an index 0..{len(self.names) - 1}, "
            f"got {point!r}"
        )

    def several(self, entry: str, points: Any) -> tuple[int, ...]:  # noqa: ANN401
        return tuple(self.one(entry, point) for point in _list(entry, points))

    def pairs(self, entry: str, pairs: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401
        found = []
        for pair in _list(entry, pairs):
            indices = self.several(entry, pair)
            if len(indices) != 2:
                raise FormatError(f"{entry}: expected pairs of points, got {pair!r}")
            found.append((indices[0], indices[1]))
        return tuple(found)


def _list(entry: str, value: Any) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, list):
        raise FormatError(f"{entry}: expected a list, got {value!r}")
    return value


def _table(entry: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise FormatError(f"{entry}: expected a table, got {value!r}")
    return value


def _names(points: Any) -> tuple[str, ...]:  # noqa: ANN401
    if isinstance(points, int) and not isinstance(points, bool) and 1 <= points <= 10_000:
        return LandmarkScheme.plain(points).point_names
    if isinstance(points, list) and points and all(isinstance(p, str) and p for p in points):
        return tuple(points)
    raise FormatError(f"points: expected a list of names, or how many, got {points!r:.80}")


def _flip_partner(points: _Points, pairs: Any) -> dict[str, str]:  # noqa: ANN401
    partner: dict[str, str] = {}
    for pair in points.pairs("flip", pairs):
        one, other = (points.names[index] for index in pair)
        for name in {one, other} & partner.keys():
            raise FormatError(f"flip: expected each point in one pair, got {name!r} in two")
        partner |= {one: other, other: one}
    return partner


def _eyes(points: _Points, value: Any) -> Eyes:  # noqa: ANN401
    table = _table("eyes", value)
    unknown = [entry for entry in table if entry not in ("left", "right", "outer_corners")]
    if unknown:
        raise FormatError(f"eyes.{unknown[0]}: unknown; known: left, right, outer_corners")
    left, right = (points.several(f"eyes.{side}", table.get(side)) for side in ("left", "right"))
    if "outer_corners" not in table:
        return Eyes(left, right)
    (corners,) = points.pairs("eyes.outer_corners", [table["outer_corners"]])
    return Eyes(left, right, corners)


def _positions(value: Any, n_points: int) -> npt.NDArray[np.float64] | None:  # noqa: ANN401
    if value is None:
        return None
    try:
        positions = np.array(value, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise FormatError(f"positions: expected x and y of each point: {error}") from error
    if positions.shape != (n_points, 2) or not np.isfinite(positions).all():
        raise FormatError(
            f"positions: expected finite x and y of {n_points} points, got {positions.shape}"
        )
    return positions


def render_scheme(scheme: LandmarkScheme, positions: FloatArray | None = None) -> str:
    """The scheme file of a scheme; :func:`parse_scheme` reads it back.

    Args:
        scheme: any scheme.
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
    """Read a scheme file.

    Raises:
        FormatError: naming the file, if it is missing or malformed.
    """
    text = read_text(path)
    try:
        return parse_scheme(text)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error


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
