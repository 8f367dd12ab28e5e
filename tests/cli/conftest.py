"""The command line in a process of its own."""

import os
import subprocess
import sys

import pytest


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
