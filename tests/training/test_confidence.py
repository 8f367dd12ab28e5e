"""The confidence head learns from the network's own errors."""

import dataclasses
import importlib.util

import numpy as np
import pytest
from msgspec.structs import replace

torch = pytest.importorskip("torch")

from dan.core.images import read_rgb
from dan.model import DAN, load_model
from dan.training import confidence, train
from dan.training.confidence import fit_confidence, n_batches
from dan.training.face_tensors import faces_of_pack, mean_shape_of_pack
from dan.training.recipe import Augmentation


@pytest.fixture
def parts(drawn_pack, tiny_recipe):
    """A network that always answers with the mean shape, and faces to judge it on."""
    train_pack, valid_pack = drawn_pack.split(4)
    mean_shape = mean_shape_of_pack(train_pack, 32, 22.0)
    torch.manual_seed(0)
    config = replace(tiny_recipe().model, n_stages=1, n_landmarks=68)
    model = DAN(config).eval()
    model.set_statistics(mean_shape, np.full((32, 32), 128.0), np.full((32, 32), 60.0))
    torch.nn.init.zeros_(model.stages[0].offsets.weight)
    faces = [faces_of_pack(pack, mean_shape) for pack in (train_pack, valid_pack)]
    return model, *faces, drawn_pack.scheme


def test_upright_faces_are_told_from_misplaced_ones(parts, monkeypatch):
    # In place, the mean shape is a fair answer for drawn faces; anywhere else it is a bad one.
    monkeypatch.setitem(confidence.GOOD_ERROR, "inter_ocular", 0.15)
    calls = []
    fitted = fit_confidence(*parts, Augmentation.none(), draws=4, on_batch=lambda: calls.append(1))
    assert fitted is not None
    model, figures = fitted
    assert model.config.confidence
    assert 0.2 < figures.good_share < 0.5
    assert figures.roc_auc_negatives > 0.9
    assert figures.calibration_error < 0.2
    assert sum(count for _, _, count in figures.reliability) == figures.n_samples
    good = sum(observed * count for _, observed, count in figures.reliability)
    assert good == pytest.approx(figures.good_share * figures.n_samples, abs=0.1)
    assert len(calls) == n_batches(parts[1], parts[2], 4)


def test_faces_that_lack_points_are_judged_by_the_others(parts, monkeypatch):
    monkeypatch.setitem(confidence.GOOD_ERROR, "diagonal", 0.055)
    model, *both, scheme = parts
    lacking = []
    for faces in both:
        points, weights = faces.points.clone(), faces.weights.clone()
        points[::2, :10], weights[::2, :10] = torch.nan, 0.0
        points[:, 36], weights[:, 36] = torch.nan, 0.0  # without that corner: the diagonal counts
        lacking.append(dataclasses.replace(faces, points=points, weights=weights))
    _, figures = fit_confidence(model, *lacking, scheme, Augmentation.none(), draws=4)
    assert 0.2 < figures.good_share < 0.5
    assert figures.roc_auc_negatives > 0.9


def test_the_network_itself_is_not_changed(parts):
    before = {name: value.clone() for name, value in parts[0].state_dict().items()}
    model, _ = fit_confidence(*parts, Augmentation.none(), draws=1)
    for name, value in before.items():
        torch.testing.assert_close(parts[0].state_dict()[name], value)
        torch.testing.assert_close(model.state_dict()[name], value)


def test_without_bad_results_there_is_nothing_to_learn(parts, monkeypatch):
    monkeypatch.setitem(confidence.GOOD_ERROR, "inter_ocular", 1e9)
    assert fit_confidence(*parts, Augmentation.none(), draws=1) is None


def test_a_training_ends_with_the_head(drawn_pack, tmp_path, tiny_recipe, monkeypatch):
    monkeypatch.setitem(confidence.GOOD_ERROR, "inter_ocular", 0.3)  # a tiny network's best
    recipe = tiny_recipe(epochs=[2, 1], confidence_draws=1)
    finished = train(drawn_pack, recipe, tmp_path, device="cpu")
    trained = load_model(finished.path)
    if importlib.util.find_spec("matplotlib"):
        assert [path.name for path in finished.pictures] == ["curves.png", "reliability.png"]
        assert all(read_rgb(path).std() > 0 for path in finished.pictures)
    assert trained.model.config.confidence
    assert set(trained.training["confidence"]) >= {"roc_auc", "calibration_error", "n_samples"}
    assert not load_model(tmp_path / "stage2" / "best.safetensors").model.config.confidence
