"""Static quantisation: convolutions and large dense layers in 8 bits.

Weights use seven of their bits. A processor without 8-bit dot products adds the products of two
neighbours in 16 bits, which end at 32767: less than 2 · 255 · 127, more than 2 · 255 · 64. So every
processor finds the same points, and no score shows the rounding: ``benchmarks/int8.py``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from dan.inference.runtime import onnx_runtime

BATCH = 16

LEAST_WEIGHTS = 100_000
"""Smaller dense layers stay in fp32: the offsets and the confidence, which cost nothing."""


def quantise(
    proto: onnx.ModelProto, crops: npt.NDArray[np.uint8], *, reduce_range: bool = True
) -> onnx.ModelProto:
    """The graph with 8-bit weights and activations where most of the time goes.

    Args:
        proto: a graph with the input ``crops``.
        crops: (K, S, S) like those to come: activations are scaled to what they show.
        reduce_range: weights of -64..64, whose sums fit every processor; else of -127..127.
    """
    onnx_runtime()
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, _quiet():
        plain, ready, out = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "out"))
        onnx.save(proto, plain)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(out),
            _Reader(crops),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MaxPool", "Relu"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=reduce_range,
            nodes_to_exclude=_small_dense_layers(onnx.load(ready)),
        )
        return onnx.load(out)


def _small_dense_layers(proto: onnx.ModelProto) -> list[str]:
    sizes = {tensor.name: numpy_helper.to_array(tensor).size for tensor in proto.graph.initializer}
    return [
        node.name
        for node in proto.graph.node
        if node.op_type == "Gemm" and max(sizes.get(name, 0) for name in node.input) < LEAST_WEIGHTS
    ]


class _Reader:
    """Hands out the crops in batches, as onnxruntime's calibration asks for them."""

    def __init__(self, crops: npt.NDArray[np.uint8]) -> None:
        self._batches = iter([crops[i : i + BATCH] for i in range(0, len(crops), BATCH)])

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"crops": batch}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
