"""Schemes told by their parts: names, indices and edges follow from the groups."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from dan.core.errors import ConfigError
from dan.schemes.scheme import Eyes, LandmarkScheme


def grouped_scheme(
    name: str,
    groups: Mapping[str, Sequence[int]],
    *,
    closed: Collection[str] = (),
    partners: Iterable[tuple[Sequence[int], Sequence[int]]],
    eyes: Eyes,
) -> LandmarkScheme:
    """A scheme whose groups hold each point once, in the order in which they are joined.

    Args:
        groups: part of the face -> indices along its line. A point is called by its group and its
            place there, such as ``jaw_0``, or by its group alone where that has no other.
        closed: groups whose last point is joined to the first.
        partners: rows of points, and of those that take their places in a flip. A point in none
            of them lies on the middle line.

    Raises:
        ConfigError: if the groups do not hold each of 0..N-1 once.
    """
    name_of = {
        index: group if len(indices) == 1 else f"{group}_{place}"
        for group, indices in groups.items()
        for place, index in enumerate(indices)
    }
    members = sorted(index for indices in groups.values() for index in indices)
    if members != [*range(len(members))]:
        raise ConfigError(f"scheme {name}: expected each of 0..{len(members) - 1} in one group")
    pairs = [pair for row in partners for pair in zip(*row, strict=True)]
    pairs += [(partner, point) for point, partner in pairs]
    return LandmarkScheme(
        name=name,
        point_names=tuple(name_of[index] for index in members),
        flip_partner={name_of[point]: name_of[partner] for point, partner in pairs},
        groups={group: tuple(indices) for group, indices in groups.items()},
        edges=tuple(edge for group in groups for edge in _line(groups[group], group in closed)),
        eyes=eyes,
    )


def _line(indices: Sequence[int], is_closed: bool) -> list[tuple[int, int]]:
    edges = [*pairwise(indices)]
    return [*edges, (indices[-1], indices[0])] if is_closed else edges


def part_of(scheme: LandmarkScheme, points: Sequence[int], name: str) -> LandmarkScheme:
    """The scheme of some of the points, which keep their names.

    Args:
        points: indices of those that stay, in their new order.

    Raises:
        ConfigError: if a point stays without its flip partner, or an eye stays in part.
    """
    new_of = {old: new for new, old in enumerate(points)}
    names = tuple(scheme.point_names[old] for old in points)

    def moved(indices: Iterable[int]) -> tuple[int, ...]:
        return tuple(new_of[old] for old in indices if old in new_of)

    groups = {group: moved(indices) for group, indices in scheme.groups.items()}
    partners = scheme.flip_partner
    eyes = scheme.eyes
    return LandmarkScheme(
        name=name,
        point_names=names,
        flip_partner=None
        if partners is None
        else {point: partners[point] for point in names if point in partners},
        groups={group: indices for group, indices in groups.items() if indices},
        edges=tuple((new_of[a], new_of[b]) for a, b in scheme.edges if {a, b} <= new_of.keys()),
        eyes=None
        if eyes is None
        else Eyes(
            moved(eyes.left),
            moved(eyes.right),
            None
            if eyes.outer_corners is None
            else (new_of[eyes.outer_corners[0]], new_of[eyes.outer_corners[1]]),
        ),
    )
