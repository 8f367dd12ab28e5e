"""``dan track``: faces and their landmarks through a video or from a camera."""

from __future__ import annotations

from dan.cli import options as opt


@opt.with_options
def track(
    video: opt.VideoArgument,
    *,
    out: opt.MovieOption = None,
    points: opt.RowsOption = None,
    options: opt.AlignerOptions,
    detect_every: opt.DetectEveryOption = 15,
    smoothing: opt.SmoothingOption = True,
) -> None:
    """Follow the faces in a video. Ctrl-C stops early; what was written can be played."""
    from dan.cli.track_output import follow_video

    rows = [] if points is None else [points]
    follow_video(
        video, options, movie=out, rows=rows, detect_every=detect_every, smoothing=smoothing
    )
