"""``dan scheme``: what landmarks are: known schemes, one's own, and mirrors found from faces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from dan.cli.common import console, error_console, tell_left_out
from dan.cli.options import JsonOption, SourceArgument, SourceOptions, with_source_options
from dan.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.core.types import ColourImage, FilePath, FloatArray
    from dan.schemes import LandmarkScheme, MirrorFit

app = typer.Typer(help="Landmark schemes: list, show, infer a mirror.", no_args_is_help=True)

OutOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--out",
        "-o",
        help="File to write: a picture (.png), a scheme file (.toml) or a mirror file (.txt); "
        "may be given several times.",
    ),
]


@app.command("list")
def list_schemes(*, as_json: JsonOption = False) -> None:
    """Name the schemes that are known."""
    from dan.schemes import SCHEMES, SUMMARIES

    if as_json:
        rows = [
            {"name": name, "points": scheme.n_landmarks, "summary": SUMMARIES[name]}
            for name, scheme in SCHEMES.items()
        ]
        print(json.dumps(rows))
        return
    table = Table("scheme", "points", "flips", "what")
    for name, scheme in SCHEMES.items():
        flips = "no" if scheme.mirror is None else "yes"
        table.add_row(name, str(scheme.n_landmarks), flips, SUMMARIES[name])
    console.print(table)


@app.command("show")
def show(
    scheme: Annotated[str, typer.Argument(help="A name, or a scheme file (.toml).")],
    out: OutOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Print or draw one scheme."""
    from dan.drawing.diagrams import draw_scheme
    from dan.schemes import SCHEMES, load_scheme, load_scheme_file

    _check_out(out, [scheme])
    found = load_scheme(scheme)
    positions = _typical_face(found) if scheme in SCHEMES else load_scheme_file(scheme).positions

    def picture() -> ColourImage:
        if positions is None:
            raise ConfigError(
                f"{scheme}: expected positions to draw, found none; a scheme file may give them"
            )
        return draw_scheme(found, positions)

    _write(out, found, positions, picture)
    if as_json:
        print(json.dumps(found.to_dict() | {"conversions": _conversions(found)}))
        return
    table = Table("group", "points", title=f"{found.name}: {found.n_landmarks} points")
    for group, points in found.groups.items():
        table.add_row(group, _ranges(points))
    console.print(table)
    mirror = found.mirror
    if mirror is None:
        console.print("flip: not defined")
    else:
        middle = [point for point, other in enumerate(mirror.tolist()) if point == other]
        console.print(
            f"flip: {(len(mirror) - len(middle)) // 2} pairs; on the middle line: "
            f"{_ranges(middle) or 'none'}"
        )
    if found.eyes is None:
        console.print("eyes: not known; errors by the box diagonal only")
    else:
        corners = found.eyes.outer_corners
        console.print(
            f"eyes: {_ranges(found.eyes.left)} and {_ranges(found.eyes.right)}, outer corners "
            f"{'not among the points' if corners is None else f'{corners[0]} and {corners[1]}'}"
        )
    console.print(f"converts to: {', '.join(_conversions(found)) or 'none'}")


