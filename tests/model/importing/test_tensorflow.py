"""Checkpoints of the TensorFlow port: a toy that TensorFlow wrote, and what it found with it.

``make_tensorflow_fixture.py`` makes both files.
"""

import logging
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

torch = pytest.importorskip("torch")

from dan.core.errors import CheckpointError
from dan.model.importing import load_tensorflow, tensorflow
from dan.model.importing.tensor_bundle import Checkpoint

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
def test_the_command_writes_models_and_bundles(dan, tmp_path):
    pytest.importorskip("onnxscript")
    from dan.inference.onnx_model import OnnxModel
    from dan.model import load_model

    model, bundle = tmp_path / "toy.safetensors", tmp_path / "toy.danbundle"
    for out in (model, bundle):
        done = dan("import-tensorflow", TOY, "-o", out)
        assert done.code == 0
        assert "source: weights of the TensorFlow port" in done.out
    assert load_model(model).training["file"] == "toy.ckpt"
    crops, points = found_by_tensorflow()
    found = OnnxModel(bundle)(crops).estimates()
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


# --------------------------------------------------------------------------------------- the judge
# A second TensorFlow in NumPy, in float64: each step as the port's script asks for it and as
# TensorFlow 1 carries it out. It shares no code with the package.

SIDE, WIDTH, UNITS, N_POINTS = 64, 4, 16, 12
FUSED_EPSILON, PLAIN_EPSILON = 1.001e-5, 1e-5  # of maps: cuDNN's least; of the hidden layer: theirs


