"""The made-up scene, and videos of it."""

import importlib.util
import sys
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("dan_scene", Path(__file__).with_name("scene.py"))
_SCENE = importlib.util.module_from_spec(_SPEC)
sys.modules["dan_scene"] = _SCENE
_SPEC.loader.exec_module(_SCENE)


@pytest.fixture(scope="session")
def scene():
    """The module ``scene.py``."""
    return _SCENE


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A video of 40 frames at 20 a second: one face walks to the right by 2 pixels a frame."""
    from dan.video.writer import VideoWriter

    path = tmp_path_factory.mktemp("clip") / "walk.mp4"
    with VideoWriter(path, 20) as writer:
        for number in range(40):
            writer.write(_SCENE.walking_frame(number))
    return path


@pytest.fixture
def dan(dan, scene, monkeypatch):
    """The shared runner, with an aligner that knows the walking face."""
    aligner = scene.SceneAligner(scene.walking_truth)
    # In this order: dan.FaceAligner is looked up in its home when it is first used, and kept.
    monkeypatch.setattr("dan.FaceAligner", lambda *_, **__: aligner)
    monkeypatch.setattr("dan.inference.aligner.FaceAligner", lambda *_, **__: aligner)
    return dan
