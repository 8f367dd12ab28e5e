"""Model files: whole, checked, free of pickle."""

import json
import pickle

import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch")

from safetensors.torch import save_file

from dan.core.errors import CheckpointError
from dan.model import DAN, DANConfig, load_model, save_model
from dan.model.weights import save_tensors
from dan.schemes import LandmarkScheme

CONFIG = DANConfig(n_landmarks=5, image_size=32, width=2, hidden=8, n_stages=2)
SCHEME = LandmarkScheme.from_mirror([1, 0, 2, 4, 3])


def test_whoever_may_read_other_files_may_read_models(tmp_path):
    (tmp_path / "other").touch()
    save_model(tmp_path / "model.safetensors", DAN(CONFIG), SCHEME)
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_round_trip(tmp_path):
    model = DAN(CONFIG).eval()
    path = tmp_path / "model.safetensors"
    save_model(path, model, SCHEME, {"data": "drawn faces"})
    loaded = load_model(path)
    assert loaded.model.config == CONFIG
    assert loaded.scheme == SCHEME
    assert loaded.training == {"data": "drawn faces"}
    crops = torch.rand(2, 1, 32, 32) * 255
    torch.testing.assert_close(loaded.model(crops).points, model(crops).points, atol=0, rtol=0)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("variant", ["theano", "tensorflow"])
def test_files_from_before_borders_could_be_chosen_give_what_they_gave(tmp_path, variant):
    model, path = DAN(replace(CONFIG, variant=variant)), tmp_path / "model.safetensors"
    settings = model.config.to_dict()
    del settings["border"]
    header = {"format": 1, "config": settings, "scheme": SCHEME.to_dict()}
    save_tensors(path, model.state_dict(), header)
    assert load_model(path).model.config == model.config


def test_a_chosen_border_is_kept(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, DAN(replace(CONFIG, border="inner_edge")), SCHEME)
    assert load_model(path).model.connections[0].border == "inner_edge"


def test_names_of_weights_and_their_order_are_those_of_files_from_before():
    """Model files go by the names, an optimiser's saved state by the order of the parameters."""
    config = replace(CONFIG, n_stages=3, refinement=2, confidence=True)
    names = list(DAN(config).state_dict())
    assert list(dict.fromkeys(name.partition(".")[0] for name in names)) == [
        "mean_shape",
        "mean_image",
        "std_image",
        "stages",
        "connections",
        "refinement",
        "confidence",
    ]
    assert [name for name in names if name.startswith("connections")] == [
        f"connections.{number}.feature_image.dense.{kind}"
        for number in (0, 1)
        for kind in ("weight", "bias")
    ]


def damaged(kind: str, path) -> None:
    save_model(path, DAN(CONFIG), SCHEME)
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    elif kind == "foreign":
        save_file({"x": torch.ones(3)}, path)
    elif kind == "newer":
        header = {"format": 99}
        save_file({"x": torch.ones(3)}, path, {"dan": json.dumps(header)})
    elif kind == "other shape":
        other = DAN(DANConfig(**{**CONFIG.to_dict(), "width": 4}))
        header = {"format": 1, "config": CONFIG.to_dict(), "scheme": SCHEME.to_dict()}
        save_file(other.state_dict(), path, {"dan": json.dumps(header)})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "expected a checkpoint file, found none"),
        ("truncated", "expected a dan checkpoint"),
        ("empty", "expected a dan checkpoint"),
        ("pickle", "expected a dan checkpoint"),
        ("foreign", "expected a dan checkpoint"),
        ("newer", "expected format 1, got 99"),
        (
            "other shape",
            r"stages.0.blocks.0.conv.weight: expected \(2, 1, 3, 3\), got \(4, 1, 3, 3\)",
        ),
    ],
)
def test_bad_files_are_named_in_one_line(tmp_path, kind, message):
    path = tmp_path / "model.safetensors"
    damaged(kind, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