def judge(variables: dict, crop: np.ndarray, n_stages: int) -> list:
    """(N, 2) points after each stage, from a (S, S) crop."""
    image = (crop[..., None] - variables["imgs_mean"]) / variables["imgs_std"]  # (S, S, 1)
    mean_shape, size = variables["shape_mean"], len(crop)
    points, hidden = mean_shape, None
    estimates = []
    for number in range(1, n_stages + 1):
        layers = Layers(variables, f"s{number}/")
        maps, back, r, t = image, points, np.eye(2), np.zeros(2)
        if hidden is not None:
            r, t = similarity(points, mean_shape)
            warped = projected(image[..., 0], np.linalg.inv(r), t)
            back = points @ r + t
            feature = np.maximum(layers.dense(hidden), 0).reshape(size // 2, size // 2)
            stacked = np.stack([warped, heat_map(back, size), doubled(feature)], axis=-1)
            maps = layers.norm(stacked, FUSED_EPSILON)
        for _ in range(4):
            for _ in range(2):
                maps = layers.norm(np.maximum(layers.convolution(maps), 0), FUSED_EPSILON)
            half = len(maps) // 2
            maps = maps.reshape(half, 2, half, 2, -1).max(axis=(1, 3))
        hidden = layers.norm(np.maximum(layers.dense(maps.reshape(-1)), 0), PLAIN_EPSILON)
        moved = back + layers.dense(hidden).reshape(-1, 2)
        points = (moved - t) @ np.linalg.inv(r)
        estimates.append(points)
    return estimates


class Layers:
    """The layers of a stage in the order of their use, which counts their names."""

    def __init__(self, variables: dict, scope: str) -> None:
        self.variables, self.scope, self.used = variables, scope, Counter()

    def take(self, kind: str, *entries: str) -> list:
        name = f"{self.scope}{kind}" + (f"_{self.used[kind]}" if self.used[kind] else "")
        self.used[kind] += 1
        return [self.variables[f"{name}/{entry}"].astype(float) for entry in entries]

    def dense(self, values):
        kernel, bias = self.take("dense", "kernel", "bias")
        return values @ kernel + bias

    def convolution(self, maps):
        """Cross-correlation, ``same``: one pixel of zeros around."""
        kernel, bias = self.take("conv2d", "kernel", "bias")
        padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
        windows = sliding_window_view(padded, (3, 3), axis=(0, 1))  # (H, W, in, 3, 3)
        return np.einsum("hwcij,ijco->hwo", windows, kernel) + bias

    def norm(self, values, epsilon):
        entries = ("gamma", "beta", "moving_mean", "moving_variance")
        gamma, beta, mean, variance = self.take("batch_normalization", *entries)
        return gamma * (values - mean) / np.sqrt(variance + epsilon) + beta


def similarity(points, mean_shape):
    """Row vectors: points @ r + t lie nearest to the mean shape."""
    p, q = points.mean(axis=0), mean_shape.mean(axis=0)
    z, w = points - p, mean_shape - q
    a = (z * w).sum() / (z**2).sum()
    b = (z[:, 0] * w[:, 1] - z[:, 1] * w[:, 0]).sum() / (z**2).sum()
    r = np.array([[a, b], [-b, a]])
    return r, q - p @ r


def projected(image, inverse, t):
    """Bilinear at (pixel - t) @ inverse; each of the four neighbours outside counts as zero."""
    size = len(image)
    rows, columns = np.mgrid[:size, :size]
    x, y = ((np.stack([columns, rows], axis=-1) - t) @ inverse).transpose(2, 0, 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    result = np.zeros((size, size))
    for row, share_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, share_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
            value = image[row.clip(0, size - 1), column.clip(0, size - 1)]
            result += share_y * share_x * np.where(inside, value, 0)
    return result


def heat_map(points, size):
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(columns - points[:, :1, None], rows - points[:, 1:, None])
    return 1 / (1 + distance.min(axis=0))


def doubled(image):
    """Pixel x of the result lies at x / 2 of the image; the last one repeats."""
    size = len(image)
    first = np.arange(2 * size) // 2
    then, share = np.minimum(first + 1, size - 1), np.arange(2 * size) % 2 / 2
    tall = image[first] * (1 - share[:, None]) + image[then] * share[:, None]
    return tall[:, first] * (1 - share) + tall[:, then] * share


def random_variables(n_stages: int) -> dict:
    """Sensible weights; each stage turns, enlarges and shifts the shape, some points far out.

    Some channels hardly vary, as those of trained networks that a ReLU has nearly silenced.
    """
    rng = np.random.default_rng(n_stages)
    mean_shape = rng.uniform(16, 48, (N_POINTS, 2))
    variables = {
        "imgs_mean": rng.uniform(90, 140, (SIDE, SIDE, 1)),
        "imgs_std": rng.uniform(40, 70, (SIDE, SIDE, 1)),
        "shape_mean": mean_shape,
    }

    def add(kind, **entries):
        name = kind + (f"_{used[kind]}" if used[kind] else "")
        used[kind] += 1
        variables.update({f"{name}/{entry}": values for entry, values in entries.items()})

    def add_norm(scope, n, size=1.0):
        variance = rng.uniform(0.5, 1.5, n)
        gamma = rng.uniform(0.7, 1.3, n)
        if n > 3:
            variance[0], gamma[0] = 1e-5, 0.01
        beta, mean = rng.normal(0, 0.1, (2, n))
        add(
            f"{scope}batch_normalization",
            gamma=gamma * size,
            beta=beta,
            moving_mean=mean,
            moving_variance=variance,
        )

    used: Counter = Counter()
    for number in range(1, n_stages + 1):
        scope, n_in = f"s{number}/", 1
        if number > 1:
            n_in, n_small = 3, (SIDE // 2) ** 2
            kernel, bias = rng.normal(0, 0.1, (UNITS, n_small)), rng.normal(0, 0.3, n_small)
            add(f"{scope}dense", kernel=kernel, bias=bias)
            add_norm(scope, 3, np.array([1, 30, 0.3]))  # a heat map varies little
        for layer in range(8):
            n_out = WIDTH * 2 ** (layer // 2)
            kernel = rng.normal(0, (2 / (9 * n_in)) ** 0.5, (3, 3, n_in, n_out))
            add(f"{scope}conv2d", kernel=kernel, bias=rng.normal(0, 0.1, n_out))
            add_norm(scope, n_out)
            n_in = n_out
        n_flat = n_in * (SIDE // 16) ** 2
        kernel = rng.normal(0, (2 / n_flat) ** 0.5, (n_flat, UNITS))
        add(f"{scope}dense", kernel=kernel, bias=rng.normal(0, 0.1, UNITS))
        add_norm(scope, UNITS)
        bias = rng.normal(0, 1, (N_POINTS, 2))
        if number == 1:
            turn = 1.3 * np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
            bias += (mean_shape - 32) @ turn + [35, 29] - mean_shape
            bias[0] += [-30, 3]
        kernel = rng.normal(0, 0.05, (UNITS, 2 * N_POINTS))
        add(f"{scope}dense", kernel=kernel, bias=bias.reshape(-1))
    return {name: np.float32(values) for name, values in variables.items()}


class InMemory:
    """Variables in place of a checkpoint's files."""

    def __init__(self, variables: dict) -> None:
        self.prefix = self.index = "model.ckpt"
        self.shapes = {name: values.shape for name, values in variables.items()}
        self._variables = variables

    def take(self, name: str, shape: tuple) -> np.ndarray:
        assert self.shapes[name] == shape
        return self._variables[name].astype(float)


@pytest.mark.parametrize("n_stages", [1, 2, 3])
def test_every_layer_does_what_tensorflow_does(monkeypatch, n_stages):
    variables = random_variables(n_stages)
    monkeypatch.setattr(tensorflow, "Checkpoint", lambda _: InMemory(variables))
    model = load_tensorflow("model.ckpt").model
    rng = np.random.default_rng(9)
    coarse = torch.from_numpy(rng.uniform(0, 255, (3, 1, 9, 9)))
    crops = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").clamp(0, 255)
    with torch.no_grad():
        found = torch.stack(model(crops.float()).estimates).numpy()
    for face, crop in enumerate(crops[:, 0].numpy()):
        wanted = np.stack(judge(variables, crop, n_stages))
        off = np.linalg.norm(found[:, face] - wanted, axis=-1).max()
        log.info("%d stages: off by %.6f px", n_stages, off)
        assert off <= 0.001
        for one, other in pairwise(wanted):  # every stage does something
            assert np.linalg.norm(other - one, axis=-1).max() > 1
