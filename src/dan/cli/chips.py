"""``dan chips``: faces cut out as other programs want them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from dan.bulk.aligning import Outcome
    from dan.bulk.chip_folder import ChipFolder
    from dan.bulk.outcomes import Tally
    from dan.bulk.sources import Source


@opt.with_options
def chips(
    inputs: opt.InputsArgument,
    out: opt.NewFolderOption,
    *,
    template: opt.TemplateOption = "arcface112",
    options: opt.AlignerOptions,
) -> None:
    """Cut faces out, upright: NAME.png, NAME_2.png and so on, and chips.json with the transforms.

    Of a video, the faces of every frame: NAME_ID_FRAME.png.
    """
    from dan.bulk.chip_folder import ChipFolder
    from dan.bulk.sources import is_video
    from dan.cli.track_output import follow_video
    from dan.core.files import building_folder, check_new_folder
    from dan.points.chips import template_of

    chosen = template_of(template)
    check_new_folder(out)
    with building_folder(out) as folder:
        is_clip = len(inputs) == 1 and is_video(inputs[0])
        file = inputs[0] if is_clip else None
        target, tally = ChipFolder(folder, chosen, file, certainty=options.certainty), None
        if is_clip:
            follow_video(inputs[0], options, movie=None, rows=[], sink=target)
        else:
            tally = _cut_pictures(inputs, out, target, options)
        target.finish()
    error_console.print(f"written: {out}, {counted(len(target.chips), 'chip')}")
    tell_skipped(target.skipped)
    if target.skipped or (tally is not None and tally.n_unreadable):
        raise typer.Exit(1)


def _cut_pictures(
    inputs: list[str], out: Path, target: ChipFolder, options: opt.AlignerOptions
) -> Tally:
    from dan.bulk.aligning import align_sources
    from dan.bulk.outcomes import take_outcomes
    from dan.bulk.sources import find_sources
    from dan.cli.align_output import Printer, tell_done, with_standard_input
    from dan.core.images import read_rgb

    words = with_standard_input(inputs)
    tell_passed_over(words)
    sources = find_sources(words)
    check_apart(out, *words)
    aligner = options.build(side_by_side=True)

    def take(outcome: Outcome[Source], record: Mapping[str, Any]) -> None:
        source = outcome.source
        if outcome.faces:
            picture = read_rgb(source.path)  # again: keeping many would take any amount of memory
            for number, face in enumerate(outcome.faces, start=1):
                name = source.name if number == 1 else f"{source.name}_{number}"
                target.add(name, picture, face, {"file": str(source.path), "face": number})
        printer(outcome, record)

    with (
        progress_bar("cutting", len(sources)) as on_picture,
        closing(align_sources(aligner, sources, threads=options.threads)) as outcomes,
    ):
        printer = Printer(on_picture, as_json=False, says_faces=False)
        tally = take_outcomes(
            outcomes, aligner, None, (), draw=False, certainty=False, on_outcome=take
        )
    tell_done(tally, aligner, [])
    return tally
