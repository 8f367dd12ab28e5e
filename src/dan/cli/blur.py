"""``dan blur``: pictures and videos in which no face can be recognised."""

from __future__ import annotations

from pathlib import Path

import typer

from dan.cli import options as opt
from dan.cli.common import (
    check_apart,
    counted,
    error_console,
    progress_bar,
    tell_passed_over,
    tell_skipped,
)
from dan.core.errors import ConfigError, DanError
from dan.inference.defaults import DEFAULT_MODEL


def blur(
    inputs: opt.InputsArgument,
    out: opt.CoveredOption,
    *,
    how: opt.CoverOption = opt.CoverKind.BLUR,
    hold: opt.HoldOption = None,
    model: opt.ModelOption = DEFAULT_MODEL,
    detector_size: opt.FineSizeOption = 1280,
    threads: opt.ThreadsOption = None,
    provider: opt.ProviderOption = "cpu",
) -> None:
    """Cover every face, and what may be one; in a video, also where a face was lost."""
    from dan.bulk.sources import is_video
    from dan.cli.track_output import follow_video
    from dan.video.covering import HOLD_S, Covering

    options = opt.AlignerOptions(
        model=model, detector_size=detector_size, threads=threads, provider=provider
    )
    if len(inputs) == 1 and is_video(inputs[0]):
        follow_video(
            inputs[0],
            options,
            movie=out,
            rows=[],
            smoothing=False,  # which would lag behind
            painter=lambda aligner: Covering(
                aligner, how.value, hold_s=HOLD_S if hold is None else hold
            ),
        )
    elif hold is not None:
        raise ConfigError("--hold: expected one video, got pictures, in which no face is lost")
    elif not _cover_pictures(inputs, out, how, options):
        raise typer.Exit(1)


def _cover_pictures(
    inputs: list[str], out: Path, how: opt.CoverKind, options: opt.AlignerOptions
) -> bool:
    """Whether all of them could be read."""
    from dan.bulk.sources import find_sources
    from dan.cli.align_output import with_standard_input
    from dan.core.files import building_folder, check_new_folder, make_folder
    from dan.core.images import read_rgb, write_png
    from dan.points.covers import cover
    from dan.video.covering import outlines_in

    check_new_folder(out)
    words = with_standard_input(inputs)
    tell_passed_over(words)
    sources = find_sources(words)
    check_apart(out, *words)
    aligner, n_places, skipped = options.build(), 0, []
    with (
        building_folder(out) as folder,
        progress_bar("covering", len(sources)) as on_picture,
    ):
        for source in sources:
            on_picture()
            try:
                picture = read_rgb(source.path)
            except DanError as error:
                skipped.append((str(source.path), str(error)))
                continue
            outlines = outlines_in(picture, aligner)
            target = folder / f"{source.name}.png"
            make_folder(target.parent)
            write_png(target, cover(picture, outlines, how.value))
            n_places += len(outlines)
    tell_skipped(skipped)
    left_out = f", {len(skipped)} skipped" if skipped else ""
    error_console.print(
        f"written: {out}; {counted(len(sources), 'picture')}{left_out}, "
        f"{counted(n_places, 'place')} covered"
    )
    return not skipped
