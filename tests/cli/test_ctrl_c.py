"""Ctrl-C before the work begins: no traceback, nothing left behind, exit code 130."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

INTERRUPTED_IMPORT = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class CtrlC(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
sys.argv = ["dan", *{words!r}]
from dan.cli.entry import main
main()
"""

INTERRUPTED_MODEL = """
import os, signal, sys
import dan.inference.onnx_model as session
session.load_bundle = lambda path: os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["dan", *{words!r}]
from dan.cli.entry import main
main()
"""


def check(script, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert set(tmp_path.iterdir()) <= {tmp_path / "walk.mp4"}


def words_of(command, portrait_path):
    return {
        "align": ["align", str(portrait_path), "-o", "out", "-f", "pts"],
        "demo": ["demo", "--no-show"],
        "track": ["track", "walk.mp4", "--points", "rows.csv"],
    }[command]


@pytest.mark.parametrize("module", ["typer", "numpy", "cv2", "onnxruntime"])
@pytest.mark.parametrize("command", ["align", "demo", "track"])
def test_while_importing(command, module, tmp_path, portrait_path):
    words = words_of(command, portrait_path)
    write_video(tmp_path / "walk.mp4")
    check(INTERRUPTED_IMPORT.format(module=module, words=words), tmp_path)


@pytest.mark.parametrize("command", ["align", "demo", "track"])
def test_while_the_model_is_loaded(command, tmp_path, portrait_path):
    words = words_of(command, portrait_path)
    write_video(tmp_path / "walk.mp4")
    check(INTERRUPTED_MODEL.format(words=words), tmp_path)


def write_video(path):
    import numpy as np

    from dan.video.writer import VideoWriter

    with VideoWriter(path, 20) as writer:
        writer.write(np.zeros((48, 64, 3), dtype=np.uint8))


def test_an_ignored_ctrl_c_stays_ignored(tmp_path):
    """As under nohup, or in the background of a shell script."""
    script = INTERRUPTED_IMPORT.format(module="typer", words=["--version"])
    ignoring = "import os, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    done = subprocess.run(
        [sys.executable, "-c", ignoring + script],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
