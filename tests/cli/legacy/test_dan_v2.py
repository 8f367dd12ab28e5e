"""The old training command line, typed as in the notes of those who hold it."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dan.cli.legacy import dan_v2
from dan.cli.legacy.cycle_log import CycleLog
from dan.cli.legacy.dan_v2 import _parse
from dan.cli.legacy.preprocessing import main as preprocess
from dan.core.images import read_rgb, write_png
from dan.datasets.formats import save_pts
from dan.datasets.synthetic import draw_synthetic_face
from dan.model import load_model
from dan.training.run_folder import read_csv


def make_samples(folder: Path, out: Path, n_landmarks: int, count: int, seed: int) -> None:
    folder.mkdir()
    keep = np.linspace(0, 67, n_landmarks).round().astype(int) % 68
    for index in range(count):
        image, points = draw_synthetic_face(np.random.default_rng([seed, index]), 80)
        shape = points[keep] + np.linspace(0, 1, n_landmarks)[:, None]  # 98 of 68: no two alike
        write_png(folder / f"face{index}.png", image)
        save_pts(folder / f"face{index}.pts", shape)
    flags = [f"--input_dir={folder}", f"--output_dir={out}", "--img_size=32", "--workers=1"]
    assert preprocess(flags) == 0


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Training and test samples of drawn faces, 32 pixels."""
    root = tmp_path_factory.mktemp("samples")
    make_samples(root / "train_raw", root / "TRAIN", 68, 12, seed=1)
    make_samples(root / "test_raw", root / "TEST", 68, 5, seed=2)
    return root


# The flags are tested here, not the network: width 2 in place of 64.
main = partial(dan_v2.main, width=2, hidden=8)


def flags(samples, model_dir, *more: str) -> list[str]:
    return [
        f"--data_dir={samples / 'TRAIN'}",
        f"--data_dir_test={samples / 'TEST'}",
        f"--model_dir={model_dir}",
        "-nlm",
        "68",
        *more,
    ]


def test_train_both_stages_evaluate_and_predict(samples, tmp_path, capsys):
    assert main(["-ds", "1", *flags(samples, tmp_path, "-te=3", "-epe=1", "-mode", "train")]) == 0
    assert len(read_csv(tmp_path / "stage1" / "validation.csv")) == 3
    assert main(["-ds", "2", *flags(samples, tmp_path, "-te=2", "-epe=1", "-mode", "train")]) == 0
    stage1, stage2 = (
        load_model(tmp_path / name / "last.safetensors").model.state_dict()
        for name in ("stage1", "stage2")
    )
    assert all(torch.equal(stage2[name], value) for name, value in stage1.items())
    out = capsys.readouterr()
    assert "Epoch time:" in out.err
    assert "Evaluation: loss =" in out.err

    assert main(["-ds", "2", *flags(samples, tmp_path, "-mode", "eval")]) == 0
    assert "loss: 0." in capsys.readouterr().out
    assert main(["-ds", "2", *flags(samples, tmp_path, "-mode", "predict")]) == 0
    printed = capsys.readouterr().out
    for line in ("Average error: ", "AUC @ 0.08: ", "Failure rate: ", "Save path:"):
        assert line in printed
    pictures = sorted((tmp_path / "PREDICT").iterdir())
    assert [path.name for path in pictures] == [f"face{i}@0000.png" for i in range(5)]
    assert read_rgb(pictures[0]).shape[0] >= 448


def test_eval_scores_every_image_of_the_test_folder(samples, tmp_path, capsys):
    main(["-ds", "1", *flags(samples, tmp_path, "-te=1", "-mode", "train")])
    capsys.readouterr()
    main(["-ds", "1", *flags(samples, tmp_path, "-bs", "3", "-mode", "eval")])
    assert "5 images" in capsys.readouterr().out
    none = [
        word if "data_dir_test" not in word else "--data_dir_test=None"
        for word in flags(samples, tmp_path, "-mode", "eval")
    ]
    main(["-ds", "1", *none])
    assert "12 images" in capsys.readouterr().out


