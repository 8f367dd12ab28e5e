"""The commands and snippets of docs/evaluating.md score a folder of faces."""

import json
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from dan.core.images import read_rgb, write_png
from dan.datasets.formats import save_pts
from dan.datasets.synthetic import draw_synthetic_face
from dan.inference.crops import CropBatch
from dan.inference.onnx_model import OnnxModel

ROOT = Path(__file__).resolve().parents[2]
PORTRAIT = ROOT / "docs" / "pictures" / "portrait.jpg"
BOX = [167, 144, 354, 324]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder ``testset`` with a portrait, all its points 2 pixels away from those found."""
    monkeypatch.chdir(tmp_path)
    Path("testset").mkdir()
    shutil.copy(PORTRAIT, "testset/face.jpg")
    Path("boxes.json").write_text(json.dumps({"face.jpg": BOX}))
    model = OnnxModel("dan68-fast", threads=1)
    batch = CropBatch.cut(read_rgb(PORTRAIT), model, boxes_xyxy=[BOX])
    (points,) = batch.to_picture(model(batch.crops).points)
    save_pts("testset/face.pts", np.add(points, [2, 0]))
    return tmp_path


def test_python(blocks_of, capsys):
    names = {}
    for language, code in blocks_of("evaluating.md"):
        if language == "python":
            exec(code, names)
    printed = capsys.readouterr().out
    assert "| testset, stage 2 |" in printed
    assert f"face {100 * names['errors'][0]:.2f} %" in printed
    span = np.ptp(names["truth"][0, [36, 45], 0])
    assert names["errors"] == pytest.approx(2 / span, abs=0.01)  # boxes of other points


def test_commands(dan, blocks_of, folder):
    pytest.importorskip("matplotlib")
    block = next(text for language, text in blocks_of("evaluating.md") if language == "sh")
    for line in block.splitlines():
        done = dan(*shlex.split(line)[1:])
        assert done.code == 0
        assert "| testset, stage 2 |" in done.out
    assert all((folder / "report" / name).is_file() for name in ("report.md", "ced.png"))


def test_faces_at_any_angle(dan, blocks_of, folder, monkeypatch):
    """Twenty faces, each with a covered and a hidden point, of which two are held out."""
    (folder / "aflw/images").mkdir(parents=True)
    names, points = [f"{place:02}.png" for place in range(20)], []
    for place, name in enumerate(names):
        picture, own = draw_synthetic_face(np.random.default_rng(place), 80)
        write_png(folder / "aflw/images" / name, picture)
        points.append(own)
    seen = np.zeros((20, 68), np.int8)
    seen[:, 0], seen[:, 1] = 1, 2
    points = np.where((seen == 2)[..., None], np.nan, np.stack(points))
    np.savez("aflw/points.npz", name=np.array(names), points_xy=points, visibility=seen)
    blocks = [text for language, text in blocks_of("evaluating.md") if language == "sh"]
    first, second = blocks[1].splitlines()
    _, recipe, *words = shlex.split(first)
    monkeypatch.setattr(sys, "argv", [recipe, *words])
    runpy.run_path(str(ROOT / recipe))["main"]()
    scored = dan(*shlex.split(second)[1:])
    assert scored.code == 0
    assert "| aflw.json (1 in 10), gt | all | 2 | 132 |" in scored.out
    report = (folder / "report/report.md").read_text()
    assert "## Error by yaw and visibility" in report
    assert "| aflw.json (1 in 10), gt | 0–30° | 2 | 132 |" in report
    every, front = json.loads((folder / "report/scores.json").read_text())["groups"]
    assert (every["n_covered"], every["threshold"]) == (2, 0.07)
    assert front == every | {"yaw": "0–30°"}
