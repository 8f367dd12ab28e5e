"""``dan data split``: a data set cut in two."""

from __future__ import annotations

from dan.cli import options as opt
from dan.cli.common import console, counted, error_console, progress_bar
from dan.core.errors import ConfigError

SPLIT_EVERY = 10
"""Each so many-th image is held out unless told otherwise."""


@opt.with_options
def split(
    data: opt.SourceArgument,
    out: opt.HalvesOption,
    *,
    every: opt.EveryOption = None,
    share: opt.ShareOption = None,
    seed: opt.SeedOption = 1,
    to: opt.ToOption = None,
    source: opt.SourceOptions,
) -> None:
    """Split a data set in two; pictures that look the same stay together."""
    from dan.datasets.annotation_files import files_of, kind_of
    from dan.datasets.splitting import select_images, split_images
    from dan.datasets.suspects import twins_of
    from dan.datasets.writing import check_targets, count_steps, write_annotations

    targets = [kind_of(path, to, must_exist=False) for path in out]
    check_targets(out, targets, [data])
    if len({path.resolve() for path in (data, *out)}) < 3:
        raise ConfigError(
            "expected three different places to read and to write, "
            f"got {', '.join(map(str, (data, *out)))}"
        )
    faces, root = source.load(data, or_boxes=True)
    check_targets(out, targets, files_of(faces, data, root))
    if every is None and share is None:
        every = min(SPLIT_EVERY, len(faces.image_names))
    with progress_bar("looking", len(faces.image_names)) as on_image:
        twins = twins_of(faces.image_paths(root), on_image)
    chosen = split_images(faces.image_names, twins, every=every, share=share, seed=seed)
    for path, target, wanted in zip(out, targets, (~chosen, chosen), strict=True):
        part = select_images(faces, wanted)
        with progress_bar("writing", count_steps(target, part)) as on_step:
            write_annotations(path, target, part, root, tell=error_console.print, on_step=on_step)
        console.print(
            f"{counted(len(part), 'face')} of {counted(len(part.image_names), 'image')}: {path}"
        )
