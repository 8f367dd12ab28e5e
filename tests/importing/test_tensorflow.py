"""Checkpoints of the TensorFlow port: a toy that TensorFlow wrote, and what it found with it.

``make_tensorflow_fixture.py`` makes both files.
"""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.errors import CheckpointError
from dan.importing import load_tensorflow
from dan.importing.tensor_bundle import Checkpoint

TOY = Path(__file__).with_name("toy.ckpt")
log = logging.getLogger(__name__)  # pytest --log-cli-level=INFO shows the figures
INDEX, DATA = ".index", ".data-00000-of-00001"


@pytest.fixture
def toy(tmp_path):
    """A copy of the checkpoint, to damage."""
    for suffix in (INDEX, DATA):
        shutil.copy(f"{TOY}{suffix}", tmp_path)
    return tmp_path / TOY.name


def found_by_tensorflow():
    with np.load(TOY.with_name("toy.npz")) as file:
        return file["crops"], file["points"]  # (B, S, S), (n_stages, B, N, 2)


@pytest.mark.parametrize("suffix", ["", INDEX])
def test_the_imported_network_finds_what_tensorflow_found(suffix):
    file = load_tensorflow(f"{TOY}{suffix}")
    crops, points = found_by_tensorflow()
    with torch.no_grad():
        estimates = file.model(torch.from_numpy(crops)[:, None].float()).estimates
    estimates = torch.stack(estimates).numpy()
    log.info("off by %.7f px", np.linalg.norm(estimates - points, axis=-1).max())
    assert np.linalg.norm(estimates - points, axis=-1).max() < 1e-3
    assert np.linalg.norm(points[1] - points[0], axis=-1).min() > 0.1
    assert file.model.config.variant == "tensorflow"
    assert file.scheme.n_landmarks == 5
    assert file.training["stages"] == "2 of 2"


def test_the_first_stage_alone():
    file = load_tensorflow(TOY, n_stages=1)
    crops, points = found_by_tensorflow()
    with torch.no_grad():
        (estimate,) = file.model(torch.from_numpy(crops)[:, None].float()).estimates
    assert np.linalg.norm(estimate.numpy() - points[0], axis=-1).max() < 1e-3
    with pytest.raises(CheckpointError, match="expected 3 stages, got 2"):
        load_tensorflow(TOY, n_stages=3)


@pytest.mark.slow
def test_the_command_writes_models_and_bundles(tmp_path, capsys):
    pytest.importorskip("onnxscript")
    from dan.cli.main import app
    from dan.inference.session import LandmarkModel
    from dan.model import load_model

    model, bundle = tmp_path / "toy.safetensors", tmp_path / "toy.danbundle"
    for out in (model, bundle):
        with pytest.raises(SystemExit) as stop:
            app(["import-tensorflow", str(TOY), "-o", str(out)])
        assert not stop.value.code
    assert "source: weights of the TensorFlow port" in capsys.readouterr().out
    assert load_model(model).training["file"] == "toy.ckpt"
    crops, points = found_by_tensorflow()
    found = LandmarkModel(bundle).predict(crops)
    assert np.linalg.norm(found - points, axis=-1).max() < 0.01


def test_counters_are_listed_but_not_numbers_of_a_network(toy):
    checkpoint = Checkpoint(toy)
    assert checkpoint.shapes["s1/conv2d/kernel/Adam"] == (3, 3, 1, 1)
    with pytest.raises(CheckpointError, match=r"global_step: expected \(\) floating numbers"):
        checkpoint.take("global_step", ())


def test_numbers_that_are_none_are_refused(toy):
    path = Path(f"{toy}{DATA}")
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(CheckpointError, match="finite numbers, got NaN or infinite ones"):
        load_tensorflow(toy)


@pytest.mark.parametrize(
    ("suffix", "change", "message"),
    [
        (INDEX, None, r"toy.ckpt.index: No such file"),
        (DATA, None, r"toy.ckpt.data-00000-of-00001: No such file"),
        (DATA, lambda data: data[:-9000], "the file is cut off"),
        (INDEX, lambda data: data[:-1], "expected the index of a TensorFlow checkpoint"),
        (INDEX, lambda data: b"", "expected the index of a TensorFlow checkpoint"),
        (INDEX, lambda data: bytes(100) + data[100:], "the index of a TensorFlow checkpoint"),
        (INDEX, lambda data: data[:-53] + b"\1" + data[-52:], "its table is compressed"),
        (
            INDEX,
            lambda data: data.replace(b"hape_mean", b"hape_gone"),
            "the variables of DAN_V2.py",
        ),
        (
            INDEX,
            lambda data: data.replace(b"conv2d/bias", b"conv2d/gone"),
            r"conv2d/bias: expected \(1,\), found no such variable",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(toy, suffix, change, message):
    path = Path(f"{toy}{suffix}")
    data = path.read_bytes()
    path.unlink()
    if change is not None:
        assert change(data) != data
        path.write_bytes(change(data))
    with pytest.raises(CheckpointError, match=message) as caught:
        load_tensorflow(toy)
    assert str(toy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_damage_of_the_index_is_an_error_of_ours(toy):
    path = Path(f"{toy}{INDEX}")
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data) - 8, 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            checkpoint = Checkpoint(toy)
            for name, shape in checkpoint.shapes.items():
                if np.prod(shape, dtype=float) < 1e5:
                    checkpoint.take(name, shape)
        except CheckpointError:
            continue
