"""docs/models.md: a bundle needs nothing but a zip reader and an ONNX Runtime."""

import contextlib
import io
import shutil

import numpy as np
from helpers import PORTRAIT

from dan.inference.bundle import bundle_path


def test_the_python_of_the_page_finds_what_we_find(
    blocks_of, check_sample, aligner, tmp_path, monkeypatch
):
    blocks = blocks_of("models.md")
    place = next(place for place, (language, _) in enumerate(blocks) if language == "python")
    shutil.copy(PORTRAIT, tmp_path / "portrait.jpg")
    shutil.copy(bundle_path("dan68-fast"), tmp_path)
    monkeypatch.chdir(tmp_path)
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(blocks[place][1], names)
    check_sample(printed.getvalue(), blocks[place + 1][1])
    ours = aligner("portrait.jpg", boxes=[[179, 90, 270, 175]]).points_xy[0]
    assert np.abs(names["in_picture"] - ours).max() < 2  # the crops differ by a few grey levels
