"""What the old script printed while it trained."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dan.cli.training_log import RichLog
from dan.training import ValidationReport

HOOK_STEPS = 100
"""The old logging hooks spoke every so many steps."""


class CycleLog(RichLog):
    """Epoch time and evaluation after each cycle, and the lines of the logging hooks.

    Args:
        hooks: ``LoggingTensorHook`` prints the loss, ``ExamplesPerSecondHook`` the speed.
    """

    def __init__(self, hooks: Sequence[str]) -> None:
        super().__init__()
        self.hooks = hooks
        self.spoken = 0
        self.cycle_started = time.monotonic()

    def begin(self, name: str, done: int, total: int) -> None:
        """A phase starts, or goes on, at a step."""
        super().begin(name, done, total)
        self.spoken = done // HOOK_STEPS

    def step(self, name: str, step: int, loss: float, rate: float, images_per_s: float) -> None:
        """Figures after a step."""
        super().step(name, step, loss, rate, images_per_s)
        spoken, self.spoken = self.spoken, step // HOOK_STEPS
        if self.spoken > spoken:  # losses come several steps at a time
            if "LoggingTensorHook" in self.hooks:
                self.say(f"{name} step {step}: loss = {loss:.6f}, learning rate = {rate:g}")
            if "ExamplesPerSecondHook" in self.hooks:
                self.say(f"{name} step {step}: {images_per_s:.1f} examples/s")

    def validated(self, report: ValidationReport) -> None:
        """Figures of a cycle."""
        seconds = time.monotonic() - self.cycle_started
        super().validated(report)
        self.say(f"Epoch time: {seconds:.1f} s  Evaluation: loss = {report.figures.loss:.6f}")
        self.cycle_started = time.monotonic()
