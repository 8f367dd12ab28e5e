"""``dan track``: faces and their landmarks through a video or from a camera."""

from __future__ import annotations

from dan.cli import options as opt
from dan.core.errors import ConfigError


@opt.with_options
def track(
    video: opt.VideoArgument,
    *,
    out: opt.MovieOption = None,
    points: opt.RowsOption = None,
    axes: opt.AxesOption = False,
    options: opt.AlignerOptions,
    detect_every: opt.DetectEveryOption = 15,
    smoothing: opt.SmoothingOption = True,
) -> None:
    """Follow the faces in a video. Ctrl-C stops early; what was written can be played."""
    from dan.cli.track_output import follow_video

    if axes and out is None and not video.isdecimal():
        raise ConfigError("--axes: expected -o OUT.mp4, to which it adds")
    rows = [] if points is None else [points]
    follow_video(
        video,
        options,
        movie=out,
        rows=rows,
        axes=axes,
        detect_every=detect_every,
        smoothing=smoothing,
    )
