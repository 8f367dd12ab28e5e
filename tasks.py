"""The commands of this repository; standard library only, Python 3.11 or newer.

    python tasks.py demo            landmarks of a bundled portrait; installs no torch
    python tasks.py tour [DATA]     the whole pipeline in miniature on a folder in the 300-W layout
    python tasks.py test [ARGS]     the tests (ARGS go to pytest)
    python tasks.py lint [ARGS]     style, types, layers, spelling (ARGS go to ruff check: --fix)
    python tasks.py docs [ARGS]     the documentation into site/ (ARGS go to mkdocs)
    python tasks.py release         wheel and sdist into dist/, checked and tried elsewhere

Each makes .venv beside this file if there is none and installs into it what it needs, again only
after pyproject.toml or constraints.txt changed. The package itself is installed editable, so that
an edit or a pull counts at once; that it also works as a built wheel is checked by .ci/run.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
}


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
    if command == "release":
        return release()
    schema = [BIN / "check-jsonschema", "--quiet", "--builtin-schema"]
    codes = [
        run([BIN / "ruff", "check", ".", *rest]),
        run([BIN / "ruff", "format", "--check", "."]),
        run([PYTHON, "-m", "mypy"]),
        run([BIN / "lint-imports", "--no-cache"]),
        run([BIN / "codespell"]),
        run([*schema, "vendor.github-workflows", *sorted(ROOT.glob(".github/workflows/*.yml"))]),
        run([*schema, "vendor.citation-file-format", ROOT / "CITATION.cff"]),
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
