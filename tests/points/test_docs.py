"""The snippets of docs/chips.md print what the page says, one after the other in one folder."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np

from dan.core.images import read_rgb

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"


def test_chips(blocks_of, check_sample, dan, tmp_path, monkeypatch):
    shutil.copy(PICTURES / "portrait.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks, names, printed = blocks_of("chips.md"), {}, io.StringIO()
    for language, text in blocks:
        if language == "toml":
            (tmp_path / "own.toml").write_text(text)
        elif language == "sh":
            assert dan(*text.split()[1:]).code == 0
        elif language == "python":
            with contextlib.redirect_stdout(printed):
                exec(text, names)
    check_sample(printed.getvalue(), "".join(text for kind, text in blocks if kind == "text"))
    shown = read_rgb(PICTURES / "chips.jpg")[:112, :112].astype(int)
    assert np.abs(shown - read_rgb("chip.png")).mean() < 6
    (sample,) = [json.loads(text) for language, text in blocks if language == "json"]
    written = json.loads((tmp_path / "faces/chips.json").read_text())
    assert written.keys() == sample.keys()
    (chip,), (expected,) = written["chips"], sample["chips"]
    assert chip.keys() == expected.keys()
    np.testing.assert_allclose(chip["chip_from_picture"], expected["chip_from_picture"], atol=3)
    assert read_rgb(tmp_path / "faces" / chip["chip"]).shape == (512, 512, 3)
