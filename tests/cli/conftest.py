"""The command line, in this process and in one of its own."""

import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import dan as package
from dan.cli.main import app, run

PORTRAIT = Path(package.__file__).parent / "cli" / "portrait.jpg"


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def portrait_path():
    return PORTRAIT


@pytest.fixture
def dan(capsys, monkeypatch):
    """Runs a command line in this process."""

    def command(*words, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = run(lambda: app([str(word) for word in words], standalone_mode=False))
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    return command


@pytest.fixture
def start_dan():
    """Starts a command line in a process of its own, without waiting for it."""
    started = []

    def command(*words, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            [sys.executable, "-m", "dan.cli.entry", *map(str, words)],
            **pipes | options,
            env={**os.environ, "COLUMNS": "200"},
        )
        started.append(process)
        return process

    yield command
    for process in started:
        process.kill()
        process.communicate()
