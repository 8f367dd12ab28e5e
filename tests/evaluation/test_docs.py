"""The commands and snippets of docs/evaluating.md score a folder of faces."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from dan.core.images import read_rgb
from dan.datasets.formats import save_pts
from dan.inference.crops import CropBatch
from dan.inference.onnx_model import OnnxModel

PORTRAIT = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "portrait.jpg"
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
    (block,) = [text for language, text in blocks_of("evaluating.md") if language == "sh"]
    for line in block.splitlines():
        done = dan(*shlex.split(line)[1:])
        assert done.code == 0
        assert "| testset, stage 2 |" in done.out
    assert all((folder / "report" / name).is_file() for name in ("report.md", "ced.png"))
