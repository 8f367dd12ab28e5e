"""The data type of a landmark scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from dan.core.errors import ConfigError


@dataclass(frozen=True)
class Eyes:
    """The points from which eye distances are taken; "left" is the image's left.

    Attributes:
        left: indices whose mean is the centre of the eye on the image's left.
        right: likewise on the image's right.
        outer_corners: index of the left eye's outer corner, of the right eye's; None where the
            scheme has no such points.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    outer_corners: tuple[int, int] | None = None


@dataclass(frozen=True)
class LandmarkScheme:
    """Names, groups, edges and left-right partners of N landmarks.

    Attributes:
        name: short identifier, such as ``face68``.
        point_names: N unique names, in the order of the points.
        flip_partner: name of a point -> name of the point that takes its place after a left-right
            flip. Points on the middle line may be left out; they are, once the scheme is made.
            None: flipping is not defined.
        groups: name of a part of the face -> indices of its points.
        edges: pairs of indices joined by a line in drawings.
        eyes: None where the scheme does not know the eyes; then errors can be normalised by the
            box diagonal only.

    Raises:
        ConfigError: if names repeat, partners are not mutual, or an index is out of range.
    """

    name: str
    point_names: tuple[str, ...]
    flip_partner: Mapping[str, str] | None = None
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    edges: tuple[tuple[int, int], ...] = ()
    eyes: Eyes | None = None

    def __post_init__(self) -> None:
        if not self.point_names:
            raise ConfigError(f"scheme {self.name}: expected at least 1 point, got none")
        if len(set(self.point_names)) != len(self.point_names):
            raise ConfigError(f"scheme {self.name}: expected unique point names")
        partners = self.flip_partner or {}
        for point, partner in partners.items():
            if point not in self.point_names or partners.get(partner) != point:
                raise ConfigError(
                    f"scheme {self.name}: expected mutual flip partners, "
                    f"got {point!r} -> {partner!r} -> {partners.get(partner)!r}"
                )
        if self.flip_partner is not None:  # one form only, so that equal schemes are equal
            others = {point: partner for point, partner in partners.items() if point != partner}
            object.__setattr__(self, "flip_partner", others)
        used = [index for group in self.groups.values() for index in group]
        used += [index for edge in self.edges for index in edge]
        if self.eyes is not None:
            used += [*self.eyes.left, *self.eyes.right, *(self.eyes.outer_corners or ())]
            if not (self.eyes.left and self.eyes.right):
                raise ConfigError(f"scheme {self.name}: expected at least 1 point of each eye")
        if used and not 0 <= min(used) <= max(used) < self.n_landmarks:
            raise ConfigError(
                f"scheme {self.name}: expected indices 0..{self.n_landmarks - 1}, "
                f"got {min(used)}..{max(used)}"
            )

    @classmethod
    def plain(cls, n_landmarks: int) -> LandmarkScheme:
        """``n_landmarks`` points of which nothing is known, flipping included."""
        return cls(f"points{n_landmarks}", _numbered(n_landmarks))

    @classmethod
    def from_mirror(cls, mirror: Sequence[int]) -> LandmarkScheme:
        """A scheme that knows its flip partners only.

        Args:
            mirror: N indices; place ``i`` is taken by landmark ``mirror[i]`` after a flip.

        Raises:
            ConfigError: if the indices are not a permutation that is its own inverse.
        """
        indices = [int(index) for index in mirror]
        if sorted(indices) != list(range(len(indices))):
            raise ConfigError(f"mirror: expected each of 0..{len(indices) - 1} once, got {indices}")
        names = _numbered(len(indices))
        partner = {names[place]: names[index] for place, index in enumerate(indices)}
        return cls(f"points{len(indices)}", names, partner)

    @property
    def n_landmarks(self) -> int:
        """How many points."""
        return len(self.point_names)

    @cached_property
    def mirror(self) -> npt.NDArray[np.int64] | None:
        """(N,) indices: place ``i`` is taken by landmark ``mirror[i]`` after a left-right flip."""
        if self.flip_partner is None:
            return None
        index_of = {name: index for index, name in enumerate(self.point_names)}
        partners = [self.flip_partner.get(name, name) for name in self.point_names]
        return np.array([index_of[partner] for partner in partners], dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain tuples and dicts, for JSON; :meth:`from_dict` reads them back."""
        import msgspec

        entries: dict[str, Any] = msgspec.to_builtins(self)
        return entries

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LandmarkScheme:
        """The scheme that :meth:`to_dict` described.

        Raises:
            ConfigError: if an entry is missing or of another kind.
        """
        import msgspec

        try:
            scheme = msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            if isinstance(error.__cause__, ConfigError):
                raise error.__cause__ from None
            raise ConfigError(
                f"scheme: expected the entries of a landmark scheme: {error}"
            ) from None
        for entry in fields(cls):
            if entry.name not in values:
                raise ConfigError(f"scheme: expected the entry {entry.name}, found none")
        return scheme


def _numbered(n_landmarks: int) -> tuple[str, ...]:
    width = len(str(max(n_landmarks - 1, 0)))
    return tuple(f"point_{index:0{width}d}" for index in range(n_landmarks))
