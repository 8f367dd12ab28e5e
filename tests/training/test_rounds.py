from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from dan.model import DAN, DANConfig, save_model
from dan.schemes import FACE68
from dan.training import rounds
from dan.training.rounds import finished_model, mean_of_models
from dan.training.validation import ValidationFigures

CONFIG = DANConfig(image_size=32, width=2, hidden=16, n_stages=1)


def model_of(value: float) -> DAN:
    model = DAN(CONFIG)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(value)
    return model


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A stage and two joint rounds, with an error of 3 % each; the error of their mean is given."""

    def path(name: str, which: str) -> Path:
        return tmp_path / f"{name}-{which}.safetensors"

    def build(error: float):
        for number, name in enumerate(("stage1", "joint", "joint2")):
            made = {"validation": {"error_percent": [3.0]}}
            save_model(path(name, "best"), model_of(float(number)), FACE68, made)
            save_model(path(name, "last"), model_of(10.0 + number), FACE68, made)
        figures = ValidationFigures(7, "inter_ocular", (error,), 0.1)
        monkeypatch.setattr(rounds, "score", lambda job, model: figures)
        return [
            SimpleNamespace(
                phase=SimpleNamespace(joint=bool(number), refined=False),
                folder=SimpleNamespace(best=path(name, "best"), last=path(name, "last")),
                accelerator=SimpleNamespace(device="cpu"),
                report=SimpleNamespace(say=lambda text: None),
            )
            for number, name in enumerate(("stage1", "joint", "joint2"))
        ]

    return build


def values_of(model: DAN) -> set[float]:
    states = model.state_dict().values()
    return {float(v) for state in states if state.is_floating_point() for v in state.unique()}


def test_mean_of_weights_and_batch_statistics():
    assert values_of(mean_of_models([model_of(1.0), model_of(2.0)])) == {1.5}


def test_the_mean_of_the_rounds_ends_is_kept_where_it_is_better(jobs):
    finished = finished_model(jobs(2.9))
    assert values_of(finished.model) == {11.5}
    assert finished.training["mean_of_rounds"] == 2
    assert finished.training["validation"]["error_percent"] == (2.9,)


def test_else_the_best_of_the_last_round(jobs):
    finished = finished_model(jobs(3.0))
    assert values_of(finished.model) == {2.0}
    assert "mean_of_rounds" not in finished.training


def test_one_round_is_no_mean(jobs):
    finished = finished_model(jobs(2.9)[:2])
    assert values_of(finished.model) == {1.0}
