"""The snippets of docs/chips.md, shapes.md and blur.md print what the pages say."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from dan.core.images import read_rgb
from dan.video.writer import VideoWriter

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


@pytest.fixture
def run_page(blocks_of, check_sample, dan, tmp_path, monkeypatch):
    """Runs a page's commands and Python, one after the other in one folder, which it gives."""

    def run(page):
        shutil.copy(PICTURES / "portrait.jpg", tmp_path)
        with VideoWriter(tmp_path / "clip.mp4", 20) as video:
            video.write(read_rgb(PICTURES / "portrait.jpg"))
        monkeypatch.chdir(tmp_path)
        blocks, names, printed = blocks_of(page), {}, io.StringIO()
        for language, text in blocks:
            if language == "toml":
                (tmp_path / "own.toml").write_text(text)
            elif language == "sh":
                assert dan(*text.split()[1:]).code == 0
            elif language == "python":
                with contextlib.redirect_stdout(printed):
                    exec(text, names)
        check_sample(printed.getvalue(), "".join(text for kind, text in blocks if kind == "text"))
        return tmp_path

    return run


def test_chips(run_page, blocks_of):
    folder = run_page("chips.md")
    shown = read_rgb(PICTURES / "chips.jpg")[:112, :112].astype(int)
    assert np.abs(shown - read_rgb(folder / "chip.png")).mean() < 6
    (sample,) = [json.loads(text) for kind, text in blocks_of("chips.md") if kind == "json"]
    written = json.loads((folder / "faces/chips.json").read_text())
    assert written.keys() == sample.keys()
    (chip,), (expected,) = written["chips"], sample["chips"]
    assert chip.keys() == expected.keys()
    np.testing.assert_allclose(chip["chip_from_picture"], expected["chip_from_picture"], atol=3)
    assert read_rgb(folder / "faces" / chip["chip"]).shape == (512, 512, 3)


def test_shapes(run_page):
    folder = run_page("shapes.md")
    made = read_rgb(folder / "parts.png")[20:420, 60:460].astype(int)
    assert np.abs(made - read_rgb(PICTURES / "shapes.jpg")).mean() < 6


def test_blur(run_page):
    folder = run_page("blur.md")
    shown = read_rgb(PICTURES / "blur.jpg").astype(int)
    for place, name in enumerate(("blurred.png", "covered/portrait.png")):
        made = read_rgb(folder / name)[20:420, 80:440]
        assert np.abs(made - shown[:, 360 * place :][:, :360]).mean() < 6
    assert (folder / "covered.mp4").is_file()
