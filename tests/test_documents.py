"""README, CONTRIBUTING and the pages of docs/ say what the code and pyproject.toml say."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import typer

from dan.cli.main import app
from dan.core.images import read_rgb

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md", *PAGES]
IMPORTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
(LAYERS,) = [each["layers"] for each in IMPORTS["contracts"] if each["id"] == "layers"]
FILE = r"(?:src/dan|tests|docs|benchmarks)/[\w/.-]+\.(?:py|md)"

each_text = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def blocks(path, language):
    found = re.findall(r"^```(\w+)\n(.*?)^```", read(path), flags=re.DOTALL | re.MULTILINE)
    return [text for kind, text in found if kind == language]


def prose(text):
    """The lines outside of code and tables."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if not line.startswith("|")]


# ------------------------------------------------------------------------------- design.md


def test_the_diagram_of_the_layers_is_the_contract():
    diagram = blocks("docs/design.md", "text")[0]
    assert [re.split(r"  +", line)[0] for line in diagram.splitlines()] == LAYERS


def test_every_layer_is_a_package_with_a_line_of_its_own():
    packages = {path.parent.name for path in (ROOT / "src/dan").glob("*/__init__.py")}
    assert {name for layer in LAYERS for name in layer.split(" | ")} == packages


def test_every_package_but_the_command_line_has_a_page_of_reference():
    packages = {name for layer in LAYERS for name in layer.split(" | ")} - {"cli"}
    assert {path.stem for path in (ROOT / "docs/api").glob("*.md")} == packages
    for name in packages:
        assert f"\n::: dan.{name}\n" in read(f"docs/api/{name}.md")


# ---------------------------------------------------------------------------------- pages


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"- (?:Home: )?(\S+\.md)$", read("mkdocs.yml"), flags=re.MULTILINE)
    assert sorted(listed) == [path.relative_to(ROOT / "docs").as_posix() for path in PAGES]


@each_text
def test_links_lead_to_files(path):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), link


@pytest.mark.parametrize("path", [path for path in TEXTS if "zh" not in path.name], ids=str)
def test_prose_is_wrapped(path):
    long = [line for line in prose(path.read_text(encoding="utf-8")) if len(line) > 100]
    assert [line for line in long if " " in line.lstrip(" -*#")] == []  # a long link has no blank


def test_contributing_names_files_that_are_there():
    named = set(re.findall(FILE, read("CONTRIBUTING.md")))
    missing = {name for name in named if "NAME" not in name and not (ROOT / name).is_file()}
    assert len(named) > 10
    assert not missing


# --------------------------------------------------------------------------------- commands


def commands():
    for path in TEXTS:
        for block in [*blocks(path, "sh"), *blocks(path, "console")]:
            for line in block.splitlines():
                words = shlex.split(line.partition(" | ")[2] or line, comments=True)
                if words[:1] == ["dan"]:
                    yield pytest.param(words[1:], id=f"{path.name}: {' '.join(words)}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_have_these_arguments_and_options(words):
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        words = getattr(command, "spelled_out", list)(words)
        command, words = command.commands[words[0]], words[1:]
    command.make_context("dan", list(words))  # an unknown word or a missing one raises


# ----------------------------------------------------------------------------------- README


def test_the_lines_of_the_readme_make_its_picture(tmp_path, monkeypatch):
    shutil.copy(ROOT / "docs/pictures/portrait.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("README.md", "python")
    assert blocks("docs/index.md", "python") == [code]
    exec(code, {})
    made, shown = (read_rgb(path).astype(int) for path in
                   ("landmarks.jpg", ROOT / "docs/pictures/landmarks.jpg"))  # fmt: skip
    plain = read_rgb("portrait.jpg").astype(int)
    assert np.abs(made - shown).mean() < 1 < np.abs(made - plain).mean()


def test_the_picture_of_uses_is_what_the_commands_make(tmp_path, monkeypatch, dan):
    shutil.copy(ROOT / "docs/pictures/portrait.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert dan("align", "portrait.jpg", "-o", "drawn", "--draw", "--axes").code == 0
    assert dan("chips", "portrait.jpg", "-o", "chips", "--template", "ffhq256").code == 0
    assert dan("blur", "portrait.jpg", "-o", "blurred").code == 0
    drawn, chip, blurred = (
        read_rgb(f"{name}/portrait.png").astype(int) for name in ("drawn", "chips", "blurred")
    )
    made = np.hstack([drawn[80:336, 131:387], chip, blurred[80:336, 131:387]])
    assert np.abs(made - read_rgb(ROOT / "docs/pictures/uses.jpg")).mean() < 2


def test_both_readmes_have_the_same_code():
    def code_of(path):
        lines = [line for kind in ("sh", "python") for block in blocks(path, kind)
                 for line in block.splitlines()]  # fmt: skip
        words = [line.partition("#")[0].replace("300-W所在目录", "PATH/TO/300w") for line in lines]
        return [word.replace("照片目录", "PHOTOS").rstrip() for word in words]

    assert code_of("README.zh-CN.md") == code_of("README.md")


def test_the_chinese_readme_has_full_width_punctuation():
    text = re.sub(r"`[^`]*`|\]\([^)]*\)", "", "\n".join(prose(read("README.zh-CN.md"))))
    assert re.findall(r"[一-鿿][,;:?!()]|[,;:?!()][一-鿿]", text) == []
