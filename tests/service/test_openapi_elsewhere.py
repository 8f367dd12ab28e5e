"""Schemathesis asks what the OpenAPI description allows, and what it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis", reason="needs schemathesis, of the extra 'interop'")


def test_every_answer_is_as_described(client, tmp_path):
    address = f"http://127.0.0.1:{client.port}/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", address, "--no-color"]
    command += ["--max-examples", os.environ.get("DAN_EXAMPLES", "25"), "--seed", "1"]
    hooks = Path(__file__).parent / "lines_for_schemathesis.py"
    env = {**os.environ, "SCHEMATHESIS_HOOKS": str(hooks), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
