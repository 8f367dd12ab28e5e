"""The authors' weight files: a slow network in NumPy, written from the definitions, as judge.

The judge shares no code with the package. Where the definitions leave room, both read them so: the
heat's patch runs from 8 pixels left of (above) the truncated, clipped point to 8 pixels right of
(below) it, and the second class of the softmax is "face".
"""

import logging
import pickle
import zipfile
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.model import load_model
from dan.model.importing import load_theano, theano

SIZE, HIDDEN, POINTS, MARGIN = 112, 256, 68, 8
CHANNELS = [64, 64, 128, 128, 256, 256, 512, 512]

# ------------------------------------------------------------------------------------- the judge


def judge(arrays: dict, crop: np.ndarray, n_stages: int) -> tuple[list, np.ndarray]:
    """(68, 2) points after each stage and the hidden layer of the first."""
    parameters = iter(arrays[f"arr_{index}"].astype(float) for index in range(len(arrays)))
    image = ((crop - arrays["meanImg"]) / arrays["stdDevImg"]).astype(float)  # (1, 112, 112)
    mean_shape = arrays["initLandmarks"].astype(float)
    offsets, hidden = judge_stage(image, parameters)
    estimates, first_hidden = [mean_shape + offsets], hidden
    for _ in range(n_stages - 1):
        # The similarity onto the mean shape, w = a (z - p) + q, as complex numbers.
        z, w = as_complex(estimates[-1]), as_complex(mean_shape)
        p, q = z.mean(), w.mean()
        a = np.sum(np.conj(z - p) * (w - q)) / np.sum(np.abs(z - p) ** 2)
        moved = as_points(a * (z - p) + q)
        feature = np.maximum(hidden @ next(parameters) + next(parameters), 0)
        feature = feature.reshape(SIZE // 2, SIZE // 2).repeat(2, axis=0).repeat(2, axis=1)
        rows, columns = np.mgrid[:SIZE, :SIZE]
        source = as_points((columns + 1j * rows - q) / a + p)
        images = np.stack([sampled(image[0], source), heat_map(moved), feature])
        images = batch_norm(images, parameters)
        offsets, hidden = judge_stage(images, parameters)
        estimates.append(as_points((as_complex(moved + offsets) - q) / a + p))
    return estimates, first_hidden


def judge_stage(images, parameters):
    """(C, 112, 112) -> (68, 2) offsets, (256,) hidden layer."""
    maps = images
    for index in range(len(CHANNELS)):
        maps = np.maximum(batch_norm(convolved(maps, next(parameters)), parameters), 0)
        if index % 2:
            channels, side = len(maps), maps.shape[-1] // 2
            maps = maps.reshape(channels, side, 2, side, 2).max(axis=(2, 4))
    hidden = np.maximum(batch_norm(maps.reshape(-1) @ next(parameters), parameters), 0)
    return (hidden @ next(parameters) + next(parameters)).reshape(POINTS, 2), hidden


def convolved(maps, kernels):
    """True convolution: out(y, x) = sum of kernel(u, v) times in(y + 1 - u, x + 1 - v)."""
    _, height, width = maps.shape
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    columns = np.stack(
        [
            padded[:, 2 - u : 2 - u + height, 2 - v : 2 - v + width]
            for u in range(3)
            for v in range(3)
        ],
        axis=1,
    )  # (C, 9, H, W)
    return (kernels.reshape(len(kernels), -1) @ columns.reshape(-1, height * width)).reshape(
        -1, height, width
    )


def batch_norm(values, parameters):
    beta, gamma, mean, inverse = (next(parameters) for _ in range(4))
    across = (-1,) + (1,) * (values.ndim - 1)
    centred = values - mean.reshape(across)
    return centred * (inverse * gamma).reshape(across) + beta.reshape(across)


def sampled(image, positions):
    """Bilinear; both coordinates are clamped to 0..S - 2, so the last pixels are not reached."""
    x, y = np.clip(positions, 0, SIZE - 2).transpose(2, 0, 1)
    left, top = x.astype(int), y.astype(int)
    u, v = x - left, y - top
    upper = (1 - u) * image[top, left] + u * image[top, left + 1]
    lower = (1 - u) * image[top + 1, left] + u * image[top + 1, left + 1]
    return (1 - v) * upper + v * lower


def heat_map(points):
    heat = np.zeros((SIZE, SIZE))
    for x, y in np.clip(points, MARGIN, SIZE - 1 - MARGIN):
        for row in range(int(y) - MARGIN, int(y) + MARGIN + 1):
            for column in range(int(x) - MARGIN, int(x) + MARGIN + 1):
                near = 1 / (1 + np.sqrt((column - x) ** 2 + (row - y) ** 2 + 1e-6))
                heat[row, column] = max(heat[row, column], near)
    return heat


def as_complex(points):
    return points[..., 0] + 1j * points[..., 1]


def as_points(numbers):
    return np.stack([numbers.real, numbers.imag], axis=-1)


# ------------------------------------------------------------------------------ files like theirs


def random_arrays(n_stages: int, confidence: bool) -> dict:
    """Sensible weights: maps stay of order one; stage 1 turns, enlarges and shifts the shape.

    So the next stage looks beyond the picture, and some points reach the border's margin.
    """
    rng = np.random.default_rng([n_stages, confidence])
    mean_shape = rng.uniform(28, 84, (POINTS, 2))
    values = []
    for stage in range(n_stages):
        if stage:
            values.append(rng.normal(0, 0.1, (HIDDEN, (SIZE // 2) ** 2)))
            values.append(rng.normal(0, 0.3, (SIZE // 2) ** 2))
            values += random_norm(rng, 3)
            values[-1] *= [1, 30, 0.3]  # a heat map varies little, so the norm lifts it
        n_in = 3 if stage else 1
        for n_out in CHANNELS:
            values.append(rng.normal(0, (2 / (9 * n_in)) ** 0.5, (n_out, n_in, 3, 3)))
            values += random_norm(rng, n_out)
            n_in = n_out
        n_flat = n_in * (SIZE // 16) ** 2
        values.append(rng.standard_normal((n_flat, HIDDEN), dtype=np.float32))
        values[-1] *= (2 / n_flat) ** 0.5
        values += random_norm(rng, HIDDEN)
        values.append(rng.normal(0, 0.01, (HIDDEN, 2 * POINTS)))
        bias = rng.normal(0, 1, (POINTS, 2))
        if not stage:
            turned = as_points(1.3 * np.exp(0.3j) * as_complex(mean_shape - 56) + 60 + 50j)
            turned[:3] = [[-12, 40], [50, 120], [108.5, 3.5]]
            bias += turned - mean_shape
        values.append(bias.reshape(-1))
    if confidence:
        values += [rng.normal(0, 0.05, (HIDDEN, 2)), rng.normal(0, 0.5, 2)]
    arrays = {f"arr_{index}": np.float32(value) for index, value in enumerate(values)}
    arrays["meanImg"] = rng.uniform(90, 140, (1, SIZE, SIZE)).astype(np.float32)
    arrays["stdDevImg"] = rng.uniform(40, 70, (1, SIZE, SIZE)).astype(np.float32)
    arrays["initLandmarks"] = mean_shape
    return arrays


def random_norm(rng, n: int) -> list:
    beta, gamma = rng.normal(0, 0.1, n), rng.uniform(0.7, 1.3, n)
    return [beta, gamma, rng.normal(0, 0.1, n), rng.uniform(0.7, 1.3, n)]


def write(path, arrays: dict):
    """As the authors': with the curves of the training, which are pickled objects."""
    curves = np.empty(2, dtype=object)
    curves[:] = [[0.1, 0.05], "text"]
    np.savez(path, errors=curves, errorsTrain=np.array([0.2, 0.1]), **arrays)
    return path


def smooth_crops(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    coarse = torch.from_numpy(rng.uniform(0, 255, (count, 1, 10, 10)))
    fine = torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic")
    return (fine.numpy() + rng.normal(0, 6, fine.shape)).clip(0, 255).astype(np.uint8)


def distance(points, others) -> float:
    return float(np.linalg.norm(np.asarray(points) - np.asarray(others), axis=-1).max())


# ----------------------------------------------------------------------------------------- tests

log = logging.getLogger(__name__)  # pytest --log-cli-level=INFO shows the figures


@pytest.mark.slow
@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("n_stages", [1, 2, 3])
def test_imported_networks_find_what_the_definitions_say(tmp_path, n_stages, confidence):
    arrays = random_arrays(n_stages, confidence)
    file = load_theano(write(tmp_path / "DAN.npz", arrays))
    crops = smooth_crops(2)
    with torch.no_grad():
        found = file.model(torch.from_numpy(crops).float())
    for face, crop in enumerate(crops):
        wanted, hidden = judge(arrays, crop, n_stages)
        off = [distance(found.estimates[stage][face], wanted[stage]) for stage in range(n_stages)]
        log.info("%d stages, confidence %s: off by %.6f px", n_stages, confidence, max(off))
        assert max(off) <= 0.001
        assert all(distance(*pair) > 1 for pair in pairwise(wanted))  # every stage does something
        if n_stages == 1 and confidence:
            scores = np.exp(hidden @ arrays["arr_47"] + arrays["arr_48"])
            logit = file.model.confidence(found.hidden[face])
            assert torch.sigmoid(logit).item() == pytest.approx(scores[1] / scores.sum(), abs=1e-4)


@pytest.mark.slow
def test_the_bundle_finds_what_the_definitions_say(dan, tmp_path, monkeypatch):
    pytest.importorskip("onnxscript")
    from dan.inference.onnx_model import OnnxModel
    from dan.model.exporting import bundling

    monkeypatch.setattr(bundling, "CHECKED_BATCHES", (1,))  # its own check takes long
    arrays = random_arrays(2, confidence=False)
    weights, bundle = write(tmp_path / "DAN.npz", arrays), tmp_path / "dan.danbundle"
    done = dan("import-theano", weights, "-o", bundle)
    assert done.code == 0
    assert "stages: 2 of 2" in done.out
    crops = smooth_crops(2)
    estimates = OnnxModel(bundle)(crops[:, 0]).estimates()  # (n_stages, B, N, 2)
    for face, crop in enumerate(crops):
        off = distance(estimates[:, face], judge(arrays, crop, 2)[0])
        log.info("bundle: off by %.6f px", off)
        assert off <= 0.001


@pytest.mark.slow
def test_first_stages_alone_keep_the_confidence_that_is_theirs(dan, tmp_path):
    arrays = random_arrays(2, confidence=True)
    weights = write(tmp_path / "DAN.npz", arrays)
    whole, first = tmp_path / "whole.safetensors", tmp_path / "first.safetensors"
    done = dan("import-theano", weights, "-o", whole)
    assert done.code == 0
    assert "left out: confidence, which comes from stage 1" in done.out
    done = dan("import-theano", weights, "--stages", 1, "-o", first)
    assert done.code == 0
    assert "stages: 1 of 2" in done.out
    crops = torch.from_numpy(smooth_crops(1)).float()
    model, both = load_model(first).model, load_model(whole).model
    assert (both.config.confidence, model.config.confidence) == (False, True)
    assert both.config.border == model.config.border == "inner_edge"
    torch.testing.assert_close(model(crops).points, both(crops).estimates[0], atol=0, rtol=0)
    wanted = arrays["arr_100"][:, 1] - arrays["arr_100"][:, 0]
    np.testing.assert_allclose(model.confidence.weight.detach()[0], wanted, rtol=1e-6)
    done = dan("import-theano", weights, "--stages", 3, "-o", first)
    assert done.code == 2
    assert "DAN.npz: expected 3 stages, got 2" in done.err


@pytest.mark.parametrize("inverse", [0.01, 1.0, 99.0, 1e5, 0.0, -2.0])
def test_any_inverse_deviation_is_kept(inverse):
    norm = torch.nn.BatchNorm1d(1).eval()
    entries = iter([[0.5], [2.0], [3.0], [inverse]])  # beta, gamma, mean, inv_std
    parameters = SimpleNamespace(take=lambda *_: np.array(next(entries)))
    theano._fill_norm(norm, parameters, "a layer")
    wanted = 2.0 * (3.001 - 3.0) * inverse + 0.5
    assert norm(torch.tensor([[3.001]])).item() == pytest.approx(wanted, rel=1e-3)


def small_arrays() -> dict:
    """Of one stage; mostly zeros, which are quick to write and read."""
    values = []
    n_in = 1
    for n_out in CHANNELS:
        values += [np.zeros((n_out, n_in, 3, 3)), *np.ones((4, n_out))]
        n_in = n_out
    values += [np.zeros((n_in * 49, HIDDEN)), *np.ones((4, HIDDEN))]
    values += [np.zeros((HIDDEN, 2 * POINTS)), np.zeros(2 * POINTS)]
    arrays = {f"arr_{index}": np.float32(value) for index, value in enumerate(values)}
    arrays |= {"meanImg": np.zeros((1, SIZE, SIZE)), "stdDevImg": np.ones((1, SIZE, SIZE))}
    return arrays | {"initLandmarks": np.random.default_rng(0).uniform(28, 84, (POINTS, 2))}


def test_headers_of_python_2_are_read(tmp_path):
    """There, long integers wear an L; NumPy warns of it, which no user can do anything about."""
    new, old = tmp_path / "new.npz", tmp_path / "old.npz"
    np.savez_compressed(new, **small_arrays())
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "arr_0.npy":
                data = data.replace(b"(64, 1, 3, 3), }    ", b"(64L, 1L, 3L, 3L), }")
                assert b"64L" in data
            target.writestr(name, data)
    assert load_theano(old).model.config.n_stages == 1


OTHER_ENTRIES = {  # None: left out
    "shape": {"arr_45": np.zeros((HIDDEN, 10), np.float32)},
    "missing": {"arr_12": None},
    "no mean": {"meanImg": None},
    "too many": {"arr_47": np.zeros(3, np.float32)},
    "nan": {"arr_2": np.full(64, np.nan, np.float32)},
    "integers": {"arr_1": np.zeros(64, int)},
    "objects": {"arr_1": np.array([{}] * 64, dtype=object)},
    "no deviation": {"stdDevImg": np.zeros((1, SIZE, SIZE))},
    "one point": {"initLandmarks": np.ones((POINTS, 2))},
}

OTHER_BYTES = {
    "text": lambda _: b"no zip\n",
    "empty": lambda _: b"",
    "truncated": lambda data: data[:-1000],
    "damaged": lambda data: data[:100] + bytes(100) + data[200:],
    "pickle": lambda _: pickle.dumps({"arr_0": [1.0]}),
}


def write_broken(kind: str, path) -> None:
    """Write a file that is not right."""
    arrays = small_arrays() | OTHER_ENTRIES.get(kind, {})
    if kind == "unrelated":
        arrays = {"names": np.array(["a", "b"]), "points": np.zeros((2, 68, 2))}
    kept = {name: values for name, values in arrays.items() if values is not None}
    np.savez_compressed(path, **kept)
    if kind == "missing file":
        path.unlink()
    elif kind in OTHER_BYTES:
        path.write_bytes(OTHER_BYTES[kind](path.read_bytes()))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("shape", "arr_45: expected (256, 136) W of output, stage 1, got (256, 10)"),
        ("missing", "arr_12: expected (128,) gamma of convolution 3, stage 1, found no such entry"),
        ("no mean", "meanImg: expected (1, 112, 112) mean image, found no such entry"),
        ("too many", "arr_47: expected no such entry"),
        ("nan", "arr_2: expected (64,) gamma of convolution 1, stage 1, finite numbers, got NaN"),
        ("integers", "arr_1: expected (64,) beta of convolution 1, stage 1, floating numbers, got"),
        ("objects", "arr_1: expected (64,) beta of convolution 1, stage 1, got pickled objects"),
        ("no deviation", "deviation image: expected positive values, got zero or less"),
        ("one point", "mean shape: points: expected them to span an area"),
        ("unrelated", "arr_0: expected (64, 1, 3, 3) W of convolution 1, stage 1, found no such"),
        ("missing file", "expected an .npz file, found none"),
        ("text", "expected a whole .npz file: File is not a zip file"),
        ("empty", "expected a whole .npz file: File is not a zip file"),
        ("truncated", "expected a whole .npz file: File is not a zip file"),
        ("damaged", "arr_0: expected a whole .npz file: "),
        ("pickle", "expected a whole .npz file: File is not a zip file"),
    ],
)
def test_other_files_are_refused_in_one_line(dan, tmp_path, kind, message):
    path, out = tmp_path / "DAN.npz", tmp_path / "dan.safetensors"
    write_broken(kind, path)
    done = dan("import-theano", path, "-o", out)
    assert done.code == 2
    assert f"dan: {path}: {message}" in done.err
    assert done.err.count("\n") == 1
    assert not out.exists()


def test_a_name_that_is_no_models_is_refused_before_the_work(dan, tmp_path):
    done = dan("import-theano", tmp_path / "none.npz", "-o", tmp_path / "dan.pth")
    assert done.code == 2
    assert "dan.pth: expected a name that ends in .safetensors" in done.err
