"""From a checkpoint to a bundle: the whole cascade as one ONNX graph, checked against torch."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

import dan
from dan.core.errors import ConfigError, ParityError
from dan.inference.bundle import Bundle
from dan.inference.onnx_model import OnnxModel
from dan.model import DAN, DANConfig, cost_of
from dan.model.exporting.graph import forget_names, halve_weights, join_dense_layers, trace
from dan.model.exporting.int8 import quantise
from dan.model.refinement import PointwiseLinear
from dan.model.weights import ModelFile

WeightKind = Literal["fp32", "fp16", "int8"]

PARITY_PX = 0.01
"""Largest distance of a point from torch's, crop pixels, before weights are rounded."""

ROUNDING_PX = 0.05
"""Mean distance by which fp16 weights may move points on pictures without a face, where they move
farthest; what int8 does is judged by scores."""

CHECKED_BATCHES = (1, 2, 7, 64)

LICENCES = {
    "code": "Apache-2.0",
    "weights": "research only where trained on 300-W, as its annotations are",
}


@dataclass(frozen=True)
class ExportOptions:
    """How a bundle is made.

    Attributes:
        name: short name of the model.
        weights: how weights are stored. ``fp16`` ones are widened when the bundle is loaded; so is
            what ``int8`` leaves of them.
        mirrored: run each crop and its mirror image and average both: twice the time.
        calibration: (K, S, S) uint8 crops like those to come, which ``int8`` needs.
        card: added to the model card: figures, data, remarks.
    """

    name: str
    weights: WeightKind = "fp32"
    mirrored: bool = False
    calibration: npt.NDArray[np.uint8] | None = None
    card: Mapping[str, Any] | None = None


MIRRORED_VARIANCE = 0.93
"""Of the errors of the mean of both views, over that of one view's. On the pictures of 300-W held
out, dan68's 50, 68 and 95 % ellipses (2026-11-27) hold 51, 69 and 95 % of the errors of one view,
53, 71 and 96 % of those of the mean, and with this factor 51, 69 and 95 % of them."""


class Cascade(nn.Module):
    """What is exported: (B, S, S) uint8 crops -> points, points of every stage, confidence.

    Args:
        model: in evaluation mode.
        mirror: (N,) indices; given, the result is averaged with that of the mirrored crop.
    """

    def __init__(self, model: DAN, mirror: npt.NDArray[np.integer[Any]] | None) -> None:
        super().__init__()
        self.model = model
        self.mirror = None if mirror is None else torch.from_numpy(np.asarray(mirror, np.int64))

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """(B, S, S) -> (B, N, 2), (n_stages, B, N, 2) and what :attr:`Bundle.certainty` names."""
        images = crops[:, None].float()
        if self.mirror is not None:
            images = torch.cat([images, images.flip(-1)])
        output = self.model(images)
        stages, said = torch.stack(output.estimates), self.model.certainty(output)
        if self.mirror is not None:
            return self._averaged(stages, said, crops.shape[0], images.shape[-1] - 1)
        return (output.points, stages, *said.values())

    def _averaged(
        self, stages: Tensor, said: dict[str, Tensor], count: int, last: int
    ) -> tuple[Tensor, ...]:
        """Of ``count`` crops and, after them, their mirror images; ``last`` is a crop's last x."""
        flip = torch.tensor([-1.0, 1.0])
        back = stages[:, count:, self.mirror] * flip
        stages = (stages[:, :count] + back + torch.tensor([float(last), 0.0])) / 2
        means = []
        for name, values in said.items():
            own, other = values[:count], values[count:]
            if name != "confidence":
                other = other[:, self.mirror]
            if name == "covariance":
                other = other * flip[:, None] * flip
            mean = (own + other) / 2
            means.append(mean * MIRRORED_VARIANCE if name == "covariance" else mean)
        return (stages[-1], stages, *means)


class GroupedLinear(nn.Module):
    """A :class:`PointwiseLinear` as one grouped convolution, which can be quantised.

    So dan68-fast takes 0.91 of the time on one core with VNNI, and 4.1 in place of 4.9 MB. In
    training it would be slower.
    """

    def __init__(self, layer: PointwiseLinear) -> None:
        super().__init__()
        n_points, n_in, n_out = layer.weight.shape
        self.shape = (n_points, n_out)
        self.conv = nn.Conv2d(n_points * n_in, n_points * n_out, 1, groups=n_points, bias=False)
        kernels = layer.weight.detach().transpose(1, 2)
        self.conv.weight = nn.Parameter(kernels.reshape(self.conv.weight.shape))

    def forward(self, values: Tensor) -> Tensor:
        """(B, N, n_in) -> (B, N, n_out)."""
        found: Tensor = self.conv(values.flatten(1)[..., None, None])
        return found.view(-1, *self.shape)


class SummedLinear(nn.Module):
    """A :class:`PointwiseLinear` as products and their sums, for few units.

    Its matrix product has a row for each crop, and one row would add up in another order.
    """

    def __init__(self, layer: PointwiseLinear) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().transpose(1, 2).contiguous())

    def forward(self, values: Tensor) -> Tensor:
        """(B, N, n_in) -> (B, N, n_out)."""
        return (values[:, :, None] * self.weight).sum(dim=3)


