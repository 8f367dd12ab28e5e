"""A training of the finder: exact resume, refused runs, divergence, and its file."""

import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.core.errors import (
    CheckpointError,
    ConfigError,
    InterruptedTrainingError,
    NonFiniteLossError,
)
from dan.model.weights import FORMAT_VERSION, load_finder, save_tensors
from dan.training import TrainingLog
from dan.training.finder import FinderRecipe, pipeline, train_finder
from dan.training.finder.material import Material, Source
from dan.training.run_folder import read_csv


@pytest.fixture(autouse=True)
def _few_scenes_to_score(monkeypatch):
    monkeypatch.setattr(pipeline, "HELD_OUT_SCENES", 4)


@pytest.fixture(scope="module")
def material():
    rng = np.random.default_rng(0)

    def source(place, n_faces) -> Source:
        picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        frames = np.array([[32.0, 32.0, 40.0, 0.0]] * n_faces).reshape(-1, 4)
        return Source((picture,), frames, np.empty((0, 4)), place)

    return Material([source(n, 1) for n in range(4)], [source(n, 0) for n in range(4)])


def tiny_recipe(**training) -> FinderRecipe:
    return FinderRecipe.from_dict(
        {
            "network": {"widths": [4, 4, 8, 8, 8], "neck": 8, "blocks": [0, 1, 0]},
            "scenes": {"size": 64},
            "training": {
                "rounds": 2,
                "steps": 4,
                "batch_size": 2,
                "validation_every": 2,
                "precision": "fp32",
                **training,
            },
        }
    )


class CtrlC(TrainingLog):
    """Presses it at a step."""

    every_steps = 1

    def __init__(self, *at) -> None:
        self.at = at

    def step(self, name, step, loss, rate, images_per_s) -> None:
        if (name, step) == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def unbroken(material, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "HELD_OUT_SCENES", 4)
        run = tmp_path_factory.mktemp("unbroken")
        return run, train_finder(material, tiny_recipe(), run, device="cpu")


def test_a_run_writes_what_it_says(unbroken):
    run, path = unbroken
    assert path == run / "model.safetensors"
    for name in ("round1", "round2"):
        assert [int(row["step"]) for row in read_csv(run / name / "losses.csv")] == [1, 2, 3, 4]
    trained = load_finder(path)
    assert not trained.network.training
    assert FinderRecipe.from_dict(trained.training["recipe"]) == tiny_recipe()
    assert trained.training["held_out"].keys() == {
        "n_faces",
        "recall_percent",
        "distance_percent",
        "mistaken_percent",
    }


@pytest.mark.parametrize("at", [("round1", 2), ("round2", 3), ("round2", 4)])
def test_after_ctrl_c_the_weights_are_those_of_an_unbroken_run(unbroken, material, tmp_path, at):
    with pytest.raises(InterruptedTrainingError, match=r"goes on from .*resume\.safetensors"):
        train_finder(material, tiny_recipe(), tmp_path, device="cpu", log=CtrlC(*at))
    assert len(read_csv(tmp_path / at[0] / "losses.csv")) == at[1]
    path = train_finder(material, tiny_recipe(), tmp_path, device="cpu")
    wanted, found = (load_finder(own).network.state_dict() for own in (unbroken[1], path))
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


def test_a_finished_run_of_another_recipe_is_refused(unbroken, material):
    run, _ = unbroken
    before = (run / "recipe.json").read_text()
    with pytest.raises(CheckpointError, match="made with another recipe or other data"):
        train_finder(material, tiny_recipe(seed=2), run, device="cpu")
    assert (run / "recipe.json").read_text() == before


def test_a_loss_that_is_no_number_is_said(material, tmp_path):
    recipe, log = tiny_recipe(rate=1e30, warm_up_steps=0), TrainingLog()
    log.every_steps = 1
    with pytest.raises(NonFiniteLossError, match=r"got (nan|inf) at step \d of round1"):
        train_finder(material, recipe, tmp_path, device="cpu", log=log)


def test_a_checkpoint_of_something_else_is_no_finder(unbroken):
    path = unbroken[0] / "round1" / "last.safetensors"
    with pytest.raises(CheckpointError, match=r"last\.safetensors: expected a face finder"):
        load_finder(path)


def test_a_finder_of_other_settings_is_named_with_what_is_wrong(tmp_path):
    header = {"format": FORMAT_VERSION, "finder": {"recipe": {"network": {"neck": 0}}}}
    save_tensors(tmp_path / "other.safetensors", {"a": torch.zeros(1)}, header)
    with pytest.raises(CheckpointError, match=r"other\.safetensors: expected a .*header: neck"):
        load_finder(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"scenes": {"grid": [0.0, 0.0]}}, r"scenes\.grid: expected a finite number above 0"),
        ({"scenes": {"smallest": 300.0, "size": 64}}, r"scenes\.smallest: expected at most 70.4"),
        ({"training": {"rate": float("inf")}}, r"training\.rate: expected a number, got inf"),
        ({"training": {"round": 2}}, r"training\.round: unknown setting"),
    ],
)
def test_wrong_settings_are_named(tables, message):
    with pytest.raises(ConfigError, match=message):
        FinderRecipe.from_dict(tables)
