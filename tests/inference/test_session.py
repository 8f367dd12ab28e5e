"""Crops in, points of the crops out."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from dan.core.errors import BundleError, ConfigError, DeviceError, ShapeError
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.inference.bundle import bundle_path, load_bundle
from dan.inference.landmark_model import LandmarkModel
from dan.inference.onnx_model import PROVIDERS, OnnxModel

SAME_PX = {"dan68": 0.01, "dan68-fast": 0.2}
"""Sums in another order move a point by so much at most, crop pixels; int8 rounds them."""


def crops_for(model, portrait):
    """65 crops about the portrait's face, each a little off."""
    rng = np.random.default_rng(0)
    boxes = np.array([179.0, 90.0, 269.0, 175.0]) + rng.uniform(-8, 8, (65, 4))
    moves = [crop_from_box(box, model.mean_shape) for box in boxes]
    return np.stack([extract_crop(portrait, move, model.crop_size, to_grey=True) for move in moves])


@pytest.fixture(scope="module")
def crops(portrait, model):
    return crops_for(model, portrait)


def test_it_is_what_evaluation_takes(model):
    predictor: LandmarkModel = model
    assert predictor.scheme.n_landmarks == 68
    assert predictor.mean_shape.shape == (68, 2)


@pytest.fixture(scope="module", params=SAME_PX)
def any_model(request, model):
    return model if request.param == model.name else OnnxModel(request.param, threads=1)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 65])
def test_a_crop_gives_the_same_points_in_any_batch(any_model, portrait, count):
    model, same_px = any_model, SAME_PX[any_model.name]
    crops = crops_for(model, portrait)
    alone = [model(crop[None]).points[0] for crop in crops[:2]]
    together = model(crops[:count])
    assert together.points.shape == (count, 68, 2)
    assert together.points.dtype == np.float32
    assert together.confidence.shape == (count,)
    for one, same in zip(alone, together.points, strict=False):
        assert np.abs(one - same).max() < same_px
    if count > 2:
        parts = [model(part).points for part in np.array_split(crops[:count], 3)]
        assert np.abs(np.concatenate(parts) - together.points).max() < same_px


def test_stages_end_with_the_points(model, crops):
    stages = model(crops[:3]).estimates()
    assert stages.shape == (model.n_stages, 3, 68, 2)
    assert np.abs(stages[-1] - model(crops[:3]).points).max() < SAME_PX[model.name]
    assert model(crops[:0]).estimates().shape == (model.n_stages, 0, 68, 2)


def test_confidence_is_a_probability_or_nan(model, crops):
    sure = model(crops[:4]).confidence
    assert (np.isnan(sure) | ((sure >= 0) & (sure <= 1))).all()
    assert model.has_confidence != np.isnan(sure).all()


def test_a_model_that_does_not_say_how_sure_it_is(crops):
    silent = replace(load_bundle(bundle_path("dan68-fast")), has_confidence=False)
    found = OnnxModel(silent, threads=1)(crops[:2])
    assert np.isnan(found.confidence).all()


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((2, 112, 111), np.uint8),
        np.zeros((112, 112), np.uint8),
        np.zeros((1, 1, 112, 112), np.uint8),
        np.zeros((1, 112, 112), np.float32),
        np.zeros((1, 112, 112), np.int64),
        [[0.5]],
    ],
    ids=lambda crops: f"{np.shape(crops)} {getattr(crops, 'dtype', 'list')}",
)
def test_other_shapes_and_types_are_refused(model, crops):
    with pytest.raises(ShapeError, match="crops: expected"):
        model(crops)
    with pytest.raises(ShapeError, match="crops: expected"):
        model(crops).estimates()


def test_unknown_and_missing_providers_are_errors():
    import onnxruntime

    with pytest.raises(ConfigError, match=r"provider: expected one of cpu, cuda, .* got tpu"):
        OnnxModel("dan68-fast", provider="tpu")
    here = onnxruntime.get_available_providers()
    missing = [name for name, provider in PROVIDERS.items() if provider not in here]
    for name in missing:
        with pytest.raises(DeviceError, match=rf"this onnxruntime has \(.*cpu.*\), got {name}"):
            OnnxModel("dan68-fast", provider=name)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_positive(threads):
    with pytest.raises(ConfigError, match="threads: expected at least 1"):
        OnnxModel("dan68-fast", threads=threads)


def test_threads_do_not_change_the_points(model, crops):
    two = OnnxModel("dan68-fast", threads=2)
    assert np.abs(two(crops[:3]).points - model(crops[:3]).points).max() < SAME_PX[model.name]


def test_a_run_that_fails_is_told_as_the_bundle(crops, monkeypatch):
    class Broken(onnxruntime.InferenceSession):
        def run(self, *_):
            raise RuntimeError("out of something\nsecond line")

    monkeypatch.setattr(onnxruntime, "InferenceSession", Broken)
    broken = OnnxModel("dan68-fast", threads=1)
    with pytest.raises(BundleError, match=r"dan68-fast: onnxruntime failed: out of something$"):
        broken(crops[:1])


def test_points_that_are_no_numbers_are_told(crops, monkeypatch):
    class Damaged(onnxruntime.InferenceSession):
        def run(self, *_):
            points = np.full((1, 68, 2), np.nan, np.float32)
            covariance, seen = np.ones((1, 68, 2, 2)), np.ones((1, 68))
            said = (np.ones(1), covariance, seen)
            return [points, points[None], *(values.astype(np.float32) for values in said)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Damaged)
    damaged = OnnxModel("dan68-fast", threads=1)
    with pytest.raises(BundleError, match="dan68-fast: found points that are no numbers"):
        damaged(crops[:1])


def test_onnx_runtime_leaves_and_sends_nothing(tmp_path, portrait_path):
    code = f"import dan; dan.FaceAligner()({str(portrait_path)!r})"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", code], env=kept | home, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []
