"""The commands of the repository: what each installs, and what a release must hold to."""

import importlib.util
import re
import sys
import tomllib
import zipfile
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


# ----------------------------------------------------------------------------------- platforms


def test_the_classifiers_are_what_the_check_of_the_platforms_covers(tasks):
    classifiers = PROJECT["classifiers"]
    versions = [one.rpartition(" ")[2] for one in classifiers if re.search(r":: 3\.\d+$", one)]
    assert versions == list(tasks.CPYTHONS)
    assert PROJECT["requires-python"] == f">={tasks.CPYTHONS[0]}"
    systems = {one.rpartition(" ")[2] for one in classifiers if one.startswith("Operating System")}
    assert systems == {name.partition(" ")[0] for name in tasks.PLATFORMS} - {"macOS"} | {"MacOS"}
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert f"python: {list(tasks.CPYTHONS)}".replace("'", '"') in workflow


@pytest.fixture
def resolve(tasks, tmp_path, monkeypatch):
    """Resolves the package ``app`` among wheels that are made here, off the network."""
    pytest.importorskip("pip")
    monkeypatch.setattr(tasks, "PYTHON", Path(sys.executable))

    def make(name, tag, *requires):
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0"]
        lines += [f"Requires-Dist: {one}" for one in requires]
        with zipfile.ZipFile(tmp_path / f"{name}-1.0-{tag}.whl", "w") as wheel:
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", "\n".join(lines) + "\n")
            wheel.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")

    def run(platform, version):
        offline = ["--no-index", f"--find-links={tmp_path}", "--isolated"]
        return tasks.resolve("app", platform, version, *offline)

    run.make = make
    return run


def test_markers_and_tags_are_those_of_the_other_platform(resolve):
    on_windows = "sys_platform == 'win32' and platform_machine == 'AMD64'"
    resolve.make(
        "app",
        "py3-none-any",
        f"wide; {on_windows} and python_version >= '3.14'",
        "slim; platform_system == 'Darwin' and os_name == 'posix'",
    )
    resolve.make("wide", "cp310-abi3-win_amd64")
    resolve.make("slim", "cp312-cp312-macosx_11_0_arm64")
    assert resolve("Linux aarch64", "3.14") == ({"app": "1.0"}, "")
    assert resolve("Windows x86-64", "3.13") == ({"app": "1.0"}, "")
    assert resolve("Windows x86-64", "3.14") == ({"app": "1.0", "wide": "1.0"}, "")
    assert resolve("macOS arm64", "3.12") == ({"app": "1.0", "slim": "1.0"}, "")
    versions, fault = resolve("macOS arm64", "3.13")
    assert versions == {}
    assert fault.startswith("Could not find a version that satisfies the requirement slim")


def test_a_platform_without_a_wheel_is_a_fault(tasks, resolve, monkeypatch, capsys):
    monkeypatch.setattr(tasks, "run", lambda command: resolve_wheel(command[-2]))

    def resolve_wheel(folder):
        (Path(folder) / "app.whl").touch()
        return 0

    def found(wheel, name, version):
        return ({}, "no wheel of numpy") if (name, version) == missing else ({"numpy": "2.0"}, "")

    monkeypatch.setattr(tasks, "resolve", found)
    for missing, code in [(None, 0), (("macOS arm64", "3.12"), 1), (("Alpine x86-64", "3.14"), 0)]:
        assert tasks.platforms() == code
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 16 + 1 + len(tasks.UNSUPPORTED)
        assert sum("no wheel of numpy" in line for line in lines) == (missing is not None)
