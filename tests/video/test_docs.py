"""The snippets of docs/video.md do what the page says."""

import json
import shutil

import pytest

from dan.video.reader import VideoReader


@pytest.fixture
def snippets(blocks_of):
    return lambda language: [text for kind, text in blocks_of("video.md") if kind == language]


@pytest.fixture(autouse=True)
def folder(dan, clip, tmp_path, monkeypatch):
    """A folder with the page's video, where the snippets run."""
    shutil.copy(clip, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command(dan, folder, snippets):
    (line,) = snippets("sh")
    assert dan(*line.split()[1:]).code == 0
    assert (folder / "faces.csv").read_text().count("\n") == 1 + 40
    assert sum(1 for _ in VideoReader("faces.mp4")) == 40


def test_following_faces(capsys, snippets):
    follow, _ = snippets("python")
    exec(follow, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 40
    assert lines[39].startswith("39 1 [")


def test_writing_video_and_rows(folder, snippets):
    _, write = snippets("python")
    exec(write, {})
    rows = [json.loads(line) for line in (folder / "faces.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(40))
    assert sum(1 for _ in VideoReader("faces.mp4")) == 40