def test_stage_2_without_stage_1_names_the_command(samples, tmp_path, capsys):
    assert main(["-ds", "2", *flags(samples, tmp_path, "-mode", "train")]) == 2
    error = capsys.readouterr().err
    assert "python DAN_V2.py -ds 1 --data_dir=" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_stage_goes_on_when_more_epochs_are_asked_for(samples, tmp_path):
    for epochs in ("-te=1", "-te=3"):
        main(["-ds", "1", *flags(samples, tmp_path, epochs, "-bs", "4", "-mode", "train")])
    assert [int(row["step"]) for row in read_csv(tmp_path / "stage1" / "losses.csv")] == [
        *range(1, 10)
    ]


def test_max_train_steps_stops_there(samples, tmp_path):
    main(["-ds", "1", *flags(samples, tmp_path, "-te=9", "-bs", "4", "-mts", "2")])
    assert len(read_csv(tmp_path / "stage1" / "losses.csv")) == 2


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_any_number_of_stages(samples, tmp_path, stages):
    for stage in range(1, stages + 1):
        more = ["-ds", str(stage), "-te", "1", "-bs", "8", "-mode", "train"]
        assert main(flags(samples, tmp_path, *more)) == 0
    assert load_model(tmp_path / f"stage{stages}/last.safetensors").model.config.n_stages == stages


@pytest.mark.parametrize("count", [5, 98])
def test_other_landmark_counts(tmp_path, capsys, count):
    make_samples(tmp_path / "raw", tmp_path / "TRAIN", count, 6, seed=3)
    words = [f"--data_dir={tmp_path / 'TRAIN'}", f"-ddt={tmp_path / 'TRAIN'}"]
    words += [f"-md={tmp_path / 'models'}", "-nlm", str(count)]
    assert main([*words, "-ds", "1", "-te=1", "-mode", "train"]) == 0
    assert main([*words, "-ds", "1", "-mode", "predict"]) == 0
    assert "share of the distance of the box diagonal" in capsys.readouterr().out


def test_another_number_of_points_than_nlm_names_the_file(samples, tmp_path, capsys):
    words = flags(samples, tmp_path, "-mode", "train")
    words[words.index("68")] = "5"
    assert main(words) == 2
    assert "mean_shape.ptv: expected 5 lines, got 68" in capsys.readouterr().err


def test_predict_needs_a_test_folder_and_a_ptv_for_each_image(samples, tmp_path, capsys):
    main(["-ds", "1", *flags(samples, tmp_path, "-te=1", "-mode", "train")])
    train = f"--data_dir={samples / 'TRAIN'}"
    assert main([train, f"--model_dir={tmp_path}", "-mode", "predict"]) == 2
    assert "expected --data_dir_test" in capsys.readouterr().err
    test = tmp_path / "TEST"
    test.mkdir()
    for path in (samples / "TEST").iterdir():
        if path.name != "face2@0000.ptv":
            (test / path.name).write_bytes(path.read_bytes())
    words = [train, f"--model_dir={tmp_path}", f"--data_dir_test={test}", "-mode", "predict"]
    assert main(words) == 2
    assert f"{test / 'face2@0000.png'}: expected its landmarks" in capsys.readouterr().err


@pytest.mark.parametrize("link", [False, True])
def test_predictions_are_not_written_over_the_samples(samples, tmp_path, capsys, link):
    main(["-ds", "1", *flags(samples, tmp_path, "-te=1", "-mode", "train")])
    test = tmp_path / "PREDICT"
    shutil.copytree(samples / "TEST", test)
    before = {path: path.read_bytes() for path in test.iterdir()}
    if link:
        (tmp_path / "link").symlink_to(test)
    words = [f"--data_dir={samples / 'TRAIN'}", f"--model_dir={tmp_path}", "-mode", "predict"]
    assert main([*words, f"--data_dir_test={tmp_path / 'link' if link else test}"]) == 2
    assert f"{test}: expected another folder than that of the samples" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in test.iterdir()} == before


def test_synthetic_data_need_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(dan_v2, "SYNTHETIC_SAMPLES", 8)
    words = ["-synth", f"-md={tmp_path}", "-te=1", "-bs=4", "--data_dir=/nowhere"]
    assert main(words) == 0
    assert len(read_csv(tmp_path / "synthetic" / "stage1" / "losses.csv")) == 2
    assert not (tmp_path / "stage1").exists()


