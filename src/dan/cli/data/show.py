"""``dan data show``: annotated faces on a sheet."""

from __future__ import annotations

from pathlib import Path

from dan.cli import options as opt
from dan.cli.common import console, progress_bar, tell_left_out
from dan.core.errors import ConfigError


@opt.with_options
def show(
    data: opt.SourceArgument,
    out: opt.PictureOption = Path("faces.png"),
    *,
    count: opt.CountOption = 40,
    columns: opt.ColumnsOption = 8,
    seed: opt.SeedOption = 1,
    source: opt.SourceOptions,
) -> None:
    """Draw some annotated faces on a sheet."""
    from dan.core.files import check_outputs
    from dan.core.images import write_png
    from dan.datasets.annotation_files import files_of
    from dan.datasets.formats.annotations import WITHOUT_POINTS
    from dan.datasets.suspects_page import draw_some, drawable_faces

    if out.suffix != ".png":
        raise ConfigError(f"{out}: expected a name that ends in .png")
    check_outputs([out], [data])
    shown = source.load_to_check(data)
    n_faces = len(shown.annotations)
    check_outputs([out], files_of(shown.annotations, data, shown.root))
    drawable = drawable_faces(shown)
    n_drawn = min(count, len(drawable))
    with progress_bar("drawing", n_drawn) as on_face:
        sheet = draw_some(shown, n_drawn, columns=columns, seed=seed, on_face=on_face)
    write_png(out, sheet)
    tell_left_out([WITHOUT_POINTS] * (n_faces - len(drawable)))
    console.print(f"{n_drawn} of {n_faces} faces: {out}")
