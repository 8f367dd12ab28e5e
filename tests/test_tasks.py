"""The commands of the repository: what each installs, and what a release must hold to."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def tasks():
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_is_described_and_asks_for_extras_that_exist(tasks):
    described = re.findall(r"^    python tasks\.py (\w+) ", tasks.__doc__, flags=re.MULTILINE)
    assert described == list(tasks.EXTRAS)
    assert frozenset().union(*tasks.EXTRAS.values()) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize(("size", "is_refused"), [(100_000_000, False), (100_000_001, True)])
def test_a_wheel_of_more_than_100_mb_is_refused(tasks, tmp_path, size, is_refused):
    wheel = tmp_path / "dan-1.0-py3-none-any.whl"
    with wheel.open("wb") as file:
        file.truncate(size)  # sparse: takes no room
    expected = f"{wheel.name}: expected at most 100,000,000 bytes, got {size:,}"
    assert tasks.fault_of(wheel) == (expected if is_refused else None)


@pytest.mark.slow
def test_a_wheel_that_does_not_install_ends_the_release(tasks, tmp_path):
    wheel = tmp_path / "dan-1.0-py3-none-any.whl"
    wheel.write_bytes(b"no wheel")
    assert tasks.try_wheel(wheel, tmp_path) != 0