def _with_layers_for_export(model: DAN, options: ExportOptions) -> DAN:
    """A copy that computes the same in layers that suit ONNX Runtime."""
    model = deepcopy(model).eval()
    if model.refinement is not None and (options.weights == "int8" or not options.mirrored):
        model.refinement.look = GroupedLinear(cast(PointwiseLinear, model.refinement.look))
    for head in (model.covariance, model.visibility):
        if head is not None:
            head.around = cast(PointwiseLinear, SummedLinear(head.around))
    return model


def export(file: ModelFile, options: ExportOptions) -> Bundle:
    """Make a bundle and compare what it finds with what torch finds.

    Raises:
        ConfigError: if the options do not fit the model.
        ParityError: if ONNX Runtime and torch differ by more than ``PARITY_PX``, or fp16 weights
            move the points by more than ``ROUNDING_PX``.
    """
    scheme, config = file.scheme, file.model.config
    if options.mirrored and scheme.mirror is None:
        raise ConfigError(f"mirrored: expected a scheme with flip partners, got {scheme.name}")
    if options.weights == "int8" and options.calibration is None:
        raise ConfigError("int8: expected crops to calibrate with")
    model = _with_layers_for_export(file.model, options)
    cascade = Cascade(model, scheme.mirror if options.mirrored else None).eval()
    bundle = Bundle(
        name=options.name,
        graph=b"",
        scheme=scheme,
        crop_size=config.image_size,
        mean_shape=file.model.mean_shape.numpy().copy(),
        n_stages=config.n_stages,
        has_confidence=config.confidence,
        has_covariance=config.covariance,
        has_visibility=config.visibility,
        weights="fp32",
        card={
            "model": config.to_dict(),
            "mirrored": options.mirrored,
            "keeps_crops_apart": config.refinement % 4 == 0,  # sums in fours, see straighten
            "cost": _cost(config, runs=2 if options.mirrored else 1),
            "training": dict(file.training),
            "licences": LICENCES,
            "made": {
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "dan": dan.__version__,
                "torch": torch.__version__,
                "onnx": onnx.__version__,
            },
            **(options.card or {}),
        },
    )
    example = torch.zeros(5, *[config.image_size] * 2, dtype=torch.uint8)
    proto = trace(cascade, example, ["points", "stage_points", *bundle.certainty])
    checked = deepcopy(proto)
    join_dense_layers(checked)
    bundle = replace(bundle, graph=checked.SerializeToString())
    difference = distances_px(cascade, bundle).max()
    if not difference <= PARITY_PX:
        raise ParityError(
            f"{options.name}: expected at most {PARITY_PX} px between torch and onnxruntime, "
            f"got {difference:.4f}"
        )
    bundle = replace(bundle, card={**bundle.card, "parity_px": round(float(difference), 6)})
    return bundle if options.weights == "fp32" else _rounded(bundle, proto, cascade, options)


def _rounded(
    bundle: Bundle, proto: onnx.ModelProto, cascade: Cascade, options: ExportOptions
) -> Bundle:
    """The bundle with smaller weights; ``proto`` is its graph and is used up."""
    if options.weights == "int8" and options.calibration is not None:
        proto = quantise(proto, options.calibration)
    join_dense_layers(proto)
    halve_weights(proto)
    forget_names(proto)
    rounded = replace(bundle, graph=proto.SerializeToString(), weights=options.weights)
    if options.weights == "fp16":
        moved = distances_px(cascade, rounded).mean()
        if not moved <= ROUNDING_PX:
            raise ParityError(
                f"{options.name}: expected fp16 weights to move points by at most {ROUNDING_PX} "
                f"px in the mean, got {moved:.4f}"
            )
    return rounded


def _cost(config: DANConfig, runs: int) -> dict[str, int]:
    cost = cost_of(config)
    return {
        "parameters": sum(cost.parameters),
        "multiplications_a_face": runs * sum(cost.multiplications),
    }


def distances_px(cascade: Cascade, bundle: Bundle) -> npt.NDArray[np.float32]:
    """(K,) distances between torch's points and the bundle's, crop pixels: all stages, batches."""
    model = OnnxModel(bundle)
    distances = []
    for size in CHECKED_BATCHES:
        crops = _plausible_crops(size, bundle)
        with torch.no_grad():
            expected = cascade(torch.from_numpy(crops))[1].numpy()
        distances.append(np.linalg.norm(model(crops).estimates() - expected, axis=-1).ravel())
    return np.concatenate(distances)


def _plausible_crops(count: int, bundle: Bundle) -> npt.NDArray[np.uint8]:
    """Smooth random pictures: noise alone would ask less of the warps."""
    import cv2

    rng = np.random.default_rng(count)
    size = bundle.crop_size
    small = rng.integers(0, 256, (count, 9, 9)).astype(np.float32)
    large = np.stack([cv2.resize(image, (size, size), interpolation=3) for image in small])
    noisy = large + rng.normal(0, 8, large.shape)
    return np.asarray(noisy.clip(0, 255), dtype=np.uint8)
