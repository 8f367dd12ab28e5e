"""The snippets of docs/drawing.md print what the page says, one after the other in one folder."""

import contextlib
import io
import shutil
from pathlib import Path

from dan.core.images import read_rgb

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def test_python(blocks_of, check_sample, tmp_path, monkeypatch):
    shutil.copy(PICTURES / "portrait.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    names, printed, samples = {}, io.StringIO(), []
    for language, text in blocks_of("drawing.md"):
        if language == "text":
            samples.append(text)
        else:
            with contextlib.redirect_stdout(printed):
                exec(text, names)
    check_sample(printed.getvalue(), "".join(samples))
    plain = read_rgb("portrait.jpg")
    for name in ("landmarks.jpg", "face.png", "sheet.png", "face68.png"):
        drawn = read_rgb(name)
        assert drawn.shape != plain.shape or (drawn != plain).any()
