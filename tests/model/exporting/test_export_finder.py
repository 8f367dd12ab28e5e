"""A finder's ONNX file against torch."""

import json

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

from dan.core.errors import CheckpointError
from dan.geometry import box_overlap
from dan.inference.finder import CARD, MAX_OVERLAP, FaceFinder
from dan.model.exporting.finder import export_finder
from dan.model.finder import FaceFinderNetwork
from dan.model.weights import FORMAT_VERSION, save_tensors
from dan.training.finder.recipe import FinderRecipe

RECIPE = FinderRecipe.from_dict(
    {"network": {"widths": [4, 4, 8, 8, 8], "neck": 8, "blocks": [0, 1, 1]}}
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network with random weights and outputs that vary, and its file."""
    torch.manual_seed(3)
    network = FaceFinderNetwork(RECIPE.network).eval()
    for head in network.heads:
        torch.nn.init.normal_(head[-1].weight, std=1.0)
        torch.nn.init.constant_(head[-1].bias[0::5], 0.0)
    folder = tmp_path_factory.mktemp("finder")
    header = {"format": FORMAT_VERSION, "finder": {"recipe": RECIPE.to_dict(), "date": "today"}}
    save_tensors(folder / "model.safetensors", network.state_dict(), header)
    export_finder(folder / "model.safetensors", folder / "finder.onnx")
    return network, folder / "finder.onnx"


def frames_by_torch(network, picture, min_score):
    """(K, 6) of all candidates."""
    with torch.inference_mode():
        found = network(torch.from_numpy(picture).permute(2, 0, 1)[None].float())
    scores = found.logits[0].sigmoid()
    half = found.sizes[0, :, None] / 2
    rest = torch.stack([torch.rad2deg(found.rolls[0]), scores], dim=1)
    frames = torch.cat([found.centres_xy[0] - half, found.centres_xy[0] + half, rest], dim=1)
    return frames[scores > min_score].numpy()


@pytest.mark.parametrize("shape", [(32, 32), (96, 64), (64, 160)])
def test_onnx_runtime_finds_what_torch_finds(made, shape):
    network, path = made
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(path)
    (frames,) = session.run(None, {"picture": picture, "min_score": np.float32([0.4])})
    wanted = frames_by_torch(network, picture, 0.4)
    assert len(wanted) > len(frames) > 0
    assert (np.diff(frames[:, 5]) <= 0).all()
    for place, frame in enumerate(frames):
        assert np.abs(wanted - frame).max(axis=1).min() < 0.01
        # Scores and overlaps may be rounded to either side of a limit, by no more than this.
        overlaps = [box_overlap(frame[:4], other[:4]) for other in frames[:place]]
        assert max(overlaps, default=0) < MAX_OVERLAP + 1e-3
    for frame in wanted:
        better = frames[frames[:, 5] > frame[5] - 1e-3]
        assert max(box_overlap(frame[:4], other[:4]) for other in better) > MAX_OVERLAP - 1e-3


def test_a_score_that_nothing_has(made):
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(made[1])
    (frames,) = session.run(None, {"picture": picture, "min_score": np.float32([1.0])})
    assert frames.shape == (0, 6)


def test_the_file_is_a_detector_with_a_card(made):
    finder = FaceFinder(path=made[1])
    assert finder.card["made"]["date"] == "today"
    assert len(finder.detect(np.zeros((50, 70, 3), np.uint8)).boxes_xyxy.shape) == 2
    entries = onnxruntime.InferenceSession(made[1]).get_modelmeta().custom_metadata_map
    assert json.loads(entries[CARD]) == finder.card


def test_other_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="expected a checkpoint file"):
        export_finder(tmp_path / "none.safetensors", tmp_path / "finder.onnx")
    assert not list(tmp_path.iterdir())
