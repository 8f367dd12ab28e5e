"""``dan demo``: the landmarks of a bundled portrait."""

from __future__ import annotations

from pathlib import Path

import typer

from dan.cli.common import console, counted
from dan.cli.options import DemoOption, ModelOption, ShowOption
from dan.core.errors import ConfigError
from dan.inference.defaults import DEFAULT_MODEL


def demo(
    *,
    out: DemoOption = Path("dan-demo.png"),
    model: ModelOption = DEFAULT_MODEL,
    show: ShowOption = True,
) -> None:
    """Find the landmarks of a bundled portrait, and draw them."""
    from dan.core.files import check_outputs
    from dan.core.images import read_rgb, write_png
    from dan.inference.aligner import FaceAligner
    from dan.video.window import has_display

    if out.suffix.lower() != ".png":
        raise ConfigError(f"{out}: expected a name that ends in .png")
    portrait = Path(__file__).resolve().parent / "portrait.jpg"
    check_outputs([out], [portrait, model])
    picture = read_rgb(portrait)
    faces = FaceAligner(model)(picture)
    write_png(out, faces.draw(picture))
    count = counted(len(faces), "face")
    console.print(f"{count} of {faces.scheme.n_landmarks} landmarks: {out.resolve()}")
    if show and has_display():
        typer.launch(str(out.resolve()))
