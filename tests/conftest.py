"""Fixtures and skips that all tests share.

A test that needs torch carries the mark ``torch``; a test file that imports the torch half at its
top says ``torch = pytest.importorskip("torch")`` before those imports, or lies in a folder whose
``conftest.py`` says so. Then the tests of the core run where torch is not installed.
"""

import os
import re
import signal
from pathlib import Path

import pytest
from helpers import PORTRAIT, run_command

# Before torch is imported anywhere, also in processes that tests start: tiny networks are slower on
# two threads than on one, and wait for each other when something else runs.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs the tests in the background ignores Ctrl-C for them and for all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def dan():
    """Runs a command line in this process: ``dan("info", "--json").out``."""
    return run_command


@pytest.fixture(scope="session")
def portrait_path():
    """The picture that comes with the package."""
    return PORTRAIT


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run."""
    needs_gpu = item.get_closest_marker("gpu") is not None
    if needs_gpu or item.get_closest_marker("torch") is not None:
        torch = pytest.importorskip("torch", reason="needs torch, the extra 'train'")
        if needs_gpu and not torch.accelerator.is_available():
            pytest.skip("needs an accelerator")


def data_folder(variable: str, content: str) -> Path:
    """A folder of data that is no part of the repository, taken from an environment variable.

    Skips where the variable is not set, and fails where it leads to no folder.
    """
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs {content}: set {variable} to their folder")
    folder = Path(value).resolve()
    if not folder.is_dir():
        pytest.fail(f"{variable}: expected a folder of {content}, got {value!r}", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def shared_300w() -> Path:
    """Folder of 300-W's faces; research only, so never inside the repository."""
    return data_folder("DAN_300W", "the 300-W faces")


@pytest.fixture(scope="session")
def shared_youtube() -> Path:
    """Folder of video frames of YouTube Faces, with a table of key points."""
    return data_folder("DAN_YOUTUBE_FACES", "the frames of YouTube Faces")


@pytest.fixture(scope="session")
def shared_videos() -> Path:
    """Folder of short clips with one or two faces."""
    return data_folder("DAN_VIDEOS", "the video clips")


DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="session")
def blocks_of():
    """``blocks_of("align.md")``: a page's fenced blocks in order, (language, text) each."""

    def blocks(page: str) -> list[tuple[str, str]]:
        text = (DOCS / page).read_text(encoding="utf-8")
        return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)

    return blocks


@pytest.fixture(scope="session")
def check_sample():
    """Compares what was printed with a page's sample: same words, numbers about the same.

    An ellipsis in the sample stands for anything. Numbers may differ by 3, those of 0..1 by 0.2,
    and so may the blanks that line them up: samples stay true when a model is trained anew, but
    not when an output changes its form.
    """
    number, blanks = re.compile(r"-?\d+(?:\.\d*)?"), re.compile(r"(?<=\[) +| +(?=\])| +(?= )")

    def check(printed: str, sample: str) -> None:
        printed, sample = (blanks.sub("", text) for text in (printed, sample))
        words = re.escape(number.sub("#", sample.strip())).replace("…", ".*")
        assert re.fullmatch(words, number.sub("#", printed.strip()), flags=re.DOTALL), printed
        shown = sample.strip().partition("…")[0]
        pairs = zip(number.findall(shown), number.findall(printed), strict=False)
        for wanted, got in pairs:
            small = "." in wanted and 0 <= float(wanted) <= 1
            assert abs(float(wanted) - float(got)) <= (0.2 if small else 3), (wanted, got, printed)

    return check
