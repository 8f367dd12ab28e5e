"""``dan data convert``: annotations in another form."""

from __future__ import annotations

from dan.cli import options as opt
from dan.cli.common import console, counted, error_console, progress_bar


@opt.with_options
def convert(
    data: opt.SourceArgument,
    out: opt.AnnotationsOption,
    *,
    to: opt.ToOption = None,
    scheme: opt.PointsOption = None,
    to_scheme: opt.ToSchemeOption = None,
    source: opt.SourceOptions,
) -> None:
    """Write annotations in another format, and say what it cannot hold.

    Image names are relative to the folder of the file if the images are below it; otherwise they
    stay as they are. A folder of .pts files or the like gets copies of the images.
    """
    from dan.datasets.annotation_files import files_of, kind_of
    from dan.datasets.formats import convert_annotations
    from dan.datasets.writing import check_targets, count_steps, write_annotations
    from dan.schemes import load_scheme

    target = kind_of(out, to, must_exist=False)
    check_targets([out], [target], [data, *(name for name in (scheme, to_scheme) if name)])
    known, wanted = (load_scheme(name) if name else None for name in (scheme, to_scheme))
    with progress_bar("reading", 1) as on_read:
        faces, root = source.load(data, known, or_boxes=True)
        on_read()
    check_targets([out], [target], files_of(faces, data, root))
    if wanted is not None:
        faces = convert_annotations(faces, wanted)
    with progress_bar("writing", count_steps(target, faces)) as on_step:
        write_annotations(out, target, faces, root, tell=error_console.print, on_step=on_step)
    console.print(
        f"{counted(len(faces), 'face')} of {counted(len(faces.image_names), 'image')}: {out}"
    )
