"""``dan scheme show``: one scheme, printed or drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dan.cli.common import console
from dan.cli.options import JsonOption, SchemeArgument, SchemeOutOption
from dan.cli.scheme.output import check_out, ranges, write_scheme
from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.core.types import ColourImage
    from dan.schemes import LandmarkScheme


def show(
    scheme: SchemeArgument, out: SchemeOutOption = None, *, as_json: JsonOption = False
) -> None:
    """Print or draw one scheme."""
    from dan.datasets.synthetic import typical_face
    from dan.drawing.diagrams import draw_scheme
    from dan.schemes import SCHEMES, load_scheme, load_scheme_file
    from dan.schemes.conversions import targets_of

    check_out(out, [scheme])
    found = load_scheme(scheme)
    positions = typical_face(found) if scheme in SCHEMES else load_scheme_file(scheme).positions

    def picture() -> ColourImage:
        if positions is None:
            raise ConfigError(
                f"{scheme}: expected positions to draw, found none; a scheme file may give them"
            )
        return draw_scheme(found, positions)

    write_scheme(out or (), found, positions, picture)
    conversions = [target.name for target in targets_of(found, SCHEMES.values())]
    if as_json:
        print(json.dumps(found.to_dict() | {"conversions": conversions}))
    else:
        _print(found, conversions)


def _print(scheme: LandmarkScheme, conversions: list[str]) -> None:
    from rich.table import Table

    table = Table("group", "points", title=f"{scheme.name}: {scheme.n_landmarks} points")
    for group, points in scheme.groups.items():
        table.add_row(group, ranges(points))
    console.print(table)
    mirror = scheme.mirror
    if mirror is None:
        console.print("flip: not defined")
    else:
        middle = [point for point, other in enumerate(mirror.tolist()) if point == other]
        console.print(
            f"flip: {(len(mirror) - len(middle)) // 2} pairs; on the middle line: "
            f"{ranges(middle) or 'none'}"
        )
    if scheme.eyes is None:
        console.print("eyes: not known; errors by the box diagonal only")
    else:
        corners = scheme.eyes.outer_corners
        console.print(
            f"eyes: {ranges(scheme.eyes.left)} and {ranges(scheme.eyes.right)}, outer corners "
            f"{'not among the points' if corners is None else f'{corners[0]} and {corners[1]}'}"
        )
    console.print(f"converts to: {', '.join(conversions) or 'none'}")
