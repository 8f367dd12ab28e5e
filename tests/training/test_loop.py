"""The engine: exact resume, refused states, bad losses, and that it learns."""

import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from msgspec.structs import asdict, replace

torch = pytest.importorskip("torch")
from torch.nn.modules.module import register_module_forward_hook

from dan.core.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    InterruptedTrainingError,
    NonFiniteLossError,
)
from dan.datasets.pack import evenly, load_pack, save_pack
from dan.datasets.stored_pictures import StoredPictures
from dan.model import load_model
from dan.model.stage import Stage
from dan.training import Augmentation, Recipe, TrainingLog, face_tensors, pipeline, train
from dan.training.devices import build_accelerator
from dan.training.face_tensors import mean_shape_of_pack
from dan.training.loop import train_phase
from dan.training.phases import stage_phase
from dan.training.pipeline import load_data
from dan.training.run_folder import PhaseFolder, read_csv
from dan.training.samples import samples_from


def losses_of(run) -> dict[str, list[str]]:
    return {
        folder.name: [row["loss"] for row in read_csv(folder / "losses.csv")]
        for folder in sorted(run.glob("*/"))
        if (folder / "losses.csv").exists()
    }


def weights_of(path) -> dict[str, torch.Tensor]:
    return load_model(path).model.state_dict()


class Often(TrainingLog):
    """Hears of every second step; one that is given stops the training, as a power cut would."""

    every_steps = 2

    def __init__(self, phase: str = "", last_step: int = 0) -> None:
        self.cut = phase, last_step

    def step(self, name, step, loss, rate, images_per_s) -> None:
        if (name, step) == self.cut:
            raise RuntimeError("power cut")


class Lines(TrainingLog):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def unbroken(drawn_pack, tmp_path_factory):
    """A finished run of two stages and a joint phase."""
    recipe = Recipe.from_dict(
        {
            "model": {"image_size": 32, "width": 2, "hidden": 16, "heat_map": "gaussians"},
            "data": {"face_size": 22.0, "validation_every": 4},
            "training": {
                "epochs": [2, 2],
                "joint_epochs": 1,
                "batch_size": 8,
                "precision": "fp32",
            },
        }
    )
    run = tmp_path_factory.mktemp("unbroken")
    return recipe, run, train(drawn_pack, recipe, run, device="cpu")


def test_a_run_writes_what_it_says(unbroken):
    _, run, trained = unbroken
    assert trained.path == run / "model.safetensors"
    for phase, steps in (("stage1", 8), ("stage2", 8), ("joint", 4)):
        assert [int(row["step"]) for row in read_csv(run / phase / "losses.csv")] == [
            *range(1, steps + 1)
        ]
        names = {path.name for path in (run / phase).iterdir()}
        assert {"best.safetensors", "last.safetensors", "resume.safetensors"} <= names
    phases = {path.name for path in (run / "tensorboard").iterdir()}
    assert phases == {"stage1", "stage2", "joint"}
    made = load_model(trained.path).training
    assert made["phase"] == "joint"
    assert made["validation"]["n_faces"] == 10
    assert len(made["validation"]["error_percent"]) == 2


@pytest.mark.parametrize(("phase", "step"), [("stage1", 2), ("stage1", 6), ("stage2", 8)])
def test_after_a_kill_the_losses_go_on_as_if_unbroken(unbroken, drawn_pack, tmp_path, phase, step):
    recipe, run, trained = unbroken
    recipe = replace(recipe, training=replace(recipe.training, save_seconds=0.0))
    with pytest.raises(RuntimeError, match="power cut"):
        train(drawn_pack, recipe, tmp_path, device="cpu", log=Often(phase, step))
    assert len(losses_of(tmp_path)[phase]) == step  # the log is ahead of the saved state
    resumed = train(drawn_pack, recipe, tmp_path, device="cpu")
    assert losses_of(tmp_path) == losses_of(run)
    wanted, got = weights_of(trained.path), weights_of(resumed.path)
    assert all(torch.equal(got[name], value) for name, value in wanted.items())


