"""ONNX graphs: traced from torch modules, their weights stored in half the space."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from dan.core.errors import ConfigError

OPSET = 20
"""The first with GridSample as torch means it; onnxruntime 1.18 and later run it."""

LEAST_HALVED = 256
"""Smaller tensors (biases, shapes, sampling lines) stay in fp32: they weigh nothing."""

SCALED = ("QuantizeLinear", "DequantizeLinear")


def trace(module: nn.Module, example: Tensor, outputs: Sequence[str]) -> onnx.ModelProto:
    """The graph of a module that takes a batch; see :func:`export_program`.

    Args:
        module: takes one tensor, which the graph calls ``crops``.
        example: such a tensor; its first length becomes the graph's free batch size, so it should
            be unlike any other length in the module.
        outputs: names of what the module returns.
    """
    batch = torch.export.Dim("batch", min=1, max=4096)
    return export_program(module, {"crops": example}, outputs, {"crops": {0: batch}})


def export_program(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    free_lengths: Mapping[str, Mapping[int, Any]],
) -> onnx.ModelProto:
    """The graph of a module in evaluation mode, batch norms folded into their convolutions.

    Args:
        inputs: examples, by the names of the module's arguments and of the graph's inputs.
        outputs: names of what the module returns.
        free_lengths: ``torch.export.Dim`` of each axis whose length is free, by input.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _silent_logs():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=dict(free_lengths),
            opset_version=OPSET,
            verbose=False,
        )
        if program is None:
            raise ConfigError("torch.onnx.export gave no graph")
        with tempfile.TemporaryDirectory() as folder:
            program.save(Path(folder) / "model.onnx")
            proto = onnx.load(Path(folder) / "model.onnx")
    _forget_sources(proto)
    return proto


@contextlib.contextmanager
def _silent_logs() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _forget_sources(proto: onnx.ModelProto) -> None:
    """Drop what the exporter notes of the machine's files."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    for tensor in proto.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    del proto.graph.metadata_props[:], proto.metadata_props[:]
    proto.graph.doc_string = proto.doc_string = ""


def forget_names(proto: onnx.ModelProto) -> None:
    """Drop what only people read: the nodes' names, and the shapes of what passes between them."""
    del proto.graph.value_info[:]
    for node in proto.graph.node:
        node.name = ""


def join_dense_layers(proto: onnx.ModelProto) -> None:
    """Make one dense layer of those that see the same values, and let it see every row twice.

    One, as so small a layer costs its call, whatever it computes. Twice, as ONNX Runtime adds up
    the products of a single row in another order than those of several, and what is found in a crop
    must not depend on the crops beside it. Layers in 8 bits are exact: they stay.
    """
    graph = proto.graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    layers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.op_type == "Gemm" and node.input[1] in tensors:
            layers.setdefault(node.input[0], []).append(node)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        same = layers.get(node.input[0], []) if node.input else []
        if node not in same:
            nodes.append(node)
        elif node == same[0]:
            nodes.extend(_joined(same, tensors, graph))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    left = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)


def _joined(
    layers: Sequence[onnx.NodeProto],
    tensors: Mapping[str, npt.NDArray[Any]],
    graph: onnx.GraphProto,
) -> list[onnx.NodeProto]:
    """The nodes in place of dense layers that see the same values; their weights join the graph."""
    value, name = layers[0].input[0], layers[0].output[0]
    kernels = [tensors[layer.input[1]] for layer in layers]  # (units, inputs) each
    biases = [
        tensors[layer.input[2]] if len(layer.input) > 2 else np.zeros(len(kernel), np.float32)
        for layer, kernel in zip(layers, kernels, strict=True)
    ]
    units = np.array([len(kernel) for kernel in kernels], dtype=np.int64)
    for part, values in (
        ("kernel", np.concatenate(kernels)),
        ("bias", np.concatenate(biases)),
        ("units", units),
    ):
        graph.initializer.append(numpy_helper.from_array(values, f"{name}_{part}"))
    outputs = [layer.output[0] for layer in layers]
    twice, found = f"{name}_twice", f"{name}_found"
    once = f"{name}_once" if len(layers) > 1 else name
    nodes = [
        helper.make_node("Concat", [value, value], [twice], axis=0),
        helper.make_node("Gemm", [twice, f"{name}_kernel", f"{name}_bias"], [found], transB=1),
        helper.make_node("Split", [found], [once, f"{name}_again"], num_outputs=2),
    ]
    if len(layers) > 1:
        nodes.append(helper.make_node("Split", [once, f"{name}_units"], outputs, axis=1))
    return nodes


def halve_weights(proto: onnx.ModelProto) -> None:
    """Store large weights as fp16; a Cast before their use widens them, once, on load.

    Scales of 8-bit numbers stay as they are: they may be too small for fp16.
    """
    graph = proto.graph
    casts = []
    scales = {name for node in graph.node if node.op_type in SCALED for name in node.input}
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < LEAST_HALVED or tensor.name in scales:
            continue
        name = tensor.name
        limit = float(np.finfo(np.float16).max)
        half = values.clip(-limit, limit).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_fp16"))
        casts.append(helper.make_node("Cast", [f"{name}_fp16"], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
