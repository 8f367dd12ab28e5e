"""``dan measure``: angles of the head, openness of eyes and mouth, and more, as a table."""

from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import typer

from dan.cli import options as opt
from dan.cli.common import counted, error_console, progress_bar, tell_passed_over, tell_skipped
from dan.core.errors import ConfigError


@opt.with_options
def measure(
    inputs: opt.InputsArgument,
    *,
    out: opt.TableOption,
    plot: opt.MeasuresPlotOption = None,
    options: opt.AlignerOptions,
) -> None:
    """Measure heads, eyes, mouths and brows: one row a face, in a video one a face and frame."""
    from dan.bulk.sources import is_video
    from dan.core.files import check_outputs

    is_clip = len(inputs) == 1 and is_video(inputs[0])
    outputs = [out, plot] if plot else [out]
    for path, suffix in zip(outputs, (".csv", ".png"), strict=False):
        if path.suffix.lower() != suffix:
            raise ConfigError(f"{path}: expected a name that ends in {suffix}")
    if options.certainty:
        raise ConfigError("--certainty: expected without, as measures use all that a model tells")
    if plot and not is_clip:
        raise ConfigError("--plot: expected one video, got pictures, which have no time")
    check_outputs(outputs, [*inputs, options.model, options.detector_name])
    if plot and find_spec("matplotlib") is None:
        raise ConfigError("--plot needs matplotlib: pip install '.[plot]'")
    if is_clip:
        _measure_video(inputs[0], out, plot, options)
    else:
        _measure_pictures(inputs, out, options)


def _measure_video(video: str, out: Path, plot: Path | None, options: opt.AlignerOptions) -> None:
    import numpy as np

    from dan.cli.track_output import follow_video
    from dan.core.tables import save_csv
    from dan.video.measuring import Measuring, plot_measures

    sink = Measuring()
    follow_video(video, options, movie=None, rows=[], sink=sink, smoothing=False)
    table = sink.table()
    save_csv(out, table)
    error_console.print(f"written: {out}")
    for place in np.unique(table["id"]).tolist():
        times_s, blink = (table[name][table["id"] == place] for name in ("time_s", "blink"))
        blinks = counted(int((np.diff(blink, prepend=0) > 0).sum()), "blink")
        error_console.print(f"face {place}: {blinks} in {np.ptp(times_s):.1f} s")
    if plot and plot_measures(plot, table):
        error_console.print(f"written: {plot}")


def _measure_pictures(inputs: list[str], out: Path, options: opt.AlignerOptions) -> None:
    import numpy as np

    from dan.bulk.aligning import align_sources
    from dan.bulk.sources import find_sources
    from dan.cli.align_output import with_standard_input
    from dan.core.files import check_outputs
    from dan.core.tables import save_csv
    from dan.inference.faces import Faces
    from dan.points.measures import measure_table

    words = with_standard_input(inputs)
    tell_passed_over(words)
    sources = find_sources(words)
    check_outputs([out], (source.path for source in sources))
    aligner = options.build(side_by_side=True)
    paths, numbers, faces, skipped = [], [], [], []
    with (
        progress_bar("measuring", len(sources)) as on_picture,
        closing(align_sources(aligner, sources, threads=options.threads)) as outcomes,
    ):
        for outcome in outcomes:
            if outcome.faces is None:
                skipped.append((str(outcome.source.path), outcome.error))
            for number, face in enumerate(outcome.faces or (), start=1):
                paths.append(str(outcome.source.path))
                numbers.append(number)
                faces.append(face)
            on_picture()
    found = Faces.stacked(faces, aligner.model.scheme)
    measured = measure_table(found.points_xy, found.scheme, found.covariance)
    which = {"picture": np.array(paths, dtype=object), "face": np.array(numbers, dtype=np.int64)}
    save_csv(out, {**which, "confidence": found.confidence, **measured})
    error_console.print(f"written: {out}, {counted(len(faces), 'face')}")
    tell_skipped(skipped)
    if skipped:
        raise typer.Exit(1)