def test_a_training_is_silent_unless_a_log_is_given(unbroken, drawn_pack, capfd):
    recipe, run, _ = unbroken
    capfd.readouterr()
    train(drawn_pack, recipe, run, device="cpu")
    assert capfd.readouterr() == ("", "")
    log = Lines()
    train(drawn_pack, recipe, run, device="cpu", log=log)
    assert log.said[0].startswith("30 training faces, 10 held out; cpu, no, 1 process")
    assert "joint: goes on from step 4 of 4" in log.said


@pytest.mark.slow
def test_kill_9_in_mid_epoch_then_resume(drawn_pack, tmp_path, tiny_recipe):
    save_pack(tmp_path / "faces.npz", drawn_pack)
    program = textwrap.dedent(
        """
        import sys, torch
        from dan.datasets.pack import load_pack
        from dan.training import Recipe, TrainingLog, train
        import json
        torch.set_num_threads(1)
        log = TrainingLog()
        log.every_steps = 3
        recipe = Recipe.from_dict(json.loads(sys.argv[3]))
        train(load_pack(sys.argv[1]), recipe, sys.argv[2], device="cpu", log=log)
        """
    )
    import json

    recipe = tiny_recipe(epochs=[30, 1], save_seconds=0.0, batch_size=7)
    text = json.dumps(recipe.to_dict())

    def command(name: str) -> list[str]:
        run = str(tmp_path / name)
        return [sys.executable, "-c", program, str(tmp_path / "faces.npz"), run, text]

    subprocess.run(command("unbroken"), check=True, capture_output=True, timeout=300)
    process = subprocess.Popen(command("broken"), stderr=subprocess.DEVNULL)
    log = tmp_path / "broken" / "stage1" / "losses.csv"
    deadline = time.monotonic() + 60
    while len(read_csv(log)) < 40 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    broken_at = len(read_csv(log))
    assert 40 <= broken_at < 150
    subprocess.run(command("broken"), check=True, capture_output=True, timeout=300)
    assert losses_of(tmp_path / "broken") == losses_of(tmp_path / "unbroken")


def test_pictures_that_stay_on_disk_give_the_same_losses(drawn_pack, tmp_path, tiny_recipe):
    save_pack(tmp_path / "faces.npz", drawn_pack)
    recipe, pack = tiny_recipe(epochs=[1, 1]), load_pack(tmp_path / "faces.npz")
    train(pack, recipe, tmp_path / "memory", device="cpu")
    recipe = replace(recipe, data=replace(recipe.data, memory_gib=0))
    data, _ = load_data(pack, recipe, build_accelerator("cpu", "fp32"))
    assert isinstance(data.train.images, StoredPictures)
    train(pack, recipe, tmp_path / "disk", device="cpu")
    assert losses_of(tmp_path / "disk") == losses_of(tmp_path / "memory")


