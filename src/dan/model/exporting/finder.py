"""From a trained face finder to one ONNX file: pixels in, frames of faces out."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

import dan
from dan.core.files import write_bytes
from dan.core.types import FilePath
from dan.inference.finder import CARD, MAX_OVERLAP, MULTIPLE
from dan.model.exporting.graph import export_program
from dan.model.finder import QUARTERS, STRIDES, VALUES, FaceFinderNetwork, decode
from dan.model.weights import load_finder

MAX_FACES = 1000

LICENCES = {
    "code": "Apache-2.0",
    "weights": "research only, as the pictures that it learned from are",
}


class _Pixels(nn.Module):
    """Of a picture, what is worth a look: upright squares, scores, and all of each frame."""

    def __init__(self, network: FaceFinderNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, min_score: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(H, W, 3) uint8, (1,) -> (1, K, 4), (1, 1, K), (K, 6)."""
        maps = self.network.maps(picture.permute(2, 0, 1)[None].float())
        answers = torch.cat([map_.reshape(QUARTERS, VALUES, -1) for map_ in maps], dim=-1)
        # All that follows is of the few answers that are worth a look.
        quarters, places = torch.nonzero(answers[:, 0] > min_score.logit(), as_tuple=True)
        cells = _cells_at(places, *picture.shape[:2])
        found = decode(answers[quarters, :, places], cells, quarters)
        scores, half = found.logits.sigmoid(), found.sizes[:, None] / 2
        squares = torch.cat([found.centres_xy - half, found.centres_xy + half], dim=1)
        frames = torch.cat([squares, torch.stack([found.rolls.rad2deg(), scores], dim=1)], dim=1)
        return squares[None], scores[None, None], frames


def _cells_at(places: Tensor, height: int, width: int) -> Tensor:
    """(K, 3) those of the cells of all maps, in reading order, that are at (K,) places.

    Args:
        places: among the cells as :func:`dan.model.finder.answers_of` gives them.
        height: of the picture, pixels; a multiple of every stride.
        width: likewise.
    """
    stride = torch.full_like(places, STRIDES[0])
    place, first = places, 0
    for before, after in pairwise(STRIDES):
        first += (height // before) * (width // before)
        place = torch.where(places >= first, places - first, place)
        stride = torch.where(places >= first, after, stride)
    across = width // stride
    corner = torch.stack([place % across, place // across], dim=1) * stride[:, None]
    centres = corner + (stride[:, None] - 1) / 2
    return torch.cat([centres, stride[:, None]], dim=1)


def export_finder(model: FilePath, out: FilePath) -> None:
    """Write what :func:`dan.training.finder.train_finder` trained as an ONNX file.

    The graph takes ``picture``, (H, W, 3) uint8 RGB, both sides multiples of 32, and ``min_score``,
    (1,); it returns ``frames``, (F, 6): upright box ``xyxy``, roll in degrees, score; best first,
    one a face. The file's metadata holds a card.

    Args:
        model: ``model.safetensors``.
        out: the ONNX file.

    Raises:
        CheckpointError: if ``model`` is missing or damaged.
    """
    trained = load_finder(model)
    example = torch.zeros(3 * MULTIPLE, 5 * MULTIPLE, 3, dtype=torch.uint8)
    high, wide = torch.export.Dim("high", min=1, max=512), torch.export.Dim("wide", min=1, max=512)
    proto = export_program(
        _Pixels(trained.network).eval(),
        {"picture": example, "min_score": torch.zeros(1)},
        ["squares", "scores", "candidates"],
        {"picture": {0: MULTIPLE * high, 1: MULTIPLE * wide}, "min_score": {}},
    )
    _suppress(proto)
    card = {"made": trained.training, "licences": LICENCES, "version": dan.__version__}
    entry = proto.metadata_props.add()
    entry.key, entry.value = CARD, json.dumps(card)
    onnx.checker.check_model(proto)
    write_bytes(out, proto.SerializeToString())


def _suppress(proto: onnx.ModelProto) -> None:
    """Leave one frame a face, as the graph's output ``frames``.

    Written as nodes, because torch has no such operator of its own.
    """
    graph = proto.graph
    constants: dict[str, Any] = {
        "max_faces": np.array([MAX_FACES], dtype=np.int64),
        "max_overlap": np.array([MAX_OVERLAP], dtype=np.float32),
        "place_column": np.array(2, dtype=np.int64),
    }
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )
    graph.node.extend(
        [
            helper.make_node(
                "NonMaxSuppression",
                ["squares", "scores", "max_faces", "max_overlap"],
                ["kept"],
            ),
            helper.make_node("Gather", ["kept", "place_column"], ["kept_places"], axis=1),
            helper.make_node("Gather", ["candidates", "kept_places"], ["frames"], axis=0),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["faces", 6]))
