"""``dan import-theano`` and ``dan import-tensorflow``: weights of older programs as our models."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dan.cli.common import console, need_torch
from dan.cli.options import ImportedOption, StagesOption, TensorFlowArgument, TheanoArgument
from dan.core.errors import ConfigError

if TYPE_CHECKING:
    from dan.model import ModelFile


def import_theano(
    weights: TheanoArgument, out: ImportedOption, *, stages: StagesOption = None
) -> None:
    """Read weights of the reference implementation (Theano)."""
    _check_out(out, [weights])
    from dan.model.importing import load_theano

    _write(out, load_theano(weights, stages))


def import_tensorflow(
    checkpoint: TensorFlowArgument, out: ImportedOption, *, stages: StagesOption = None
) -> None:
    """Read a checkpoint of the TensorFlow port's DAN_V2.py; TensorFlow is not needed."""
    _check_out(out, checkpoint.parent.glob(f"{glob.escape(checkpoint.name)}.*"))
    from dan.model.importing import load_tensorflow

    _write(out, load_tensorflow(checkpoint, stages))


def _check_out(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse, before the work, a name that is no model's, and what cannot be written."""
    from dan.core.files import check_outputs

    if out.suffix not in (".safetensors", ".danbundle"):
        raise ConfigError(f"{out}: expected a name that ends in .safetensors or .danbundle")
    check_outputs([out], inputs)
    need_torch("export" if out.suffix == ".danbundle" else "train")


def _write(out: Path, file: ModelFile) -> None:
    """Write an imported model as its suffix says, and tell what it is."""
    if out.suffix == ".danbundle":
        from dan.inference.bundle import save_bundle
        from dan.model.exporting import ExportOptions, export

        save_bundle(out, export(file, ExportOptions(name=out.stem)))
    else:
        from dan.model import save_model

        save_model(out, file.model, file.scheme, file.training)
    for name, value in file.training.items():
        console.print(f"{name.replace('_', ' ')}: {value}")
    console.print(f"model: {out}, {out.stat().st_size / 1e6:.1f} MB")