@app.command("infer")
@with_source_options
def infer(
    data: SourceArgument,
    out: OutOption = None,
    *,
    source: SourceOptions,
    name: Annotated[
        str | None, typer.Option(help="Name of the scheme that is written; default pointsN.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find which points change places in a left-right flip, from the annotations alone."""
    from dataclasses import replace

    import numpy as np

    from dan.drawing.diagrams import draw_mirror_fit
    from dan.schemes import LandmarkScheme, fit_mirror

    _check_out(out, [data])
    points, given, files = _load_points(data, source)
    _check_out(out, files)
    try:
        fit = fit_mirror(points)
    except DataError as error:
        raise DataError(f"{data}: {error}") from error
    base = given or LandmarkScheme.plain(len(fit.mirror))
    if base.mirror is not None and (differs := int(np.sum(base.mirror != fit.mirror))):
        error_console.print(
            f"{data}: says {base.name}, whose flip partners differ at {differs} points; "
            "its names, groups and eyes are left out"
        )
        base = LandmarkScheme.plain(len(fit.mirror))
    names = base.point_names
    partners = {names[one]: names[other] for one, other in enumerate(fit.mirror.tolist())}
    scheme = replace(base, name=name or base.name, flip_partner=partners)
    if as_json:
        print(json.dumps(_as_values(fit)))
    else:
        _print_fit(fit, scheme)
    wanted = [path for path in out or [] if path.suffix == ".png" or not fit.is_weak]
    _write(wanted, scheme, fit.shape, lambda: draw_mirror_fit(fit))
    if fit.is_weak:
        raise DataError(
            f"{data}: the evidence is too weak, no scheme is written: "
            f"{int(fit.doubtful.sum())} of {len(fit.mirror)} points are doubtful, the residual is "
            f"{100 * fit.rms_residual:.1f} % of the face; give more faces, turned to both sides"
        )
    if fit.doubtful.any():
        doubtful = [point for point, doubt in enumerate(fit.doubtful.tolist()) if doubt]
        error_console.print(f"doubtful, check them: {_ranges(doubtful)}")
        raise typer.Exit(1)


def _load_points(
    data: Path, source: SourceOptions
) -> tuple[FloatArray, LandmarkScheme | None, Iterable[Path]]:
    """(F, N, 2) points of any kind or of a face pack, their scheme if known, and their files."""
    from dan.datasets.annotation_files import files_of
    from dan.datasets.pack import load_pack

    if data.suffix == ".npz":
        pack = load_pack(data)
        return pack.points, pack.scheme, ()
    faces, root = source.load(data)
    tell_left_out(faces.why_unusable())
    return faces.points[faces.usable], faces.scheme, files_of(faces, data, root)


def _print_fit(fit: MirrorFit, scheme: LandmarkScheme) -> None:
    table = Table("point", "partner", "residual", "margin", "support", "", title="% of the face")
    for one, other in enumerate(fit.mirror.tolist()):
        if one <= other:
            pair = [one, other]
            table.add_row(
                f"{one} {scheme.point_names[one]}",
                "middle line" if one == other else f"{other} {scheme.point_names[other]}",
                f"{100 * fit.residuals[pair].max():.1f}",
                f"{100 * fit.margins[pair].min():.1f}",
                f"{100 * fit.support[pair].min():.0f} %",
                "doubtful" if fit.doubtful[pair].any() else "",
            )
    console.print(table)
    console.print(
        f"{fit.n_faces} faces, residual {100 * fit.rms_residual:.1f} % of the face; "
        "margin: how much farther off the next best partner is; "
        "support: how often resampled faces say the same"
    )


def _as_values(fit: MirrorFit) -> dict[str, Any]:
    return {
        "mirror": fit.mirror.tolist(),
        "residuals": fit.residuals.round(5).tolist(),
        "margins": fit.margins.round(5).tolist(),
        "support": fit.support.tolist(),
        "doubtful": fit.doubtful.tolist(),
        "rms_residual": round(fit.rms_residual, 5),
        "is_weak": fit.is_weak,
        "n_faces": fit.n_faces,
    }


def _typical_face(scheme: LandmarkScheme) -> FloatArray | None:
    """(N, 2) the drawn face of the synthetic data, where face68 converts to the scheme."""
    from dan.datasets.synthetic import template_shape
    from dan.schemes import FACE68, convert_points

    try:
        return convert_points(template_shape(), FACE68, scheme)
    except ConfigError:
        return None


def _conversions(scheme: LandmarkScheme) -> list[str]:
    from dan.schemes import SCHEMES, conversion_path

    names = []
    for name, target in SCHEMES.items():
        try:
            if conversion_path(scheme, target):
                names.append(name)
        except ConfigError:
            continue
    return names


def _check_out(out: Sequence[Path] | None, inputs: Iterable[FilePath]) -> None:
    """Refuse, before the work, what cannot be written."""
    from dan.core.files import check_outputs

    for path in out or ():
        if path.suffix not in (".png", ".toml", ".txt"):
            raise ConfigError(f"{path}: expected a name that ends in .png, .toml or .txt")
    check_outputs(out or (), inputs)


def _write(
    out: Sequence[Path] | None,
    scheme: LandmarkScheme,
    positions: FloatArray | None,
    picture: Callable[[], ColourImage],
) -> None:
    from dan.core.files import write_text
    from dan.core.images import write_png
    from dan.schemes import render_mirror, render_scheme

    for path in out or ():
        if path.suffix == ".png":
            write_png(path, picture())
        elif path.suffix == ".toml":
            write_text(path, render_scheme(scheme, positions))
        else:
            write_text(path, render_mirror(scheme))


def _ranges(points: Sequence[int]) -> str:
    """``0-3, 7`` for 0, 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for point in points:
        if runs and point == runs[-1][-1] + 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
