"""Every command of docs/data.md and docs/own-faces.md does what the page says."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from dan.core.images import read_rgb
from dan.datasets.annotation_files import load_annotations, save_annotations
from dan.datasets.synthetic import write_synthetic_faces

ROOT = Path(__file__).resolve().parents[2]


def commands(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    snippets = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line)[1:] for snippet in snippets for line in snippet.splitlines()]


def test_data(dan, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="dan data stats draws with it")
    monkeypatch.chdir(tmp_path)
    write_synthetic_faces("faces", 30, size=60)
    shutil.copytree("faces/trainset", "300w/afw")
    codes = {}
    for words in commands("data.md"):
        codes[words[1]] = [*codes.get(words[1], []), dan(*words).code]
    # 300w: 313 faces of AFW are missing here.
    assert codes == {
        "check": [0], "convert": [0, 0], "split": [0, 0], "stats": [0], "show": [0], "300w": [1]
    }  # fmt: skip
    assert len(load_annotations("faces.xml")) == 24
    assert [len(load_annotations(name)) for name in ("train.json", "test.json")] == [19, 5]
    assert Path("suspects.html").read_text().startswith("<!doctype html>")
    for picture in ("stats.png", "shown.png"):
        assert read_rgb(picture).std() > 0


@pytest.mark.torch
@pytest.mark.slow
def test_own_faces(dan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_synthetic_faces("drawn", 40, size=90)
    shutil.copytree("drawn/trainset", "faces", ignore=shutil.ignore_patterns("*.pts"))
    save_annotations("faces/faces.xml", load_annotations("drawn/trainset"))
    shutil.copy("drawn/testset/drawn_0004.png", "faces/photo.png")
    shutil.copytree(ROOT / "recipes", "recipes")
    small = ["training.epochs=[2, 1]", "training.batch_size=8", "model.width=4"]
    small += ["training.confidence_draws=0", "training.refinement_epochs=1"]
    for words in commands("own-faces.md"):
        more = [*small, "--device", "cpu"] if words[0] == "train" else []
        more += ["--detector", "whole"] if words[0] == "align" else []
        assert dan(*words, *more).code == 0, words
    assert len(load_annotations("faces/test.xml")) == 6
    assert read_rgb("run/curves.png").std() > 0
    assert dan("info", "mine.danbundle").code == 0
