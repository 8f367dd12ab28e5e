"""What starting the library and the command line imports; at any depth, directly or not."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "matplotlib", "PIL", "onnxruntime", "rich", "supervision"}
NUMERIC = {"numpy", "cv2"}

HELP_OF_EVERY_COMMAND = """
import typer.main
from dan.cli.main import app

def show_help(command, words):
    print("help of:", *words)
    app([*words, "--help"], standalone_mode=False)
    for name, sub_command in getattr(command, "commands", {}).items():
        show_help(sub_command, [*words, name])

show_help(typer.main.get_command(app), [])
"""


def imported(*code):
    """Modules that a Python process imports, and what it prints."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *code],
        capture_output=True, text=True, check=True, encoding="utf-8",
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}, done.stdout


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("import dan", HEAVY | NUMERIC | {"typer"}),
        ("import dan; dan.FaceAligner, dan.VideoReader, dan.FaceTracker", HEAVY | {"typer"}),
    ],
    ids=["dan", "aligner"],
)
def test_importing_the_library_imports_nothing_heavy(code, light):
    modules, _ = imported("-c", code)
    assert "dan" in modules
    assert modules & light == set()


@pytest.mark.parametrize(
    ("code", "commands"),
    [
        (["-m", "dan.cli.entry", "--help"], ["align", "train", "info"]),
        (["-c", HELP_OF_EVERY_COMMAND], ["help of: align", "help of: data split"]),
    ],
    ids=["dan", "every command"],
)
def test_help_imports_nothing_heavy(code, commands):
    modules, printed = imported(*code)
    assert "dan.cli.main" in modules
    assert [command for command in commands if command not in printed] == []
    assert modules & (HEAVY - {"rich"} | NUMERIC) == set()  # rich draws the help itself
