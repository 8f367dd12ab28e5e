"""The commands of this repository; standard library only, Python 3.11 or newer.

    python tasks.py demo            landmarks of a bundled portrait; installs no torch
    python tasks.py tour [DATA]     the whole pipeline in miniature on a folder in the 300-W layout
    python tasks.py test [ARGS]     the tests (ARGS go to pytest)
    python tasks.py lint [ARGS]     style, types, layers, spelling (ARGS go to ruff check: --fix)
    python tasks.py docs [ARGS]     the documentation into site/ (ARGS go to mkdocs)
    python tasks.py release         wheel and sdist into dist/, checked and tried elsewhere
    python tasks.py platforms       whether pip finds wheels for every supported platform
    python tasks.py page            fetches the page's ONNX Runtime from npm, as page/ pins it

Each makes .venv beside this file if there is none and installs into it what it needs, again only
after pyproject.toml or constraints.txt changed. The package itself is installed editable, so that
an edit or a pull counts at once; that it also works as a built wheel is checked by .ci/run.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

if sys.version_info < (3, 11):  # noqa: UP036  this file may be started by any Python
    sys.exit("tasks.py: expected Python 3.11 or newer, got " + sys.version.split()[0])

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN_NAME = "Scripts" if os.name == "nt" else "bin"
BIN = VENV / BIN_NAME
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP = VENV / "installed.json"
CONSTRAINTS = ROOT / "constraints.txt"
DIST = ROOT / "dist"
MAX_WHEEL_BYTES = 100_000_000  # what the Python Package Index takes from a new project

USE = frozenset({"train", "export", "plot"})
EXTRAS: dict[str, frozenset[str]] = {
    "demo": frozenset(),
    "tour": USE,
    "test": USE | {"dev"},
    "lint": USE | {"dev"},
    "docs": frozenset({"docs"}),
    "release": frozenset({"release"}),
    "platforms": frozenset(),
    "page": frozenset(),
}


class Platform(NamedTuple):
    """What pip has to know of a platform that it does not run on."""

    os_name: str  # these four by the names of the markers in requirements
    sys_platform: str
    platform_system: str
    platform_machine: str
    tags: tuple[str, ...]  # of the wheels that it takes


def linux(machine: str, *tags: str) -> Platform:
    """Linux on a machine."""
    return Platform("posix", "linux", "Linux", machine, tuple(f"{tag}_{machine}" for tag in tags))


# glibc 2.28: Debian 10, RHEL 8, Ubuntu 20.04 and later; pip takes manylinux2014 for all before.
MANYLINUX = (*(f"manylinux_2_{minor}" for minor in range(28, 16, -1)), "manylinux2014")

CPYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "Linux x86-64": linux("x86_64", *MANYLINUX),
    "Linux aarch64": linux("aarch64", *MANYLINUX),
    "macOS arm64": Platform("posix", "darwin", "Darwin", "arm64", ("macosx_14_0_arm64",)),
    "Windows x86-64": Platform("nt", "win32", "Windows", "AMD64", ("win_amd64",)),
}
UNSUPPORTED = {  # as README.md says, with the newest CPython
    "Alpine x86-64": linux("x86_64", "musllinux_1_2", "musllinux_1_1"),
    "Windows ARM64": Platform("nt", "win32", "Windows", "ARM64", ("win_arm64",)),
    "macOS x86-64": Platform("posix", "darwin", "Darwin", "x86_64", ("macosx_26_0_x86_64",)),
}
SHOWN = ("numpy", "onnxruntime", "opencv-python-headless")  # the packages that lack wheels first

# pip takes the tags of another platform as options, but evaluates markers where it runs.
PIP_ELSEWHERE = """
import json, sys
from pip._internal.cli.main import main
from pip._vendor.packaging import markers
elsewhere = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: dict(elsewhere)
for name, value in elsewhere.items():
    if not markers.Marker(f"{name} == '{value}'").evaluate():
        sys.exit(f"ERROR: expected a pip whose markers can be set, got another {name}")
sys.exit(main())
"""


def main(args: list[str]) -> int:
    """Run one command; its exit code is that of the first tool that failed."""
    if not args or args[0] not in EXTRAS:
        print(str(__doc__).strip())
        return 0 if args in (["-h"], ["--help"]) else 2
    command, rest = args[0], args[1:]
    install(EXTRAS[command])
    if command in ("demo", "tour"):
        return run([BIN / "dan", command, *rest], cwd=Path.cwd())  # paths are the user's
    if command == "test":
        return run([PYTHON, "-m", "pytest", *rest])
    if command == "docs":
        return run([PYTHON, "-m", "mkdocs", "build", "--strict", *rest])
    own_code = {"release": release, "platforms": platforms, "page": fetch_runtime}
    if command in own_code:
        return own_code[command]()
    schema = [BIN / "check-jsonschema", "--quiet", "--builtin-schema"]
    codes = [
        run([BIN / "ruff", "check", ".", *rest]),
        run([BIN / "ruff", "format", "--check", "."]),
        run([PYTHON, "-m", "mypy"]),
        run([BIN / "lint-imports", "--no-cache"]),
        run([BIN / "codespell"]),
        run([*schema, "vendor.github-workflows", *sorted(ROOT.glob(".github/workflows/*.yml"))]),
        run([*schema, "vendor.citation-file-format", ROOT / "CITATION.cff"]),
        run([*schema, "vendor.compose-spec", ROOT / "compose.yaml"]),
    ]
    return next((code for code in codes if code), 0)


def release() -> int:
    """Build wheel and sdist into dist/, check them, and try the wheel where nothing else is."""
    shutil.rmtree(DIST, ignore_errors=True)
    if run([PYTHON, "-m", "build", "--no-isolation", "--outdir", DIST]):
        return 1
    (wheel,) = DIST.glob("*.whl")
    (sdist,) = DIST.glob("*.tar.gz")
    if run([PYTHON, "-m", "twine", "check", "--strict", wheel, sdist]):
        return 1
    for file in (wheel, sdist):
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    fault = fault_of(wheel)
    if fault:
        print(f"tasks.py: {fault}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        return try_wheel(wheel, Path(folder))


def fault_of(wheel: Path) -> str | None:
    """Why a wheel must not be published."""
    size = wheel.stat().st_size
    if size > MAX_WHEEL_BYTES:
        return f"{wheel.name}: expected at most {MAX_WHEEL_BYTES:,} bytes, got {size:,}"
    return None


def try_wheel(wheel: Path, folder: Path) -> int:
    """Install a wheel into an environment of its own in a folder, and find landmarks there."""
    fresh = folder / "venv"
    python, dan = fresh / BIN_NAME / PYTHON.name, fresh / BIN_NAME / "dan"
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
    steps: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", fresh],
        [*pip, "--disable-pip-version-check", "-c", CONSTRAINTS, wheel],
        [dan, "--version"],
        [dan, "demo", "--no-show"],
    ]
    return next((code for step in steps if (code := run(step, cwd=folder))), 0)


def fetch_runtime() -> int:
    """Put the files of ONNX Runtime that the page needs beside its own; only this needs Node."""
    target = ROOT / "src/dan/service/page/static/ort"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "page" / file, folder)
        npm = shutil.which("npm")
        if npm is None or run([npm, "ci", "--ignore-scripts", "--no-audit"], cwd=folder):
            print("tasks.py: page: expected npm (Node 20 or newer) and its registry")
            return 1
        built = folder / "node_modules/onnxruntime-web/dist"
        script = (built / "ort.wasm.bundle.min.mjs").read_text(encoding="utf-8")
        script = script[: script.rindex("//# sourceMappingURL")]  # the map does not come along
        (target / "ort.js").write_text(script, encoding="utf-8", newline="\n")
        wasm = (built / "ort-wasm-simd-threaded.wasm").read_bytes()
        (target / "ort.wasm.gz").write_bytes(gzip.compress(wasm, 9, mtime=0))
    return 0


def platforms() -> int:
    """Resolve the package and all it depends on for each platform, from wheels alone."""
    with tempfile.TemporaryDirectory() as folder:
        build: list[str | Path] = [PYTHON, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        if run([*build, "--disable-pip-version-check", "--wheel-dir", folder, ROOT]):
            return 1
        (wheel,) = map(str, Path(folder).glob("*.whl"))
        supported = list(product(PLATFORMS, CPYTHONS))
        others = list(product(UNSUPPORTED, CPYTHONS[-1:]))
        with ThreadPoolExecutor(4) as threads:
            found = threads.map(lambda where: resolve(wheel, *where), supported + others)
            faults = sum([report(where, *next(found)) for where in supported])
            print("not supported, as README.md says (no fault if it resolves by now):")
            for where in others:
                report(where, *next(found))
    return 1 if faults else 0


def report(where: tuple[str, str], versions: dict[str, str], fault: str) -> bool:
    """Print what came of one platform and CPython; whether there is a fault."""
    shown = [f"{name} {versions[name]}" for name in SHOWN if name in versions]
    result = fault or f"{len(versions)} wheels, {', '.join(shown)}"
    print(f"{where[0]:<15} CPython {where[1]:<5} {'no' if fault else 'ok'}  {result}", flush=True)
    return bool(fault)


def resolve(wanted: str, name: str, version: str, *options: str) -> tuple[dict[str, str], str]:
    """Let pip choose wheels for another platform; nothing is installed.

    Args:
        wanted: a requirement or the path of a wheel.
        name: of PLATFORMS or UNSUPPORTED.
        version: of CPython, "3.12".
        options: more of pip's.

    Returns:
        The version of each package, and pip's reason if there are none.
    """
    platform = (PLATFORMS | UNSUPPORTED)[name]
    tags = [f"--platform={tag}" for tag in platform.tags]
    cpython = ["--implementation=cp", f"--python-version={version}"]
    cpython += [f"--abi=cp{version.replace('.', '')}"]
    command = [PYTHON, "-c", PIP_ELSEWHERE, json.dumps(markers_of(platform, version)), "install"]
    command += ["--dry-run", "--ignore-installed", "--target=unused", "--only-binary=:all:"]
    command += ["--quiet", "--report=-", *tags, *cpython, *options, wanted]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        lines = done.stderr.splitlines()
        reasons = [line for line in lines if line.startswith("ERROR: ")]
        return {}, (reasons or lines[-1:] or ["pip said nothing"])[0].removeprefix("ERROR: ")
    chosen = [each["metadata"] for each in json.loads(done.stdout)["install"]]
    return {each["name"]: each["version"] for each in chosen}, ""


def markers_of(platform: Platform, version: str) -> dict[str, str]:
    """What the markers of requirements evaluate to on a platform with a version of CPython."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": platform.os_name,
        "platform_machine": platform.platform_machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": platform.platform_system,
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": platform.sys_platform,
    }


