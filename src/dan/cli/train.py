"""``dan train``: a face pack and a recipe -> a model."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dan.cli import options as opt
from dan.cli.common import console, need_torch


def train(
    pack: opt.PackArgument,
    overrides: opt.OverridesArgument = None,
    *,
    recipe: opt.RecipeOption,
    out: opt.RunOption,
    device: opt.DeviceOption = "auto",
    stop_after: opt.StopAfterOption = None,
) -> None:
    """Train a network, stage after stage."""
    need_torch()
    from dan import training
    from dan.cli.training_log import RichLog
    from dan.core.files import check_output_folder, check_outputs
    from dan.datasets.pack import load_pack
    from dan.model.distributed import world
    from dan.training.run_folder import TOP_FILES

    check_output_folder(out)
    if out.is_dir():
        check_outputs([out / name for name in TOP_FILES], [pack, recipe])
    settings = training.load_recipe(recipe, overrides or [])
    with _ctrl_c_after(stop_after), RichLog() as log:
        trained = training.train(load_pack(pack), settings, out, device=device, log=log)
    if world()[0]:  # the main process has the model
        return
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
