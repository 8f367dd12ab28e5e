"""``dan export``: a checkpoint as a bundle that runs without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dan.cli import options as opt
from dan.cli.common import console, need_torch
from dan.core.errors import ConfigError

CALIBRATION_FACES = 256


def export(
    checkpoint: opt.CheckpointArgument,
    out: opt.BundleOption,
    *,
    weights: opt.WeightsOption = opt.WeightKind.FP16,
    mirrored: opt.MirroredOption = False,
    calibrate: opt.CalibrateOption = None,
    card: opt.CardOption = None,
) -> None:
    """Write a bundle: the whole cascade as one ONNX graph, checked against torch."""
    need_torch("export")
    from dan.core.files import check_outputs
    from dan.datasets.pack import canonical_crops, load_pack
    from dan.inference.bundle import SUFFIX, save_bundle
    from dan.model import load_model
    from dan.model.exporting import ExportOptions
    from dan.model.exporting import export as make_bundle

    if out.suffix != SUFFIX:
        raise ConfigError(f"{out}: expected a name that ends in {SUFFIX}")
    if weights is opt.WeightKind.INT8 and calibrate is None:
        raise ConfigError("--weights int8: expected --calibrate FACES.npz to set its scales by")
    if weights is not opt.WeightKind.INT8 and calibrate is not None:
        raise ConfigError(f"--calibrate: expected --weights int8, got {weights.value}")
    check_outputs([out], [path for path in (checkpoint, calibrate, card) if path is not None])
    file, crops = load_model(checkpoint), None
    if calibrate is not None:
        config, mean_shape = file.model.config, file.model.mean_shape.numpy()
        pack = load_pack(calibrate)
        crops = canonical_crops(pack, mean_shape, config.image_size, CALIBRATION_FACES)
    options = ExportOptions(
        name=out.stem,
        weights=weights.value,
        mirrored=mirrored,
        calibration=crops,
        card={} if card is None else _entries(card),
    )
    bundle = make_bundle(file, options)
    save_bundle(out, bundle)
    megabytes, parity = out.stat().st_size / 1e6, bundle.card["parity_px"]
    rounded = "" if bundle.weights == "fp32" else f" before rounding to {bundle.weights}"
    console.print(f"bundle: {out}, {megabytes:.1f} MB, within {parity:.3f} px of torch{rounded}")


def _entries(card: Path) -> dict[str, Any]:
    from dan.core.files import read_text

    try:
        entries: dict[str, Any] = json.loads(read_text(card))
    except ValueError as error:
        raise ConfigError(f"{card}: expected JSON: {error}") from error
    return entries
