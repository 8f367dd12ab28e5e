"""Tests with real faces are skipped, with what to set, unless the folder is named."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEST = "tests/datasets/formats/test_boxes_file.py::test_real_boxes_lie_on_their_faces"


def run_with(**variables):
    """What pytest prints about a test that needs 300-W's faces."""
    known = {name: value for name, value in os.environ.items() if name != "DAN_300W"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", TEST],
        cwd=ROOT, env={**known, **variables, "COLUMNS": "200"},
        capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    return done.returncode, done.stdout


def test_without_a_folder_the_reason_names_the_variable():
    code, printed = run_with()
    assert "needs the 300-W faces: set DAN_300W to their folder" in printed
    assert "1 skipped" in printed
    assert code == 0


def test_a_folder_that_is_not_there_is_an_error():
    code, printed = run_with(DAN_300W="nowhere")
    assert "DAN_300W: expected a folder of the 300-W faces, got 'nowhere'" in printed
    assert code == 1
