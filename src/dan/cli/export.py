"""``dan export``: a checkpoint as a bundle that runs without torch."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dan.cli.common import console, need_torch
from dan.core.errors import ConfigError

CALIBRATION_FACES = 256


class Weights(StrEnum):
    """How weights are stored."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Model file (.safetensors) of a training.")],
    out: Annotated[Path, typer.Argument(help="The bundle to write, NAME.danbundle.")],
    *,
    weights: Annotated[
        Weights, typer.Option(help="fp16: half the size; int8: a quarter, and faster.")
    ] = Weights.FP16,
    mirrored: Annotated[
        bool, typer.Option(help="Average each face with its mirror image: better, half as fast.")
    ] = False,
    calibrate: Annotated[
        Path | None, typer.Option(help="Face pack (dan prepare) to set the scales of int8 by.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="JSON file of entries for the model card.")
    ] = None,
) -> None:
    """Write a bundle: the whole cascade as one ONNX graph, checked against torch."""
    need_torch("export")
    from dan.core.files import check_outputs, read_text
    from dan.datasets.pack import canonical_crops, load_pack
    from dan.export import ExportOptions
    from dan.export import export as make_bundle
    from dan.inference.bundle import SUFFIX, save_bundle
    from dan.model import load_model

    if out.suffix != SUFFIX:
        raise ConfigError(f"{out}: expected a name that ends in {SUFFIX}")
    check_outputs([out], [path for path in (checkpoint, calibrate, card) if path is not None])
    file = load_model(checkpoint)
    crops = None
    if weights is Weights.INT8:
        if calibrate is None:
            raise ConfigError("--weights int8: expected --calibrate FACES.npz to set its scales by")
        config, mean_shape = file.model.config, file.model.mean_shape.numpy()
        pack = load_pack(calibrate)
        crops = canonical_crops(pack, mean_shape, config.image_size, CALIBRATION_FACES)
    try:
        entries = {} if card is None else json.loads(read_text(card))
    except ValueError as error:
        raise ConfigError(f"{card}: expected JSON: {error}") from error
    options = ExportOptions(
        name=out.stem, weights=weights.value, mirrored=mirrored, calibration=crops, card=entries
    )
    bundle = make_bundle(file, options)
    save_bundle(out, bundle)
    megabytes, parity = out.stat().st_size / 1e6, bundle.card["parity_px"]
    rounded = "" if bundle.weights == "fp32" else f" before rounding to {bundle.weights}"
    console.print(f"bundle: {out}, {megabytes:.1f} MB, within {parity:.3f} px of torch{rounded}")
