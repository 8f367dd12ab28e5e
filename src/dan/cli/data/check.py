"""``dan data check``: faults of annotated data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from dan.cli import options as opt
from dan.cli.common import console, counted, error_console, progress_bar
from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.datasets.suspects import Source, Suspect


@opt.with_options
def check(
    data: opt.SourcesArgument,
    out: opt.SuspectsOption = None,
    *,
    as_json: opt.JsonOption = False,
    source: opt.SourceOptions,
) -> None:
    """Look for faults: duplicate or unreadable pictures, missing points, odd shapes.

    The exit code is 1 if there are suspects.
    """
    from dan.core.files import check_outputs, write_text
    from dan.datasets.annotation_files import files_of
    from dan.datasets.suspects import check_sources
    from dan.datasets.suspects_page import render_suspects

    if out is not None and out.suffix != ".html":
        raise ConfigError(f"{out}: expected a name that ends in .html")
    outputs = [] if out is None else [out]
    check_outputs(outputs, data)
    sources = [source.load_to_check(path) for path in data]
    for path, read in zip(data, sources, strict=True):
        check_outputs(outputs, files_of(read.annotations, path, read.root))
    n_images = sum(len(one.annotations.image_names) for one in sources)
    with progress_bar("looking", n_images) as on_image:
        suspects = check_sources(sources, on_image)
    if out is not None:
        with progress_bar("drawing suspects", len(suspects)) as on_suspect:
            page = render_suspects({one.name: one for one in sources}, suspects, on_suspect)
        write_text(out, page)
    if as_json:
        print(json.dumps([asdict(suspect) for suspect in suspects], indent=1))
    else:
        _print(sources, suspects)
    if out is not None:
        error_console.print(f"written: {out}")
    if suspects:
        raise typer.Exit(1)


def _print(sources: Sequence[Source], suspects: Sequence[Suspect]) -> None:
    from rich.table import Table

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
    console.print(f"{counted(n_faces, 'face')}{ignored}, {counted(len(suspects), 'suspect')}")
