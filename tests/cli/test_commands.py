"""The commands from end to end on drawn faces, and their errors in one line."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from dan.cli.main import run
from dan.core.images import read_rgb
from dan.datasets.formats import load_pts
from dan.datasets.synthetic import write_synthetic_faces
from dan.model import load_model
from dan.model.weights import load_header

TINY = "[model]\nimage_size = 32\nwidth = 2\nhidden = 8\nheat_map = 'gaussians'\n"
TINY += "[data]\nface_size = 22\n[training]\nepochs = [1, 1]\nbatch_size = 8\n"


@pytest.fixture(scope="module")
def world(dan, tmp_path_factory):
    """Drawn faces, a pack of them and a trained model."""
    root = tmp_path_factory.mktemp("world")
    write_synthetic_faces(root / "faces", 30, size=100)
    (root / "tiny.toml").write_text(TINY)
    assert dan("prepare", root / "faces", "-o", root / "faces.npz").code == 0
    words = ["--recipe", root / "tiny.toml", "-o", root / "run", "--device", "cpu"]
    assert dan("train", root / "faces.npz", *words).code == 0
    return root


def test_evaluate_prints_a_table_and_json(dan, world):
    model, data = world / "run/model.safetensors", world / "faces/testset"
    done = dan("evaluate", model, data)
    assert done.code == 0
    assert "| testset, stage 2 | 6 | 0 | face68 | gt | inter_ocular |" in done.out
    done = dan("evaluate", model, data, "--json")
    assert done.code == 0
    scores = json.loads(done.out)
    assert [score["normaliser"] for score in scores] == [
        "inter_ocular", "inter_ocular", "inter_pupil", "diagonal", "box_size"
    ]  # fmt: skip
    assert all(score["n_images"] == 6 for score in scores)


def test_track_takes_a_checkpoint_as_align_does(dan, world, tmp_path, monkeypatch):
    import torch

    from dan.core.images import read_rgb
    from dan.video.writer import VideoWriter

    picture = next((world / "faces/testset").glob("*.png"))
    with VideoWriter(tmp_path / "clip.avi", 20) as writer:
        for _ in range(3):
            writer.write(read_rgb(picture))
    words = ["--model", world / "run/model.safetensors", "--detector", "whole"]
    done = dan("track", tmp_path / "clip.avi", "--points", tmp_path / "a.csv", *words)
    assert done.code == 0
    assert "3 frames" in done.err
    done = dan("track", tmp_path / "clip.avi", *words, "--provider", "nonsense")
    assert done.code == 2
    assert "nonsense" in done.err
    threads = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    assert dan("track", tmp_path / "clip.avi", *words, "--threads", "3").code == 0
    assert dan("align", world / "faces/testset", *words, "--threads", "3").code == 0
    assert threads == [3, 1]  # several pictures go side by side


def test_scales_are_set_for_int8_alone(dan, world, tmp_path):
    pytest.importorskip("onnxscript", reason="needs the extra 'export'")
    out = tmp_path / "a.danbundle"
    words = [world / "run/model.safetensors", "-o", out, "--calibrate", world / "faces.npz"]
    done = dan("export", *words)
    assert done.code == 2
    assert done.err == "dan: --calibrate: expected --weights int8, got fp16\n"
    assert not out.exists()


def test_evaluate_from_a_file_of_boxes(dan, world, tmp_path):
    boxes = {}
    for path in sorted((world / "faces/testset").glob("*.png"))[1:]:
        points = load_pts(path.with_suffix(".pts"))
        boxes[path.name] = [*points.min(axis=0).tolist(), *points.max(axis=0).tolist()]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    words = ["--boxes", tmp_path / "boxes.json"]
    done = dan("evaluate", world / "run/model.safetensors", world / "faces/testset", *words)
    assert done.code == 0
    assert "| testset, stage 2 | 6 | 1 | face68 | boxes |" in done.out


def test_predict_writes_points_pictures_and_a_sheet(dan, world, tmp_path):
    out = tmp_path / "out"
    model = world / "run/model.safetensors"
    assert dan("predict", model, world / "faces/testset", "-o", out, "--limit", "3").code == 0
    assert len(list(out.glob("*.pts"))) == 3
    assert len(list(out.glob("drawn_*.png"))) == 3
    assert read_rgb(out / "sheet.png").std() > 0
    assert np.isfinite(load_pts(next(out.glob("*.pts")))).all()


def test_predict_never_writes_among_the_data(dan, world):
    data = world / "faces/testset"
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    done = dan("predict", world / "run/model.safetensors", data, "-o", data)
    assert done.code == 2
    assert "expected a folder outside of" in done.err
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_predict_wants_a_new_folder(dan, world, tmp_path):
    (tmp_path / "drawn_0001.pts").write_text("mine")
    done = dan("predict", world / "run/model.safetensors", world / "faces", "-o", tmp_path)
    assert done.code == 2
    assert "expected a new or empty folder" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["drawn_0001.pts"]


@pytest.mark.parametrize("command", ["train", "predict"])
def test_results_in_a_files_place_are_refused_in_one_line(dan, world, tmp_path, command):
    taken = tmp_path / "notes.txt"
    taken.write_text("mine")
    words = {
        "train": [world / "faces.npz", "--recipe", world / "tiny.toml", "--device", "cpu"],
        "predict": [world / "run/model.safetensors", world / "faces/testset"],
    }
    done = dan(command, *words[command], "-o", taken)
    assert done.code == 2
    assert f"dan: {taken}: " in done.err.replace("\n", "")
    assert "Traceback" not in done.err
    assert taken.read_text() == "mine"


def test_an_error_of_the_system_is_told_in_one_line(capsys):
    def full_disk():
        raise OSError(28, "No space left on device", "curves.png")

    assert run(full_disk) == 2
    assert capsys.readouterr().err == "dan: curves.png: No space left on device\n"


def test_a_refused_run_keeps_its_recipe(dan, world):
    before = (world / "run/recipe.json").read_bytes()
    words = ["--recipe", world / "tiny.toml", "-o", world / "run", "--device", "cpu"]
    done = dan("train", world / "faces.npz", "training.seed=9", *words)
    assert done.code == 2
    assert "made with another recipe" in done.err
    assert (world / "run/recipe.json").read_bytes() == before


def test_train_goes_on_and_takes_overrides(dan, world, tmp_path):
    words = ["--recipe", world / "tiny.toml", "-o", tmp_path / "run", "--device", "cpu"]
    words = ["train", world / "faces.npz", "model.n_stages=1", *words]
    assert dan(*words, "training.epochs=[1]").code == 0
    assert load_model(tmp_path / "run/model.safetensors").model.config.n_stages == 1
    assert dan(*words, "training.epochs=[2]").code == 2


def test_train_stops_after_a_time_and_goes_on(dan, world, tmp_path):
    words = ["train", world / "faces.npz", "--recipe", world / "tiny.toml", "-o", tmp_path / "run"]
    words += ["training.epochs=[1000]", "model.n_stages=1", "--device", "cpu"]
    done = dan(*words, "--stop-after", "0.02")
    assert done.code == 130
    assert "the same command goes on" in done.err
    first = load_header(tmp_path / "run/stage1/resume.safetensors")["step"]
    assert dan(*words, "--stop-after", "0.02").code == 130
    assert load_header(tmp_path / "run/stage1/resume.safetensors")["step"] > first > 0


def test_merge_takes_training_or_test_folders(dan, world, tmp_path):
    assert dan("merge", world / "faces", "-o", tmp_path / "train").code == 0
    assert dan("merge", world / "faces", "--test", "-o", tmp_path / "test").code == 0
    assert len(list((tmp_path / "train").glob("*.png"))) == 24
    assert len(list((tmp_path / "test").glob("*.png"))) == 6


def test_prepare_names_bad_images_and_says_so_in_the_exit_code(dan, tmp_path):
    write_synthetic_faces(tmp_path / "faces", 5, size=60)
    (tmp_path / "faces/trainset/drawn_0001.png").write_bytes(b"")
    done = dan("prepare", tmp_path / "faces", "-o", tmp_path / "faces.npz")
    assert done.code == 1
    assert "drawn_0001.png" in done.err
    assert "3 faces of 4 annotated" in done.out


def test_info_of_presets_and_models(dan, world):
    done = dan("info", "paper", "--json")
    assert done.code == 0
    stages = json.loads(done.out)["stages"]
    assert [stage["parameters"] for stage in stages] == [11_144_136, 11_951_246]
    done = dan("info", "paper")
    assert done.code == 0
    assert "23,095,382" in done.out
    done = dan("info", world / "run/model.safetensors")
    assert done.code == 0
    assert "validation" in done.out


def test_info_of_a_bundle_is_its_card(dan):
    done = dan("info", "dan68")
    assert done.code == 0
    assert done.out.startswith("# dan68\n")
    assert "research only" in done.out
    done = dan("info", "dan68", "--json")
    assert done.code == 0
    assert json.loads(done.out)["name"] == "dan68"


@pytest.mark.slow
def test_tour(dan, tmp_path, monkeypatch):
    from dan.cli import tour

    monkeypatch.setattr(tour, "DRAWN_FACES", 40)
    monkeypatch.setitem(tour.SETTINGS["training"], "epochs", [1, 1])
    assert dan("tour", "-o", tmp_path / "tour", "--device", "cpu").code == 0
    names = {path.name for path in (tmp_path / "tour").iterdir()}
    assert names == {"drawn_faces", "faces.npz", "training", "pictures"}
    assert (tmp_path / "tour/pictures/sheet.png").is_file()


@pytest.mark.slow
def test_real_faces_from_prepare_to_pictures(dan, shared_300w, world, tmp_path):
    words = ["--recipe", world / "tiny.toml", "-o", tmp_path / "run", "--device", "cpu"]
    assert dan("prepare", shared_300w / "afw", "-o", tmp_path / "afw.npz").code == 0
    assert dan("train", tmp_path / "afw.npz", *words).code == 0
    out = tmp_path / "pictures"
    model, data = tmp_path / "run/model.safetensors", shared_300w / "helen/testset"
    assert dan("predict", model, data, "-o", out, "--limit", "8").code == 0
    assert len(list(out.glob("*.pts"))) == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "none.safetensors", "."], "none.safetensors: expected a checkpoint file"),
        (["prepare", "/nowhere"], "/nowhere: expected a folder of images, found none"),
        (["info", "huge"], "huge: expected a bundle's path or a model's name (dan68"),
        (["train", "x.npz", "--recipe", "no.toml", "-o", "r"], "no.toml: No such file"),
        (["merge", "/nowhere", "-o", "x"], "/nowhere: expected a folder of images"),
        (["tour", "/nowhere"], "/nowhere: expected a folder of images"),
        (["tour", "--kind", "coco"], "expected DATA, got only options that say how to read it"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(dan, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = dan(*words)
    assert done.code == 2
    assert message in done.err
    assert done.err.startswith("dan: ")
    assert done.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
