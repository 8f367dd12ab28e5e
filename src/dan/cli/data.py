"""``dan data``: data sets looked at, checked, cut in two and carried from one form to another."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dan.cli.common import console, error_console, progress_bar, tell_left_out, tell_passed_over
from dan.cli.options import JsonOption, SourceArgument, SourceOptions, with_source_options
from dan.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.core.types import FilePath
    from dan.datasets.annotation_files import Kind
    from dan.datasets.formats import AnnotationSet
    from dan.datasets.suspects import Source

app = typer.Typer(
    help="Check, convert, split, count and show annotated data.", no_args_is_help=True
)

SPLIT_EVERY = 10
"""Each so many-th image is held out unless told otherwise."""

OutArgument = Annotated[
    Path, typer.Argument(help="What to write: a folder, or a file whose suffix says its kind.")
]
ToOption = Annotated[
    str | None, typer.Option("--to", help="Kind of what is written, where its name does not tell.")
]


def _to_check(data: Path, source: SourceOptions) -> Source:
    """A source whose damaged annotations are faults, not errors."""
    from dan.datasets.annotation_files import kind_of
    from dan.datasets.folders import load_folder
    from dan.datasets.suspects import Source

    if kind_of(data, source.kind, images=source.images).name != "pts":
        faces, root = source.load(data)
        return Source(str(data), faces, root, lists_all=False)
    tell_passed_over([data])
    damaged: dict[str, str] = {}
    root = source.images or data

    def on_bad(image: Path, reason: str) -> None:
        damaged[image.relative_to(root).as_posix()] = reason

    first = 1 if source.first_pixel is None else source.first_pixel
    faces = load_folder(data, images=source.images, first_pixel=first, on_bad=on_bad)
    points_root = data if source.images else None
    return Source(str(data), faces, root, lists_all=True, damaged=damaged, points_root=points_root)


@app.command()
@with_source_options
def check(
    data: Annotated[
        list[Path],
        typer.Argument(help="One or more sources; pictures are compared across all of them."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A page (.html) of all suspects.")
    ] = None,
    *,
    source: SourceOptions,
    as_json: JsonOption = False,
) -> None:
    """Look for faults: pictures twice or unreadable, points missing or outside, bad shapes.

    Exit code 1 where there is a suspect.
    """
    from rich.table import Table

    from dan.core.files import check_outputs, write_text
    from dan.datasets.annotation_files import files_of
    from dan.datasets.suspects import check_sources
    from dan.datasets.suspects_page import render_suspects

    if out is not None and out.suffix != ".html":
        raise ConfigError(f"{out}: expected a name that ends in .html")
    outputs = [] if out is None else [out]
    check_outputs(outputs, data)
    sources = [_to_check(path, source) for path in data]
    for path, read in zip(data, sources, strict=True):
        check_outputs(outputs, files_of(read.annotations, path, read.root))
    with progress_bar(
        "looking", sum(len(one.annotations.image_names) for one in sources)
    ) as on_image:
        suspects = check_sources(sources, on_image)
    if out is not None:
        with progress_bar("drawing suspects", len(suspects)) as on_suspect:
            page = render_suspects({one.name: one for one in sources}, suspects, on_suspect)
        write_text(out, page)
    if as_json:
        print(json.dumps([asdict(suspect) for suspect in suspects], indent=1))
    else:
        table = Table("fault", "source", "suspects", "the first")
        counts = Counter((suspect.fault, suspect.source) for suspect in suspects)
        for (fault, name), count in counts.most_common():
            first = next(s for s in suspects if (s.fault, s.source) == (fault, name))
            table.add_row(fault, name, str(count), f"{first.image}: {first.detail}")
        if suspects:
            console.print(table)
        n_faces = sum(len(one.annotations) for one in sources)
        n_ignored = sum(int(one.annotations.ignore.sum()) for one in sources)
        ignored = f" ({n_ignored} marked to be ignored)" if n_ignored else ""
        console.print(f"{n_faces} faces{ignored}, {len(suspects)} suspects")
    if out is not None:
        error_console.print(f"written: {out}")
    if suspects:
        raise typer.Exit(1)


@app.command()
@with_source_options
def convert(
    data: SourceArgument,
    out: OutArgument,
    *,
    source: SourceOptions,
    to: ToOption = None,
    scheme: Annotated[
        str | None,
        typer.Option(help="What the points are, where DATA does not say: a name or a scheme file."),
    ] = None,
    to_scheme: Annotated[
        str | None, typer.Option(help="Scheme to convert the points to (dan scheme list).")
    ] = None,
) -> None:
    """Write annotations in another form, and say what it cannot hold.

    Image names start from the folder of the file where the images lie below it, else they stay
    as they are. A folder of .pts or the like gets copies of the images beside the annotations.
    """
    from dan.datasets.annotation_files import files_of, kind_of
    from dan.datasets.formats import convert_annotations
    from dan.schemes import load_scheme

    target = kind_of(out, to, must_exist=False)
    _check_targets([out], [target], [data, *(name for name in (scheme, to_scheme) if name)])
    known, wanted = (load_scheme(name) if name else None for name in (scheme, to_scheme))
    with progress_bar("reading", 1) as on_read:
        faces, root = source.load(data, known, or_boxes=True)
        on_read()
    _check_targets([out], [target], files_of(faces, data, root))
    if wanted is not None:
        faces = convert_annotations(faces, wanted)
    _write(out, target, faces, root)
    console.print(f"{len(faces)} faces of {len(faces.image_names)} images: {out}")


def _check_targets(
    outs: Sequence[Path], targets: Sequence[Kind], inputs: Iterable[FilePath]
) -> None:
    """Refuse, before the work, what cannot be written, and files that are read."""
    from dan.core.files import check_new_folder, check_outputs

    files = []
    for out, target in zip(outs, targets, strict=True):
        if target.is_folder:
            check_new_folder(out)
        elif out.is_dir():
            raise ConfigError(f"{out}: expected a file to write, got a folder")
        else:
            files.append(out)
    check_outputs(files, inputs)


def _write(out: Path, target: Kind, faces: AnnotationSet, root: Path) -> None:
    """Write annotations, and copies of their images where they have to lie beside them."""
    from dan.core.files import building_folder, make_folder
    from dan.datasets.annotation_files import losses, save_annotations

    for what in losses(faces, target):
        error_console.print(f"not kept in {target.title}: {what}")
    if not target.is_folder:
        named = _named_from(out.parent, faces, root)
        with progress_bar("writing", 1) as on_written:
            save_annotations(out, named, target.name)
            on_written()
        return
    used = sorted(set(faces.image_index.tolist()))
    paths = faces.image_paths(root)
    missing = next((paths[place] for place in used if not paths[place].is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: expected an image to lay the annotations beside, found none")
    with building_folder(out) as folder, progress_bar("copying images", len(used)) as on_image:
        for place in used:
            copy = folder / faces.image_names[place]
            make_folder(copy.parent)
            shutil.copyfile(paths[place], copy)
            on_image()
        save_annotations(folder, faces, target.name)


def _named_from(folder: Path, faces: AnnotationSet, root: Path) -> AnnotationSet:
    """The faces with image names that start from a folder, where the images lie below it."""
    from dataclasses import replace

    if folder.resolve() == root.resolve():
        return faces
    try:
        way = root.resolve().relative_to(folder.resolve())
    except ValueError:
        error_console.print(f"image names start from {root}: say so with --images {root}")
        return faces
    return replace(faces, image_names=tuple((way / name).as_posix() for name in faces.image_names))


@app.command()
@with_source_options
def split(
    data: SourceArgument,
    kept: Annotated[Path, typer.Argument(help="What to write the larger part to.")],
    held_out: Annotated[Path, typer.Argument(help="What to write the part held out to.")],
    *,
    every: Annotated[
        int | None,
        typer.Option(
            help="Hold out each so many-th image by sorted name; default 10, or the last of fewer."
        ),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Or hold out this share of them, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of that draw.")] = 1,
    source: SourceOptions,
    to: ToOption = None,
) -> None:
    """Cut a data set in two; pictures that look the same stay on one side."""
    from dan.datasets.annotation_files import files_of, kind_of
    from dan.datasets.splitting import select_images, split_images
    from dan.datasets.suspects import twins_of

    targets = [kind_of(path, to, must_exist=False) for path in (kept, held_out)]
    _check_targets((kept, held_out), targets, [data])
    if len({path.resolve() for path in (data, kept, held_out)}) < 3:
        raise ConfigError(
            f"expected three different places to read and to write, got {data}, {kept}, {held_out}"
        )
    faces, root = source.load(data, or_boxes=True)
    _check_targets((kept, held_out), targets, files_of(faces, data, root))
    if every is None and share is None:
        every = min(SPLIT_EVERY, len(faces.image_names))
    with progress_bar("looking", len(faces.image_names)) as on_image:
        twins = twins_of(faces.image_paths(root), on_image)
    chosen = split_images(faces.image_names, twins, every=every, share=share, seed=seed)
    for path, target, wanted in zip((kept, held_out), targets, (~chosen, chosen), strict=True):
        part = select_images(faces, wanted)
        _write(path, target, part, root)
        console.print(f"{len(part)} faces of {len(part.image_names)} images: {path}")


@app.command()
@with_source_options
def stats(
    data: SourceArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A picture (.png) of histograms and mean shape."),
    ] = None,
    *,
    source: SourceOptions,
    as_json: JsonOption = False,
) -> None:
    """Count faces; tell their sizes and how they are turned."""
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
            f"{figures.n_faces} faces of {figures.n_landmarks} landmarks ({figures.scheme}) in "
            f"{figures.n_images} images; {figures.n_whole} are used for the figures"
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


@app.command()
@with_source_options
def show(
    data: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture (.png) to write.")] = Path(
        "faces.png"
    ),
    *,
    count: Annotated[int, typer.Option(min=1, help="Faces, drawn at random.")] = 40,
    columns: Annotated[int, typer.Option(min=1, help="Faces in a row.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 1,
    source: SourceOptions,
) -> None:
    """Draw some annotated faces on one sheet."""
    import numpy as np

    from dan.core.files import check_outputs
    from dan.core.images import write_png
    from dan.datasets.annotation_files import files_of
    from dan.datasets.formats.annotations import WITHOUT_POINTS
    from dan.datasets.suspects_page import TILE, draw_annotated
    from dan.drawing.landmarks import contact_sheet

    if out.suffix != ".png":
        raise ConfigError(f"{out}: expected a name that ends in .png")
    check_outputs([out], [data])
    shown = _to_check(data, source)
    faces = shown.annotations
    check_outputs([out], files_of(faces, data, shown.root))
    drawable = np.flatnonzero(faces.known.any(axis=1))
    if not len(drawable):
        raise DataError(f"{data}: expected at least one annotated face, found none")
    order = np.random.default_rng(seed).permutation(drawable)[:count]
    chosen = sorted(order.tolist())
    with progress_bar("drawing", len(chosen)) as on_face:
        tiles = []
        for face in chosen:
            tiles.append(draw_annotated(shown, face))
            on_face()
    labels = [Path(faces.face_names[face]).name for face in chosen]
    write_png(out, contact_sheet(tiles, min(columns, len(tiles)), TILE, labels))
    tell_left_out([WITHOUT_POINTS] * (len(faces) - len(drawable)))
    console.print(f"{len(tiles)} of {len(faces)} faces: {out}")


@app.command("300w")
def release_300w(
    root: Annotated[Path, typer.Argument(help="Folder that 300-W was unpacked into.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Recognise the folders of 300-W, and name what is missing. Exit code 1 if something is."""
    from rich.table import Table

    from dan.datasets.release_300w import PARTS, SETS, find_release

    tell_passed_over([root])
    parts = find_release(root)
    if as_json:
        print(
            json.dumps([asdict(part) | {"n_missing": part.n_missing} for part in parts], indent=1)
        )
    else:
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
