import pytest

torch = pytest.importorskip("torch")

from dan.model import DAN, DANConfig, save_model
from dan.schemes import FACE68
from dan.training import Recipe, TrainingLog
from dan.training.devices import build_accelerator
from dan.training.phases import phases_of
from dan.training.pipeline import finished_model, mean_of_models
from dan.training.run_folder import PhaseFolder
from dan.training.validation import ValidationFigures

CONFIG = DANConfig(image_size=32, width=2, hidden=16, n_stages=1)


def model_of(value: float) -> DAN:
    model = DAN(CONFIG)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(value)
    return model


@pytest.fixture
def finished(tmp_path):
    """The outcome of a stage and joint rounds with an error of 3 % each, where their mean has
    another."""

    def build(error_of_mean: float, n_rounds: int = 2):
        training = {"epochs": [1], "joint_epochs": 1, "joint_rounds": n_rounds}
        phases = phases_of(Recipe.from_dict({"model": {"n_stages": 1}, "training": training}), 8)
        for number, phase in enumerate(phases):
            folder = PhaseFolder(tmp_path / phase.name)
            folder.path.mkdir()
            made = {"validation": {"error_percent": [3.0]}}
            save_model(folder.best, model_of(float(number)), FACE68, made)
            save_model(folder.last, model_of(10.0 + number), FACE68, made)
        figures = ValidationFigures(7, "inter_ocular", (error_of_mean,), 0.1)
        accelerator = build_accelerator("cpu", "fp32")
        return finished_model(tmp_path, phases, lambda _: figures, accelerator, TrainingLog())

    return build


def values_of(model: DAN) -> set[float]:
    states = model.state_dict().values()
    return {float(v) for state in states if state.is_floating_point() for v in state.unique()}


def test_mean_of_weights_and_batch_statistics():
    assert values_of(mean_of_models([model_of(1.0), model_of(2.0)])) == {1.5}


def test_the_mean_of_the_rounds_ends_is_kept_where_it_is_better(finished):
    mean = finished(2.9)
    assert values_of(mean.model) == {11.5}
    assert mean.training["mean_of_rounds"] == 2
    assert mean.training["validation"]["error_percent"] == (2.9,)


def test_else_the_best_of_the_last_round(finished):
    best = finished(3.0)
    assert values_of(best.model) == {2.0}
    assert "mean_of_rounds" not in best.training


def test_one_round_is_no_mean(finished):
    assert values_of(finished(2.9, n_rounds=1).model) == {1.0}
