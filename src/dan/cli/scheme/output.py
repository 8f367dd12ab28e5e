"""What ``dan scheme`` writes, and how it counts points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.core.types import ColourImage, FilePath, FloatArray
    from dan.schemes import LandmarkScheme


def check_out(out: Sequence[Path] | None, inputs: Iterable[FilePath]) -> None:
    """Refuse, before the work, what cannot be written."""
    from dan.core.files import check_outputs

    for path in out or ():
        if path.suffix not in (".png", ".toml", ".txt"):
            raise ConfigError(f"{path}: expected a name that ends in .png, .toml or .txt")
    check_outputs(out or (), inputs)


def write_scheme(
    out: Iterable[Path],
    scheme: LandmarkScheme,
    positions: FloatArray | None,
    picture: Callable[[], ColourImage],
) -> None:
    """Write each file as its suffix says."""
    from dan.core.files import write_text
    from dan.core.images import write_png
    from dan.schemes import render_mirror, render_scheme

    for path in out:
        if path.suffix == ".png":
            write_png(path, picture())
        elif path.suffix == ".toml":
            write_text(path, render_scheme(scheme, positions))
        else:
            write_text(path, render_mirror(scheme))


def ranges(points: Sequence[int]) -> str:
    """``0-3, 7`` for 0, 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for point in points:
        if runs and point == runs[-1][-1] + 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
