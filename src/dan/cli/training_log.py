"""What ``dan train`` shows: a progress bar, and lines of text above it."""

from __future__ import annotations

from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from dan.cli.common import error_console
from dan.training import TrainingLog, ValidationReport


class RichLog(TrainingLog):
    """A progress bar on standard error, from the first phase on until the ``with`` block ends."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=error_console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """One line above the progress bar."""
        self._progress.console.print(text)

    def begin(self, name: str, done: int, total: int) -> None:
        """A bar of this name takes the place of the last."""
        self._progress.start()
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(name, completed=done, total=total, figures="")

    def advance(self) -> None:
        """The bar grows by one."""
        if self._task is not None:
            self._progress.advance(self._task)

    def step(self, name: str, step: int, loss: float, rate: float, images_per_s: float) -> None:
        """The bar grows to the step, with figures beside it."""
        if self._task is not None:
            figures = f"loss {loss:.4f}  {images_per_s:.0f} images/s"
            self._progress.update(self._task, completed=step, figures=figures)

    def validated(self, report: ValidationReport) -> None:
        """One line above the progress bar."""
        self.say(str(report))
