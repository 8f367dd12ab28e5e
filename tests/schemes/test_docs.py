"""The tables and files of docs/schemes.md are those of the code."""

import re
from pathlib import Path

from dan.schemes import CONVERSIONS, SCHEMES, SUMMARIES, parse_scheme

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "schemes.md").read_text(encoding="utf-8")


def rows():
    return [tuple(cell.strip(" `") for cell in line.strip("|").split("|"))
            for line in PAGE.splitlines() if line.startswith("| `")]  # fmt: skip


def test_the_table_of_schemes():
    listed = [
        (name, str(scheme.n_landmarks), "no" if scheme.mirror is None else "yes", SUMMARIES[name])
        for name, scheme in SCHEMES.items()
    ]
    assert rows()[: len(listed)] == listed


def test_the_table_of_conversions():
    told = {}
    for source, target, groups, quality in rows()[len(SCHEMES) :]:
        names = SCHEMES[target].groups if groups == "all" else groups.split(", ")
        told.setdefault((source, target), {}).update(dict.fromkeys(names, quality))
    assert told == {(step.source.name, step.target.name): step.quality for step in CONVERSIONS}


def test_the_example_file():
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    scheme = parse_scheme(text).scheme
    assert scheme.mirror.tolist() == [1, 0, 3, 2]
    assert scheme.eyes.right == (1,)
