"""``dan track``: faces and their landmarks through a video or from a camera."""

from __future__ import annotations

from dan.cli.options import (
    AlignerOptions,
    DetectEveryOption,
    MovieOption,
    RowsOption,
    SmoothingOption,
    VideoArgument,
    with_options,
)


@with_options
def track(
    video: VideoArgument,
    *,
    out: MovieOption = None,
    points: RowsOption = None,
    options: AlignerOptions,
    detect_every: DetectEveryOption = 15,
    smoothing: SmoothingOption = True,
) -> None:
    """Follow the faces in a video. Ctrl-C stops early; what was written can be played."""
    from dan.cli.track_output import follow_video

    rows = [] if points is None else [points]
    follow_video(
        video, options, movie=out, rows=rows, detect_every=detect_every, smoothing=smoothing
    )
