"""What the sub-commands share: options, progress bars, the way errors are told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dan.core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dan.core.types import FilePath
    from dan.inference.onnx_model import OnnxModel
    from dan.model.torch_model import TorchModel

console = Console(highlight=False, soft_wrap=True, markup=False)
error_console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar on standard error; the value is called after each item. None: nobody knows the end."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    # What is printed meanwhile would go to the bar's console, standard error; it may do so only
    # where both are the same terminal.
    same_screen = sys.stdout.isatty()
    with Progress(
        *columns, TimeRemainingColumn(), console=error_console, redirect_stdout=same_screen
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def boxes_path(boxes: str) -> Path | None:
    """The file that ``--boxes`` names, or None for ground-truth boxes."""
    return None if boxes == "gt" else Path(boxes)


def parse_peers(words: Iterable[str]) -> dict[str, Path]:
    """The folders that ``--compare NAME=FOLDER`` names.

    Raises:
        ConfigError: if one has another form, or its folder is not there.
    """
    peers = {}
    for word in words:
        name, equals, folder = word.partition("=")
        if not equals or not Path(folder).is_dir():
            raise ConfigError(f"--compare: expected NAME=FOLDER of .pts files, got {word}")
        peers[name] = Path(folder)
    return peers


def load_model(
    model: str, device: str, threads: int | None = None, *, option: str = "--device"
) -> OnnxModel | TorchModel:
    """A bundle (by path or name), or a checkpoint on a device; only the latter needs torch.

    Raises:
        ConfigError: if the device cannot take effect.
    """
    if not model.endswith(".safetensors"):
        from dan.inference.onnx_model import PROVIDERS, OnnxModel

        if device not in ("auto", *PROVIDERS):
            *names, last = PROVIDERS
            raise ConfigError(
                f"{option}: expected auto, {', '.join(names)} or {last} for a bundle ({model}), "
                f"got {device}"
            )
        return OnnxModel(model, threads=threads, provider="cpu" if device == "auto" else device)
    need_torch()
    import torch

    from dan.model.torch_model import TorchModel
    from dan.training.devices import build_accelerator

    if threads is not None:
        torch.set_num_threads(threads)
    return TorchModel(model, build_accelerator(device, "fp32").device)


def need_torch(extra: str = "train") -> None:
    """Say how to install the torch half where it is missing; ``export`` needs more of it."""
    try:
        import accelerate
        import safetensors
        import torch

        if extra == "export":
            import onnx
            import onnxscript

            del onnx, onnxscript
    except ImportError as error:
        extras = "train" if extra == "train" else "train,export"
        raise ConfigError(
            f"this command needs torch ({error.name} is not installed): "
            f"pip install 'deep-alignment-network[{extras}]'"
        ) from error
    del accelerate, safetensors, torch


def check_apart(out: Path, *inputs: FilePath) -> None:
    """Refuse a folder for results in one of the inputs, where the next run would read them, too."""
    for given in inputs:
        folder = Path(given)
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise DataError(
                f"{out}: expected a folder outside of {folder}, whose files would be mixed up"
            )


def tell_left_out(reasons: Iterable[str]) -> None:
    """Say how many faces were left out for which reason; those without a reason were not."""
    from dan.datasets.annotated import counts_in_words

    words = counts_in_words(filter(None, reasons))
    if words:
        error_console.print(f"left out: {words}")


def counted(count: int, noun: str) -> str:
    """``1 face``, ``2 faces``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def tell_skipped(skipped: Sequence[tuple[str, str]]) -> None:
    """Name each file that was left out, and why."""
    for path, reason in skipped:
        error_console.print(f"skipped {path}: {reason.removeprefix(f'{path}: ')}")


def tell_small_faces(what: str, detector_size: int) -> None:
    """How to find small faces in what :func:`dan.inference.detectors.is_shrunk_much` is true of."""
    from dan.inference.detectors import SHRUNK_MUCH

    error_console.print(
        f"{what}, shrunk to {detector_size} pixels for the detector; "
        f"--detector-size {SHRUNK_MUCH * detector_size} looks for smaller faces"
    )


def tell_passed_over(inputs: Iterable[FilePath], leave_out: Path | None = None) -> None:
    """Count what lies in folders and is not read, in one line."""
    from dan.core.image_files import passed_over

    told = passed_over(inputs, leave_out)
    if told is not None:
        error_console.print(f"ignored: {told}")
