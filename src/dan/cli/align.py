"""``dan align``: landmarks of pictures."""

from __future__ import annotations

from contextlib import closing

import typer

from dan.cli import options as opt
from dan.cli.common import progress_bar


@opt.with_options
def align(
    inputs: opt.InputsArgument,
    *,
    out: opt.ResultsOption = None,
    formats: opt.FormatsOption = None,
    draw: opt.DrawOption = False,
    axes: opt.AxesOption = False,
    as_json: opt.LinesOption = False,
    options: opt.AlignerOptions,
    boxes: opt.GivenBoxesOption = None,
    box_kind: opt.BoxKindOption = "landmarks",
    passes: opt.PassesOption = 1,
    shard: opt.ShardOption = None,
) -> None:
    """Find faces and their landmarks; an interrupted run with -o is resumed."""
    from dan.bulk.aligning import align_sources, load_boxes_of
    from dan.bulk.outcomes import options_of, take_outcomes
    from dan.bulk.result_folder import ResultFolder
    from dan.bulk.result_tables import check_formats
    from dan.bulk.sources import in_shard, is_video
    from dan.cli import align_input
    from dan.cli.align_output import Printer, tell_admitted, tell_done
    from dan.cli.track_output import align_video
    from dan.inference.detectors import WholeImage, box_fit_of

    formats = formats or []
    part = None if shard is None else align_input.parse_shard(shard)
    align_input.check_outputs_of(formats, options, out, draw=draw, axes=axes, as_json=as_json)
    if len(inputs) == 1 and is_video(inputs[0]):
        is_odd = bool(boxes or shard) or box_kind != "landmarks" or passes > 1
        align_input.check_video(inputs[0], formats, is_odd=is_odd)
        align_video(inputs[0], out, options, formats=formats, draw=draw, axes=axes, as_json=as_json)
        return
    fit = box_fit_of(box_kind)
    align_input.check_boxes(boxes, box_kind, options)
    sources = align_input.sources_of(inputs, out)
    given = None if boxes is None else load_boxes_of(boxes, sources)
    sources = sources if part is None else in_shard(sources, *part)
    detector = None if given is None else WholeImage()  # with boxes none has to be installed
    aligner = options.build(detector, passes=passes, side_by_side=True)
    check_formats(formats, aligner.model.scheme, axes=axes)
    shown = {"draw": draw, "certainty": options.certainty, "axes": axes}
    folder, left = None, sources
    if out is not None:
        faces = options.detector_name if boxes is None else f"{boxes} ({box_kind})"
        run = options_of(aligner, faces, formats, **shown, shard=shard)
        folder, left = ResultFolder.open_for(out, run, sources)
        tell_admitted(sources, left)
    with (
        progress_bar("aligning", len(left)) as on_picture,
        closing(
            align_sources(aligner, left, boxes=given, box_fit=fit, threads=options.threads)
        ) as outcomes,
    ):
        printer = Printer(on_picture, as_json=as_json, says_faces=folder is None)
        tally = take_outcomes(outcomes, aligner, folder, formats, **shown, on_outcome=printer)
    written = [] if folder is None else folder.finish(formats, aligner.model.scheme)
    tell_done(tally, aligner, written)
    if tally.n_unreadable:
        raise typer.Exit(1)
