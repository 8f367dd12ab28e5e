"""The snippets of docs/pose.md and docs/measures.md print what the pages say."""

import contextlib
import io
import shutil
from pathlib import Path

import pytest

from dan.core.images import read_rgb

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with the portrait, where the snippets run."""
    shutil.copy(PICTURES / "portrait.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(blocks, names):
    """What the Python blocks of a page print, and the page's samples of it."""
    printed, samples = io.StringIO(), []
    for language, text in blocks:
        if language == "text":
            samples.append(text)
        elif language == "python":
            with contextlib.redirect_stdout(printed):
                exec(text, names)
    return printed.getvalue(), "".join(samples)


def test_pose(blocks_of, check_sample):
    check_sample(*run_page(blocks_of("pose.md"), {}))
    assert (read_rgb("pose.png") != read_rgb("portrait.jpg")).any()


def test_measures(blocks_of, check_sample, dan, blinking_clip, folder):
    pytest.importorskip("matplotlib")
    blocks = blocks_of("measures.md")
    check_sample(*run_page(blocks, {}))
    shutil.copy(blinking_clip, folder / "clip.mp4")
    ((_, line),) = [block for block in blocks if block[0] == "sh"]
    assert dan(*line.split()[1:]).code == 0
    assert (folder / "plot.png").stat().st_size > 10_000
    assert len((folder / "clip.csv").read_text().splitlines()) == 1 + 75