def test_samples_made_by_workers_give_the_same_losses(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(epochs=[1, 1])
    train(drawn_pack, recipe, tmp_path / "alone", device="cpu")
    recipe = replace(recipe, data=replace(recipe.data, workers=2))
    train(drawn_pack, recipe, tmp_path / "helped", device="cpu")
    assert losses_of(tmp_path / "helped") == losses_of(tmp_path / "alone")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_one_line_wherever_samples_are_made(
    drawn_pack, tmp_path, tiny_recipe, workers
):
    save_pack(tmp_path / "faces.npz", drawn_pack)
    pack, recipe = load_pack(tmp_path / "faces.npz"), tiny_recipe(epochs=[1, 1])
    recipe = replace(recipe, data=replace(recipe.data, memory_gib=0, workers=workers))
    data, model = load_data(pack, recipe, build_accelerator("cpu", "fp32"))
    data.train.images.sizes[:] = 1
    phase = stage_phase(1, recipe, len(data.train))
    with pytest.raises(DataError) as caught:
        list(samples_from(0, phase, data, model.config.image_size))
    assert "\n" not in str(caught.value)


def test_means_over_many_faces_are_those_of_enough(drawn_pack, monkeypatch, tiny_recipe):
    monkeypatch.setattr(face_tensors, "ENOUGH_FACES", 8)
    monkeypatch.setattr(pipeline, "ENOUGH_FACES", 8)
    recipe = tiny_recipe()
    accelerator = build_accelerator("cpu", "fp32")
    data, model = load_data(drawn_pack, recipe, accelerator)
    assert (len(data.train), len(data.train.enough())) == (30, 8)
    few = drawn_pack.split(4)[0].subset(evenly(30, 8))
    wanted = mean_shape_of_pack(few, 32, 22.0)
    assert np.array_equal(model.mean_shape.numpy(), wanted)


def test_a_finished_run_is_left_as_it_is(unbroken, drawn_pack):
    recipe, run, trained = unbroken
    before = losses_of(run), weights_of(trained.path)
    train(drawn_pack, recipe, run, device="cpu")
    assert losses_of(run) == before[0]
    after = weights_of(trained.path)
    assert all(torch.equal(after[name], value) for name, value in before[1].items())


def test_a_run_folder_of_another_recipe_is_refused(unbroken, drawn_pack, tiny_recipe):
    _, run, _ = unbroken
    with pytest.raises(CheckpointError, match="made with another recipe or other data"):
        train(drawn_pack, tiny_recipe(seed=2, joint_epochs=1), run, device="cpu")


def test_a_finished_run_goes_on_with_a_joint_phase_but_not_with_another_rate_for_it(
    drawn_pack, tmp_path, tiny_recipe
):
    train(drawn_pack, tiny_recipe(), tmp_path, device="cpu")
    stages = losses_of(tmp_path)
    train(drawn_pack, tiny_recipe(joint_epochs=1, joint_rate=3e-4), tmp_path, device="cpu")
    assert losses_of(tmp_path).keys() == {*stages, "joint"}
    assert stages.items() <= losses_of(tmp_path).items()
    two_rounds, log = tiny_recipe(joint_epochs=1, joint_rounds=2, joint_rate=3e-4), Lines()
    train(drawn_pack, two_rounds, tmp_path, device="cpu", log=log)
    assert losses_of(tmp_path).keys() == {*stages, "joint", "joint2"}
    assert any("of 2 joint rounds" in line for line in log.said)
    with pytest.raises(CheckpointError, match=r"joint.*made with another recipe"):
        train(drawn_pack, tiny_recipe(joint_epochs=1, joint_rate=5e-4), tmp_path, device="cpu")


def test_a_finished_run_may_be_given_a_refinement(drawn_pack, tmp_path, tiny_recipe):
    train(drawn_pack, tiny_recipe(epochs=[1, 1], joint_epochs=1), tmp_path, device="cpu")
    before = losses_of(tmp_path)
    recipe = tiny_recipe(refinement=3, epochs=[1, 1], joint_epochs=1, refinement_epochs=2)
    trained = train(drawn_pack, recipe, tmp_path, device="cpu")
    losses = losses_of(tmp_path)
    assert losses == {**before, "refinement": losses["refinement"]}
    model = load_model(trained.path).model
    assert model.config.refinement == 3
    assert model.refinement.offsets.weight.abs().max() > 0
    joint = load_model(tmp_path / "joint" / "best.safetensors").model.stages
    assert not torch.equal(joint[0].offsets.weight, model.stages[0].offsets.weight)
    train(drawn_pack, recipe, tmp_path / "anew", device="cpu")
    assert losses_of(tmp_path / "anew") == losses


def test_a_refinement_that_is_stopped_goes_on(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(refinement=3, epochs=[1, 1], refinement_epochs=2, save_seconds=0.0)
    train(drawn_pack, recipe, tmp_path / "unbroken", device="cpu")
    log = Often("refinement", 6)
    with pytest.raises(RuntimeError, match="power cut"):
        train(drawn_pack, recipe, tmp_path / "broken", device="cpu", log=log)
    train(drawn_pack, recipe, tmp_path / "broken", device="cpu")
    assert losses_of(tmp_path / "broken") == losses_of(tmp_path / "unbroken")
    wanted, found = (
        weights_of(tmp_path / name / "model.safetensors") for name in ("unbroken", "broken")
    )
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


@pytest.mark.parametrize(("units", "epochs"), [(3, 0), (0, 2)])
def test_a_refinement_needs_units_and_epochs(tiny_recipe, units, epochs):
    with pytest.raises(ConfigError, match=f"refinement_epochs together, got {units} and {epochs}"):
        tiny_recipe(refinement=units, refinement_epochs=epochs)


def test_a_finished_run_may_be_given_a_confidence_head(drawn_pack, tmp_path, tiny_recipe):
    train(drawn_pack, tiny_recipe(epochs=[1, 1], confidence_draws=0), tmp_path, device="cpu")
    trained = train(
        drawn_pack, tiny_recipe(epochs=[1, 1], confidence_draws=1), tmp_path, device="cpu"
    )
    made = load_model(trained.path).training
    assert made["recipe"]["training"]["confidence_draws"] == 1


def test_at_a_constant_rate_a_phase_can_be_prolonged(drawn_pack, tmp_path, tiny_recipe):
    short, long = (
        tiny_recipe(epochs=[epochs, 1], rate_schedule="constant", warm_up_steps=0)
        for epochs in (1, 3)
    )
    train_stage_one(drawn_pack, short, tmp_path / "a")
    train_stage_one(drawn_pack, long, tmp_path / "a")
    train_stage_one(drawn_pack, long, tmp_path / "b")
    assert losses_of(tmp_path / "a") == losses_of(tmp_path / "b")


def train_stage_one(pack, recipe, run) -> None:
    accelerator = build_accelerator("cpu", "fp32")
    data, model = load_data(pack, recipe, accelerator)
    phase, folder = stage_phase(1, recipe, len(data.train)), PhaseFolder(run / "stage1")
    train_phase(phase, model, data, folder, accelerator=accelerator, log=TrainingLog())


def test_a_loss_that_is_no_number_names_step_and_checkpoint(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(rate=1e30, warm_up_steps=0, save_seconds=0.0)
    log = TrainingLog()
    log.every_steps = 1
    with pytest.raises(NonFiniteLossError, match=r"got (nan|inf) at step 2 of stage1") as caught:
        train(drawn_pack, recipe, tmp_path, device="cpu", log=log)
    assert str(tmp_path / "stage1" / "resume.safetensors") in str(caught.value)
    assert len(read_csv(tmp_path / "stage1" / "losses.csv")) == 1


class CtrlC(TrainingLog):
    """Presses it at a step."""

    every_steps = 1

    def step(self, name, step, loss, rate, images_per_s) -> None:
        if (name, step) == ("stage1", 3):
            signal.raise_signal(signal.SIGINT)


class CtrlCInValidation(TrainingLog):
    """Presses it when a phase's last figures are told."""

    def validated(self, report) -> None:
        if report.step == 8:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("log", "step"), [(CtrlC(), 3), (CtrlCInValidation(), 8)])
def test_ctrl_c_saves_and_says_where(drawn_pack, tmp_path, tiny_recipe, log, step):
    with pytest.raises(InterruptedTrainingError, match=r"goes on from .*resume\.safetensors"):
        train(drawn_pack, tiny_recipe(), tmp_path, device="cpu", log=log)
    assert [len(losses) for losses in losses_of(tmp_path).values()] == [step]
    train(drawn_pack, tiny_recipe(), tmp_path, device="cpu")
    assert (tmp_path / "model.safetensors").is_file()


def test_a_recipe_of_ones_own_is_checked_before_anything_is_written(
    drawn_pack, tmp_path, tiny_recipe
):
    recipe = tiny_recipe()
    recipe = replace(recipe, training=replace(recipe.training, batch_size=0))
    with pytest.raises(ConfigError, match=r"training.batch_size: expected a whole number >= 1"):
        train(drawn_pack, recipe, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_both_stages_learn(drawn_pack, tmp_path):
    recipe = Recipe.from_dict(
        {
            "model": {
                "image_size": 32,
                "width": 4,
                "hidden": 32,
                "heat_map": "gaussians",
                "dropout": 0.0,
            },
            "data": {"face_size": 22.0, "validation_every": 4},
            "augmentation": asdict(Augmentation.none()),
            "training": {
                "epochs": [20, 10],
                "batch_size": 8,
                "rate": 3e-3,
                "average_decay": 0.9,
                "validate_every": 10,
                "precision": "fp32",
            },
        }
    )
    trained = train(drawn_pack, recipe, tmp_path, device="cpu")
    first, second = ([float(loss) for loss in losses] for losses in losses_of(tmp_path).values())
    assert np.mean(first[-10:]) < 0.6 * first[0]
    assert np.mean(second[-10:]) < 0.9 * np.mean(first[-10:])
    assert load_model(trained.path).model.config.n_stages == 2


def test_a_stage_may_start_from_the_one_before(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(epochs=[1, 1], rate=1e-9, average_decay=0.0, start_from_previous=True)
    trained = train(drawn_pack, recipe, tmp_path, device="cpu")
    first, second = load_model(trained.path).model.stages
    kernel = first.blocks[1].conv.weight
    torch.testing.assert_close(second.blocks[1].conv.weight, kernel, atol=1e-6, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("fp32", 0.01), ("bf16", 0.05), ("fp16", 0.05)],  # fp32 may be TF32, of 11 bits; bf16 has 8
)
def test_each_precision_trains_on_an_accelerator(
    drawn_pack, tmp_path, tiny_recipe, precision, tolerance
):
    def losses(folder, device, precision):
        recipe = tiny_recipe(epochs=[1, 1], joint_epochs=1, batch_size=30, precision=precision)
        # Without dropout and noise, which are drawn on the device.
        plain = replace(recipe.model, dropout=0.0)
        recipe = replace(recipe, model=plain, augmentation=Augmentation.none())
        train(drawn_pack, recipe, folder, device=device)
        return {name: float(loss) for name, (loss,) in losses_of(folder).items()}  # a step each

    found = losses(tmp_path / precision, "auto", precision)
    assert np.isfinite(list(found.values())).all()
    wanted = losses(tmp_path / "cpu", "cpu", "fp32")
    assert found["stage1"] == pytest.approx(wanted["stage1"], rel=tolerance)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_precisions_and_layouts(drawn_pack, tmp_path, tiny_recipe, precision, data_format):
    recipe = tiny_recipe(epochs=[1, 1], precision=precision, data_format=data_format)
    train(drawn_pack, recipe, tmp_path, device="cpu")
    assert all(np.isfinite(float(loss)) for loss in losses_of(tmp_path)["stage2"])
    loaded = load_model(tmp_path / "model.safetensors").model
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}


def test_every_phase_computes_in_the_precision_asked_for(drawn_pack, tmp_path, tiny_recipe):
    trained = []

    def look(module, _, output):
        if isinstance(module, Stage) and module.training:
            trained.append(output.hidden.dtype)

    recipe = tiny_recipe(epochs=[1, 1], joint_epochs=1, precision="bf16")
    with register_module_forward_hook(look):
        train(drawn_pack, recipe, tmp_path, device="cpu")
    assert trained == [torch.bfloat16] * 16  # four steps of each phase, both stages in the last


def test_other_losses_and_optimisers(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(
        epochs=[1, 1], loss="wing", optimiser="adam", average_decay=0.0, clip_norm=0.0
    )
    train(drawn_pack, recipe, tmp_path, device="cpu")
    assert set(losses_of(tmp_path)) == {"stage1", "stage2"}


def test_held_out_faces_are_every_so_many_th_by_name(drawn_pack):
    kept, held_out = drawn_pack.split(4)
    assert held_out.names == tuple(f"drawn_{index:02d}" for index in range(3, 40, 4))
    assert not set(kept.names) & set(held_out.names)
    assert len(kept.names) + len(held_out.names) == 40
    with pytest.raises(ConfigError, match="every: expected at least 2, got 1"):
        drawn_pack.split(1)


def test_a_pack_comes_back_from_disk(drawn_pack, tmp_path):
    save_pack(tmp_path / "faces.npz", drawn_pack)
    loaded = load_pack(tmp_path / "faces.npz")
    assert loaded.names == drawn_pack.names
    assert loaded.scheme == drawn_pack.scheme
    assert np.array_equal(loaded.points, drawn_pack.points)
    assert np.abs(np.asarray(loaded.images).astype(int) - drawn_pack.images).mean() < 3
