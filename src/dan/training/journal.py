"""What a phase leaves in its folder while it runs: losses, figures, models, its state."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, Self

import torch
from accelerate import Accelerator
from torch import Tensor

from dan.core.errors import NonFiniteLossError
from dan.core.files import make_folder
from dan.model import DAN, save_model
from dan.schemes import LandmarkScheme
from dan.training.log import TrainingLog, ValidationReport
from dan.training.optimiser import Network
from dan.training.phases import Phase
from dan.training.run_folder import LOSS_COLUMNS, VALIDATION_COLUMNS, CsvLog, PhaseFolder
from dan.training.state import PhaseState
from dan.training.validation import ValidationFigures

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass
class LossJournal(Generic[Network]):
    """Losses of a phase, checked, told, and written in the main process; and its state.

    Attributes:
        state: of the phase; its time is kept here.
        folder: where the files go; the phase has its name.
        accelerator: brings the losses of all processes together.
        log: told of steps.
        n_steps: of the phase.
        batch_size: over all processes.
        save_seconds: at least so often the state is saved.
    """

    state: PhaseState[Network]
    folder: PhaseFolder
    accelerator: Accelerator
    log: TrainingLog
    n_steps: int
    batch_size: int
    save_seconds: float

    def __post_init__(self) -> None:
        self.name = self.folder.path.name
        self.is_main = self.accelerator.is_main_process
        self.pending: list[tuple[int, float, Tensor]] = []
        self.mean_loss = self.images_per_s = float("nan")
        self.counted_from = self.state.step
        self.started = self.saved = self.counted_upto = time.monotonic()
        self.scalars: SummaryWriter | None = None

    def __enter__(self) -> Self:
        """Open the files; what a killed run wrote of later steps is dropped, it comes again."""
        step = self.state.step
        if self.is_main:
            from torch.utils.tensorboard import SummaryWriter

            make_folder(self.folder.path)
            self.losses = CsvLog(self.folder.losses, LOSS_COLUMNS, step)
            if step < self.n_steps:
                folder = str(self.folder.tensorboard)
                self.scalars = SummaryWriter(folder, purge_step=step + 1)
        if step:
            self.log.say(f"{self.name}: goes on from step {step} of {self.n_steps}")
        self.log.begin(self.name, step, self.n_steps)
        return self

    def __exit__(self, *_: object) -> None:
        if self.scalars is not None:
            self.scalars.close()

    @property
    def is_full(self) -> bool:
        """Whether it is time to look at the losses."""
        return len(self.pending) >= self.log.every_steps

    def add(self, rate: float, loss: Tensor) -> None:
        """Count the step just done and keep its loss; nothing waits for the device."""
        self.state.step += 1
        self.pending.append((self.state.step, rate, loss.detach()))

    def flush(self) -> None:
        """Write the pending losses and tell of them.

        Raises:
            NonFiniteLossError: if one is NaN or infinite.
        """
        steps, rates, losses = zip(*self.pending, strict=True)
        self.pending.clear()
        stacked = self.accelerator.reduce(torch.stack(losses).float(), reduction="mean")
        values: list[float] = stacked.tolist()
        now = time.monotonic()  # the device has done all steps up to here
        self.state.seconds += now - self.counted_upto
        self.counted_upto = now
        texts = [f"{value:.9g}" for value in values]
        for step, value, text in zip(steps, values, texts, strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(_non_finite(self.folder, step, text))
        self.mean_loss = sum(values) / len(values)
        images = (steps[-1] - self.counted_from) * self.batch_size
        self.images_per_s = images / max(now - self.started, 1e-9)
        if self.is_main:
            columns = steps, [f"{rate:.6g}" for rate in rates], texts
            self.losses.append(list(zip(*columns, strict=True)))
            figures = {"rate": rates[-1], "loss": self.mean_loss, "images_per_s": self.images_per_s}
            self.write_scalars(figures)
            self.log.step(self.name, steps[-1], **figures)

    def save_state(self, *, now: bool) -> None:
        """Save the state, in the main process, if asked to or if the last time is long ago."""
        overdue = time.monotonic() - self.saved > self.save_seconds
        if self.is_main and (now or overdue):
            self.state.save(self.folder.resume)
            self.saved = self.counted_upto = time.monotonic()

    def write_scalars(self, values: Mapping[str, float]) -> None:
        """For TensorBoard."""
        if self.scalars is not None:
            for tag, value in values.items():
                self.scalars.add_scalar(tag, value, self.state.step)


class Journal(LossJournal[DAN]):
    """Of a phase of landmarks: validations and models besides.

    Args:
        phase: whose.
        state: of the phase; its time and its best error are kept here.
        scheme: of the models that are saved.
        folder: where the files go.
        accelerator: brings the losses of all processes together.
        log: told of steps and validations.
    """

    def __init__(
        self,
        phase: Phase,
        state: PhaseState[DAN],
        scheme: LandmarkScheme,
        folder: PhaseFolder,
        *,
        accelerator: Accelerator,
        log: TrainingLog,
    ) -> None:
        settings = phase.recipe.training
        size, seconds = settings.batch_size, settings.save_seconds
        super().__init__(state, folder, accelerator, log, phase.n_steps, size, seconds)
        self.phase, self.scheme = phase, scheme

    def __enter__(self) -> Self:
        super().__enter__()
        if self.is_main:
            path, step = self.folder.validation, self.state.step
            self.validation = CsvLog(path, VALIDATION_COLUMNS, step)
        return self

    def validated(self, figures: ValidationFigures) -> None:
        """Keep the averaged model with its figures, and once more if it is the best so far."""
        state, error = self.state, figures.error_percent[-1]
        report = ValidationReport(
            phase=self.phase.name,
            step=state.step,
            seconds=state.seconds,
            training_loss=self.mean_loss,
            figures=figures,
            is_best=error < state.best_error,
        )
        state.best_error = min(state.best_error, error)
        if self.is_main:
            self._save_model(report)
            self.validation.append([self._row(report)])
            scalars = {"validation_error_percent": error, "validation_loss": figures.loss}
            self.write_scalars(scalars)
            self.log.validated(report)
        self.counted_from, self.started = state.step, time.monotonic()
        self.counted_upto = self.started  # the time since the last step does not count

    def _save_model(self, report: ValidationReport) -> None:
        made = {
            "phase": report.phase,
            "step": report.step,
            "validation": asdict(report.figures),
            "recipe": self.phase.recipe.to_dict(),
        }
        for path in (self.folder.last, self.folder.best)[: 2 if report.is_best else 1]:
            save_model(path, self.state.averaged_model, self.scheme, made)

    def _row(self, report: ValidationReport) -> tuple[object, ...]:
        return (
            report.step,
            f"{report.seconds:.1f}",
            f"{self.images_per_s:.1f}",
            f"{report.training_loss:.6g}",
            f"{report.figures.loss:.6g}",
            report.figures.normaliser,
            f"{report.figures.error_percent[-1]:.4f}",
        )


def _non_finite(folder: PhaseFolder, step: int, text: str) -> str:
    good = folder.resume if folder.resume.is_file() else "none yet"
    return (
        f"loss: expected a finite number, got {text} at step {step} of {folder.path.name}; last "
        f"good checkpoint: {good}. Try a lower training.rate, or training.precision=fp32"
    )