def install(extras: frozenset[str]) -> None:
    """Bring .venv up to date; nothing to do where the stamp says so."""
    done = read_stamp()
    wanted = (ROOT / "pyproject.toml").read_bytes() + CONSTRAINTS.read_bytes()
    digest = hashlib.sha256(wanted).hexdigest()
    if done["digest"] == digest and extras <= set(done["extras"]):
        return
    extras |= set(done["extras"])
    print(f"tasks.py: installing into {VENV} (minutes the first time)", flush=True)
    pip: list[str | Path] = [PYTHON, "-m", "pip"]
    if not PYTHON.exists() or run([*pip, "--version"], stdout=subprocess.DEVNULL):
        must([sys.executable, "-m", "venv", VENV])
    pinned = [*pip, "install", "--quiet", "--disable-pip-version-check", "-c", CONSTRAINTS]
    if "train" in extras:
        must([*pinned, "torch"])  # first and pinned: no other requirement gets to choose its build
    chosen = f"[{','.join(sorted(extras))}]" if extras else ""
    must([*pinned, "-e", f"{ROOT}{chosen}"])
    STAMP.write_text(json.dumps({"digest": digest, "extras": sorted(extras)}))


def read_stamp() -> dict[str, Any]:
    """What the last successful installation was made of."""
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {"digest": "", "extras": []}


def must(command: Sequence[str | Path]) -> None:
    """Run a command that the rest depends on."""
    if run(command):
        sys.exit("tasks.py: the installation failed, see above; once mended, run the command again")


def run(command: Sequence[str | Path], cwd: Path = ROOT, stdout: int | None = None) -> int:
    """Run a command in the repository, show it, return its exit code."""
    words = [str(word) for word in command]
    print("$", *[word.replace(f"{ROOT}{os.sep}", "") for word in words], flush=True)
    return subprocess.run(words, check=False, cwd=cwd, stdout=stdout).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
