"""``dan data stats``: how many faces, of which sizes, turned how far."""

from __future__ import annotations

import json

from dan.cli import options as opt
from dan.cli.common import console, counted, error_console, tell_left_out
from dan.core.errors import ConfigError


@opt.with_options
def stats(
    data: opt.SourceArgument,
    out: opt.HistogramsOption = None,
    *,
    as_json: opt.JsonOption = False,
    source: opt.SourceOptions,
) -> None:
    """Count faces, and show their sizes and poses."""
    from rich.table import Table

    from dan.core.files import check_outputs
    from dan.datasets.annotation_files import files_of
    from dan.datasets.statistics import PERCENTILES, Statistics, plot_statistics

    if out is not None and out.suffix != ".png":
        raise ConfigError(f"{out}: expected a name that ends in .png")
    outputs = [] if out is None else [out]
    check_outputs(outputs, [data])
    faces, root = source.load(data)
    check_outputs(outputs, files_of(faces, data, root))
    figures = Statistics.of(faces)
    values = figures.to_dict()
    if as_json:
        print(json.dumps(values, indent=1))
    else:
        console.print(
            f"{counted(figures.n_faces, 'face')} of {figures.n_landmarks} landmarks "
            f"({figures.scheme}) in {counted(figures.n_images, 'image')}; "
            f"the figures are of {figures.n_usable}"
        )
        table = Table("percentile", *map(str, PERCENTILES))
        for title in figures.distributions():
            table.add_row(title, *(f"{value:g}" for value in values[title]))  # type: ignore[attr-defined]
        console.print(table)
    tell_left_out(faces.why_unusable())
    if out is not None:
        if plot_statistics(out, figures) is None:
            raise ConfigError("this picture needs matplotlib: pip install '.[plot]'")
        error_console.print(f"written: {out}")
