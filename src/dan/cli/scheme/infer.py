"""``dan scheme infer``: flip partners found from faces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from dan.cli import options as opt
from dan.cli.common import console, error_console
from dan.cli.scheme.output import check_out, ranges, write_scheme
from dan.core.errors import DataError

if TYPE_CHECKING:
    from dan.schemes import LandmarkScheme, MirrorFit


@opt.with_options
def infer(
    data: opt.SourceArgument,
    out: opt.SchemeOutOption = None,
    *,
    name: opt.SchemeNameOption = None,
    as_json: opt.JsonOption = False,
    source: opt.SourceOptions,
) -> None:
    """Find which points swap places in a left-right flip, from the annotations alone."""
    from dan.drawing.diagrams import draw_mirror_fit
    from dan.schemes import fit_mirror

    check_out(out, [data])
    points, given, files = source.load_points(data)
    check_out(out, files)
    try:
        fit = fit_mirror(points)
    except DataError as error:
        raise DataError(f"{data}: {error}") from error
    if given is not None and (differs := fit.differs_from(given)):
        error_console.print(
            f"{data}: says {given.name}, whose flip partners differ at {differs} points; "
            "its names, groups and eyes are left out"
        )
        given = None
    scheme = fit.scheme(given, name)
    if as_json:
        print(json.dumps(fit.to_dict()))
    else:
        _print(fit, scheme)
    wanted = [path for path in out or [] if path.suffix == ".png" or not fit.is_weak]
    write_scheme(wanted, scheme, fit.shape, lambda: draw_mirror_fit(fit))
    if fit.is_weak:
        raise DataError(
            f"{data}: the evidence is too weak, no scheme is written: "
            f"{int(fit.doubtful.sum())} of {len(fit.mirror)} points are doubtful, the residual is "
            f"{100 * fit.rms_residual:.1f} % of the face; give more faces, turned to both sides"
        )
    if fit.doubtful.any():
        doubtful = [point for point, doubt in enumerate(fit.doubtful.tolist()) if doubt]
        error_console.print(f"doubtful, check them: {ranges(doubtful)}")
        raise typer.Exit(1)


def _print(fit: MirrorFit, scheme: LandmarkScheme) -> None:
    from rich.table import Table

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