def test_a_stage_that_began_from_an_older_one_is_refused(samples, tmp_path, capsys):
    for stage, epochs in ((1, "-te=1"), (2, "-te=1"), (1, "-te=2")):
        more = ["-ds", str(stage), epochs, "-bs", "8"]
        assert main(flags(samples, tmp_path, *more)) == 0
    assert main(flags(samples, tmp_path, "-ds", "2", "-te=2", "-bs", "8")) == 2
    assert "began from another model of the stages before" in capsys.readouterr().err


def test_the_logging_hook_speaks_every_100_steps(capsys):
    with CycleLog(["LoggingTensorHook"]) as log:
        log.begin("stage1", 0, 400)
        for step in (47, 94, 104, 141, 199, 203, 210):
            log.step("stage1", step, 0.5, 1e-3, 9.0)
    spoken = [line for line in capsys.readouterr().err.splitlines() if "loss = 0.5" in line]
    assert [line.split(":")[0] for line in spoken] == ["stage1 step 104", "stage1 step 203"]


def test_defaults_are_the_old_ones():
    options = _parse([])
    assert vars(options) == {
        "data_dir": Path("data_dir"),
        "data_dir_test": None,
        "model_dir": Path("model_dir"),
        "num_lmark": 68,
        "train_epochs": 20,
        "epochs_per_eval": 10,
        "dan_stage": 1,
        "mode": "train",
        "width": 64,
        "hidden": 256,
        "batch_size": 64,
        "multi_gpu": False,
        "use_synthetic_data": False,
        "max_train_steps": None,
        "num_parallel_calls": 5,
        "inter_op_parallelism_threads": 0,
        "intra_op_parallelism_threads": 0,
        "data_format": "channels_last",
        "hooks": ("LoggingTensorHook",),
        "precision_mode": "must_keep_origin_dtype",
    }


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["-te=15"], "train_epochs", 15),
        (["-te", "15"], "train_epochs", 15),
        (["--train_epochs=15"], "train_epochs", 15),
        (["-epe=1"], "epochs_per_eval", 1),
        (["-ds", "2"], "dan_stage", 2),
        (["-ds=3"], "dan_stage", 3),
        (["-mode", "eval"], "mode", "eval"),
        (["--mode=predict"], "mode", "predict"),
        (["-nlm", "98"], "num_lmark", 98),
        (["-dd=a"], "data_dir", Path("a")),
        (["-ddt=b"], "data_dir_test", Path("b")),
        (["-ddt", "None"], "data_dir_test", None),
        (["-md", "c"], "model_dir", Path("c")),
        (["-bs", "8"], "batch_size", 8),
        (["-mts=7"], "max_train_steps", 7),
        (["-npc", "2"], "num_parallel_calls", 2),
        (["-inter", "1"], "inter_op_parallelism_threads", 1),
        (["-intra", "1"], "intra_op_parallelism_threads", 1),
        (["-df", "channels_first"], "data_format", "channels_first"),
        (["-hk", "ExamplesPerSecondHook"], "hooks", ("ExamplesPerSecondHook",)),
        (
            ["-hk", "loggingtensorhook", "ProfilerHook"],
            "hooks",
            ("LoggingTensorHook", "ProfilerHook"),
        ),
        (["--multi_gpu"], "multi_gpu", True),
        (["-synth"], "use_synthetic_data", True),
        (["--precision_mode=allow_mix_precision"], "precision_mode", "allow_mix_precision"),
    ],
)
def test_every_flag(words, name, value):
    assert getattr(_parse(words), name) == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-te=0"], "argument --train_epochs/-te: expected a whole number of at least 1, got '0'"),
        (["-ds=zero"], "argument --dan_stage/-ds: expected a whole number of at least 1"),
        (["-mode=test"], "argument --mode/-mode: invalid choice: 'test'"),
        (["-nlm", "1"], "argument --num_lmark/-nlm: expected a whole number of at least 2"),
        (["--epochs=3"], "unrecognized arguments: --epochs=3"),
        (["--data_dir=/nowhere"], "/nowhere: expected a folder made by preprocessing.py"),
    ],
)
def test_wrong_flags_are_one_line(tmp_path, capsys, words, message):
    assert main([*words, f"-md={tmp_path / 'models'}"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "models").exists()


def test_multi_gpu_needs_an_accelerator(capsys, monkeypatch):
    monkeypatch.setattr("torch.accelerator.device_count", lambda: 0)
    assert main(["--multi_gpu"]) == 2
    assert "expected at least one accelerator" in capsys.readouterr().err
