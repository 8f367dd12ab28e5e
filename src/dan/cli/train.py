"""``dan train``: a face pack and a recipe -> a model."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import console, need_torch
from dan.cli.options import DeviceOption


def train(
    pack: Annotated[Path, typer.Argument(help="Face pack made by 'dan prepare'.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Settings over the recipe's, such as training.batch_size=32."),
    ] = None,
    *,
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="TOML file of settings.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Run folder; an unfinished run goes on.")
    ],
    device: DeviceOption = "auto",
    stop_after: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="MINUTES",
            help="Save and stop after so long, with exit code 130; the same command goes on.",
        ),
    ] = None,
) -> None:
    """Train a network, stage after stage."""
    need_torch()
    from dan import training
    from dan.cli.training_log import RichLog
    from dan.core.files import check_output_folder, check_outputs
    from dan.datasets.pack import load_pack
    from dan.training.run_folder import TOP_FILES

    check_output_folder(out)
    if out.is_dir():
        check_outputs([out / name for name in TOP_FILES], [pack, recipe])
    settings = training.load_recipe(recipe, overrides or [])
    with _ctrl_c_after(stop_after), RichLog() as log:
        trained = training.train(load_pack(pack), settings, out, device=device, log=log)
    console.print(f"model: {trained.path}")
    for picture in trained.pictures:
        console.print(f"picture: {picture}")


@contextmanager
def _ctrl_c_after(minutes: float | None) -> Iterator[None]:
    """Ctrl-C, as if the user had pressed it, unless the block ends before. None: never."""
    if minutes is None:
        yield
        return
    timer = threading.Timer(60 * minutes, signal.raise_signal, [signal.SIGINT])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
