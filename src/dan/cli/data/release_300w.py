"""``dan data 300w``: whether 300-W is complete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from dan.cli.common import console, error_console, tell_passed_over
from dan.cli.options import JsonOption, ReleaseArgument

if TYPE_CHECKING:
    from dan.datasets.release_300w import PartFound


def release_300w(root: ReleaseArgument, *, as_json: JsonOption = False) -> None:
    """Recognise the folders of 300-W, and list what is missing; exit code 1 if anything is."""
    from dan.datasets.release_300w import find_release

    tell_passed_over([root])
    parts = find_release(root)
    if as_json:
        print(
            json.dumps([asdict(part) | {"n_missing": part.n_missing} for part in parts], indent=1)
        )
    else:
        _print(parts)
    for part in parts:
        for path in part.without_points:
            error_console.print(f"{path}: an image without its .pts file")
        for path in part.without_image:
            error_console.print(f"{path}: points without their image")
    if not as_json:
        console.print(
            f"next: dan prepare {root} -o faces.npz, then dan train; test folders stay out"
        )
    if any(part.n_missing or part.without_points or part.without_image for part in parts):
        raise typer.Exit(1)


def _print(parts: Sequence[PartFound]) -> None:
    from rich.table import Table

    from dan.datasets.release_300w import PARTS, SETS

    table = Table("set", "part", "faces", "of", "missing", "found in")
    for name, total in SETS.items():
        own = [part for part in parts if PARTS[part.part][0] == name]
        for part in own:
            row = [part.n_faces, PARTS[part.part][1], part.n_missing]
            where = ", ".join(part.folders) or "not there"
            table.add_row(name, part.part, *map(str, row), where)
        found = sum(part.n_faces for part in own)
        table.add_row(name, "all", str(found), str(total), str(max(total - found, 0)), "")
        table.add_section()
    console.print(table)
