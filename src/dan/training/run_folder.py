"""The run folder: every file that a training writes, and how it is read back.

::

    RUN/recipe.json
    RUN/stage1/resume.safetensors   exact state, to go on from
    RUN/stage1/last.safetensors     the averaged model as of the last validation
    RUN/stage1/best.safetensors     the same at the lowest validation error
    RUN/stage1/losses.csv           step, rate, loss
    RUN/stage1/validation.csv       step, seconds, images/s, losses, error
    RUN/model.safetensors           the finished model
    RUN/tensorboard/stage1/         the same as scalars
    RUN/curves.png  RUN/reliability.png
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dan.core.errors import CheckpointError
from dan.core.files import read_text, write_text

TOP_FILES = ("recipe.json", "model.safetensors", "curves.png", "reliability.png")
"""Files of a run folder itself."""

LOSS_COLUMNS = ("step", "rate", "loss")
VALIDATION_COLUMNS = (
    "step",
    "seconds",
    "images_per_s",
    "training_loss",
    "validation_loss",
    "normaliser",
    "error_percent",
)


class PhaseFolder:
    """Paths of one phase's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.resume = path / "resume.safetensors"
        self.last = path / "last.safetensors"
        self.best = path / "best.safetensors"
        self.losses = path / "losses.csv"
        self.validation = path / "validation.csv"
        self.tensorboard = path.parent / "tensorboard" / path.name


def check_fingerprint(path: Path, header: Mapping[str, Any], expected: str) -> None:
    """Refuse to go on with a state that other settings or data made."""
    if header.get("fingerprint") != expected:
        raise CheckpointError(
            f"{path}: made with another recipe or other data; give back that recipe, or choose "
            "a new run folder"
        )


class CsvLog:
    """A CSV file that can be cut back to a step, then appended to.

    Args:
        path: the file.
        columns: the first one is ``step``.
        upto_step: rows with a later step are dropped: they will be computed again.
    """

    def __init__(self, path: Path, columns: Sequence[str], upto_step: int) -> None:
        self.path, self.columns = path, columns
        kept = [row for row in read_csv(path) if int(row["step"]) <= upto_step]
        write_text(path, self._text([columns, *([row[name] for name in columns] for row in kept)]))

    def append(self, rows: Sequence[Sequence[object]]) -> None:
        """Add rows at the end, at once on disk."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._text(rows))

    @staticmethod
    def _text(rows: Sequence[Sequence[object]]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        return buffer.getvalue()


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a log by column name, whole ones only; empty if there is no file."""
    if not path.is_file():
        return []
    # A kill can leave the last line without its end: such a row is no row.
    whole = read_text(path).rpartition("\n")[0]
    return [
        row
        for row in csv.DictReader(io.StringIO(whole))
        if None not in row.values() and row["step"]
    ]


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
