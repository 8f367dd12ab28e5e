"""The training engine: stage after stage, each from a fixed schedule, resumable at every step."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from dan.errors import InterruptedTrainingError, NonFiniteLossError
from dan.files import make_folder
from dan.model import DAN, load_model, save_model
from dan.model.stage import Stage
from dan.model.weights import fill
from dan.schemes import LandmarkScheme
from dan.training.augment import Augmenter
from dan.training.checkpoint import PhaseState, build_average, build_optimiser
from dan.training.config import Recipe
from dan.training.faces import Faces
from dan.training.losses import build_loss
from dan.training.report import TrainingReport, ValidationReport
from dan.training.run import LOSS_COLUMNS, VALIDATION_COLUMNS, CsvLog, PhaseFolder
from dan.training.schedule import (
    Phase,
    batch_indices,
    derive_seed,
    rate_at,
    steps_per_epoch,
)
from dan.training.validation import ValidationFigures, validate

FLUSH_STEPS = 10
"""Losses are looked at, logged and, in many processes, brought together every so many steps."""

WITHOUT_EFFECT = (
    "save_seconds",
    "validate_every",
    "compile",
    "epochs",
    "joint_epochs",
    "joint_rounds",
    "joint_rate",
    "refinement_epochs",
    "refinement_rate",
    "confidence_draws",
)
"""Settings that do not change what a phase's steps do to the weights; lengths count as steps, and
the rates of later phases as the phase's own."""

MEMORY_FORMATS = {"channels_last": "channels_last", "channels_first": "contiguous_format"}


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from and is judged by.

    Attributes:
        train: faces on the training device.
        valid: faces held out, on the same device.
        scheme: what the landmarks are.
        identity: changes when the data change; part of the fingerprint.
    """

    train: Faces
    valid: Faces
    scheme: LandmarkScheme
    identity: str


@dataclass(frozen=True)
class PhaseJob:
    """One phase to be trained, and all that it needs.

    Attributes:
        phase: which stages, how long.
        recipe: settings.
        data: faces.
        folder: where the phase's files go.
        accelerator: device, precision, processes.
        report: told of steps and validations.
        max_steps: stop after this step, whatever the epochs say.
    """

    phase: Phase
    recipe: Recipe
    data: TrainingData
    folder: PhaseFolder
    accelerator: Accelerator
    report: TrainingReport
    max_steps: int | None = None

    @property
    def epoch_steps(self) -> int:
        """Steps of one pass over the training faces."""
        return steps_per_epoch(len(self.data.train), self.recipe.training.batch_size)

    @property
    def n_steps(self) -> int:
        """Steps of the whole phase."""
        n_steps = self.phase.epochs * self.epoch_steps
        return n_steps if self.max_steps is None else min(n_steps, self.max_steps)

    @property
    def fingerprint(self) -> str:
        """Changes with every setting that changes the weights.

        At a constant rate the number of epochs does not: such a phase may be prolonged.
        """
        values = self.recipe.to_dict()
        for name in WITHOUT_EFFECT:
            del values["training"][name]
        constant = self.recipe.training.rate_schedule == "constant"
        length = None if constant else self.n_steps
        parts = [values, self.phase.name, self.phase.rate, length, self.data.identity]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def is_validated_at(self, step: int) -> bool:
        """Whether a validation follows the step."""
        return step % (self.recipe.training.validate_every * self.epoch_steps) == 0 or (
            step == self.n_steps
        )

    def seed(self, step: int, use: int) -> int:
        """Seed of one use of randomness in one step."""
        return derive_seed(self.recipe.training.seed, self.phase.number, step, use)


def train_phase(job: PhaseJob, model: DAN) -> None:
    """Train one phase to its end, from its saved state if there is one.

    Args:
        job: what to do.
        model: holds the weights of the earlier stages; holds the averaged result afterwards.

    Raises:
        NonFiniteLossError: naming the step and the last good checkpoint.
        InterruptedTrainingError: on Ctrl-C, after saving.
        CheckpointError: if the saved state was made with another recipe or other data.
    """
    accelerator, settings = job.accelerator, job.recipe.training
    memory_format = getattr(torch, MEMORY_FORMATS[settings.data_format])
    model.to(accelerator.device).in_memory_format(memory_format)
    model.train_stages(job.phase.trained)
    if settings.start_from_previous and not job.phase.joint:
        start_from_previous(model, job.phase)
    optimiser = build_optimiser(model, settings.optimiser, job.phase.rate, settings.weight_decay)
    average = build_average(model, settings.average_decay)
    network, optimiser = accelerator.prepare(_Network(model, compiled=settings.compile), optimiser)
    state = PhaseState(
        model,
        average,
        optimiser,
        accelerator.scaler,
        job.fingerprint,
        start=hash_of_start(model, job.phase),
    )
    if job.folder.resume.is_file():
        state.restore(job.folder.resume)
        job.report.say(f"{job.phase.name}: goes on from step {state.step} of {job.n_steps}")
    job.report.begin(job.phase.name, state.step, job.n_steps)
    step_of = _StepFunction(job, model, network)
    logs = _Logs(job, state.step)
    with _ctrl_c() as stop_wanted:
        while state.step < job.n_steps:
            rate, loss = step_of(state)
            logs.add(state.step, rate, loss)
            validate = job.is_validated_at(state.step)
            if logs.full or validate or stop_wanted.in_this_process(accelerator):
                logs.flush(state)
                stop = stop_wanted.in_any_process(accelerator)
                if validate:
                    _validate(job, state, logs)
                    model.train_stages(job.phase.trained)
                logs.save_if_due(state, now=stop or state.step == job.n_steps)
                if stop:
                    raise InterruptedTrainingError(_goes_on(job))
        if stop_wanted.in_any_process(accelerator):  # during the last validation
            raise InterruptedTrainingError(_goes_on(job))
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    fill(model, state.averaged_model.state_dict(), job.folder.last)
    model.train_stages(())


def _goes_on(job: PhaseJob) -> str:
    return f"stopped; the same command goes on from {job.folder.resume}"


def start_from_previous(model: DAN, phase: Phase) -> None:
    """Give each trained stage after the first the trunk of the stage before it."""
    for number in phase.trained:
        if number > 1:
            stage, previous = model.stages[number - 1], model.stages[number - 2]
            cast(Stage, stage).start_from(cast(Stage, previous))


def hash_of_start(model: DAN, phase: Phase) -> str:
    """Changes with the weights that a phase starts from: those of the phases before it."""
    digest = hashlib.sha256()
    first = min(phase.trained) - 1
    earlier = [*model.stages[:first], *model.connections[: max(first - 1, 0)]]
    for part in model.children() if phase.joint else earlier:
        for value in part.state_dict().values():
            digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class _Network(nn.Module):
    """The model as one phase prepares it for its device and precision.

    Accelerate marks what it prepares and does not prepare it again: the model itself would lose
    its mixed precision after the first phase.
    """

    def __init__(self, model: DAN, *, compiled: bool) -> None:
        super().__init__()
        self.model = torch.compile(model) if compiled else model

    def forward(self, crops: Tensor, n_stages: int) -> list[Tensor]:
        estimates: list[Tensor] = self.model(crops, n_stages)
        return estimates


class _StepFunction:
    """One step of a phase: sample, forward, backward, update, average."""

    def __init__(self, job: PhaseJob, model: DAN, network: nn.Module) -> None:
        self.job, self.model, self.network = job, model, network
        recipe = job.recipe
        self.loss_of = build_loss(recipe.training.loss, job.data.scheme)
        self.augmenter = Augmenter(
            job.data.train, recipe.model.image_size, job.data.scheme, recipe.augmentation
        )

    def __call__(self, state: PhaseState) -> tuple[float, Tensor]:
        """Do the next step; returns its learning rate and its loss, still on the device."""
        job, settings, accelerator = self.job, self.job.recipe.training, self.job.accelerator
        rate = rate_at(state.step, job.n_steps, job.phase.rate, settings)
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        indices = batch_indices(
            state.step, len(job.data.train), settings.batch_size, job.seed(0, use=0)
        )
        batch = self.augmenter.batch(indices, job.seed(state.step, use=1))
        torch.manual_seed(job.seed(state.step, use=2))  # dropout
        estimates: list[Tensor] = self.network(batch.crops, job.phase.n_stages)
        losses = [self.loss_of(estimates[stage - 1], batch.points) for stage in job.phase.trained]
        loss = torch.stack(losses).sum(dim=0).mean()
        state.optimiser.zero_grad()
        accelerator.backward(loss)
        if settings.clip_norm:
            accelerator.clip_grad_norm_(self.model.parameters(), settings.clip_norm)
        state.optimiser.step()
        if state.average is not None:
            state.average.update_parameters(self.model)
        state.step += 1
        return rate, loss.detach()


class _Logs:
    """Losses on their way from the device to the file, and the time since the last save."""

    def __init__(self, job: PhaseJob, step: int) -> None:
        self.job = job
        self.pending: list[tuple[int, float, Tensor]] = []
        self.mean_loss = float("nan")
        self.images_per_s = float("nan")
        self.counted_from = step
        self.started = self.saved = self.counted_upto = time.monotonic()
        self.losses = self.validation = None
        if job.accelerator.is_main_process:
            make_folder(job.folder.path)
            self.losses = CsvLog(job.folder.losses, LOSS_COLUMNS, step)
            self.validation = CsvLog(job.folder.validation, VALIDATION_COLUMNS, step)

    @property
    def full(self) -> bool:
        """Whether it is time to look at the losses."""
        return len(self.pending) >= FLUSH_STEPS

    def add(self, step: int, rate: float, loss: Tensor) -> None:
        """Keep the loss of a step; nothing waits for the device."""
        self.pending.append((step, rate, loss))

    def flush(self, state: PhaseState) -> None:
        """Write the pending losses and report on them.

        Raises:
            NonFiniteLossError: if one is NaN or infinite.
        """
        stacked = torch.stack([loss for _, _, loss in self.pending]).float()
        values = self.job.accelerator.reduce(stacked, reduction="mean").tolist()
        now = time.monotonic()  # the device has done all steps up to here
        state.seconds, self.counted_upto = state.seconds + now - self.counted_upto, now
        rows = [
            (step, f"{rate:.6g}", f"{value:.9g}")
            for (step, rate, _), value in zip(self.pending, values, strict=True)
        ]
        rate = self.pending[-1][1]
        self.pending.clear()
        for (step, _, text), value in zip(rows, values, strict=True):
            if not math.isfinite(value):
                raise NonFiniteLossError(_non_finite(self.job.folder, step, text))
        if self.losses is not None:
            self.losses.append(rows)
        self.mean_loss = sum(values) / len(values)
        images = (state.step - self.counted_from) * self.job.recipe.training.batch_size
        self.images_per_s = images / max(time.monotonic() - self.started, 1e-9)
        self.job.report.step(
            self.job.phase.name, state.step, self.mean_loss, rate, self.images_per_s
        )

    def save_if_due(self, state: PhaseState, *, now: bool) -> None:
        """Save the state, in the main process, if asked to or if the last time is long ago."""
        overdue = time.monotonic() - self.saved > self.job.recipe.training.save_seconds
        if self.job.accelerator.is_main_process and (now or overdue):
            state.save(self.job.folder.resume)
            self.saved = self.counted_upto = time.monotonic()

    def restart_clock(self, step: int) -> None:
        """Count images per second anew from a step; the time since the last step does not count."""
        self.counted_from, self.started = step, time.monotonic()
        self.counted_upto = self.started


def _non_finite(folder: PhaseFolder, step: int, text: str) -> str:
    good = folder.resume if folder.resume.is_file() else "none yet"
    return (
        f"loss: expected a finite number, got {text} at step {step} of {folder.path.name}; last "
        f"good checkpoint: {good}. Try a lower training.rate, or training.precision=fp32"
    )


def score(job: PhaseJob, model: DAN) -> ValidationFigures:
    """Figures of a model, on the training device, on the faces held out; in all processes."""
    return validate(
        model.eval(),
        job.data.valid,
        job.accelerator,
        job.data.scheme,
        build_loss(job.recipe.training.loss, job.data.scheme),
        crop_size=job.recipe.model.image_size,
        n_stages=job.phase.n_stages,
        batch_size=job.recipe.training.batch_size,
    )


def _validate(job: PhaseJob, state: PhaseState, logs: _Logs) -> None:
    """Score the averaged model on the held-out faces; keep it, and once more if it is best."""
    model = state.averaged_model
    figures = score(job, model)
    error = figures.error_percent[-1]
    is_best = error < state.best_error
    state.best_error = min(state.best_error, error)
    if logs.validation is not None:  # the main process
        made = {
            "phase": job.phase.name,
            "step": state.step,
            "validation": asdict(figures),
            "recipe": job.recipe.to_dict(),
        }
        for path in (job.folder.last, job.folder.best)[: 2 if is_best else 1]:
            save_model(path, model, job.data.scheme, made)
        logs.validation.append(
            [
                (
                    state.step,
                    f"{state.seconds:.1f}",
                    f"{logs.images_per_s:.1f}",
                    f"{logs.mean_loss:.6g}",
                    f"{figures.loss:.6g}",
                    figures.normaliser,
                    f"{error:.4f}",
                )
            ]
        )
        job.report.validated(
            ValidationReport(
                phase=job.phase.name,
                step=state.step,
                seconds=state.seconds,
                training_loss=logs.mean_loss,
                figures=figures,
                is_best=is_best,
            )
        )
    logs.restart_clock(state.step)


class _StopWanted:
    def __init__(self) -> None:
        self.flag = False

    def in_this_process(self, accelerator: Accelerator) -> bool:
        """Whether to stop now; many processes ask each other only when they flush."""
        return self.flag and accelerator.num_processes == 1

    def in_any_process(self, accelerator: Accelerator) -> bool:
        flag = torch.tensor(float(self.flag), device=accelerator.device)
        return bool(accelerator.reduce(flag, reduction="sum") > 0)


@contextmanager
def _ctrl_c() -> Iterator[_StopWanted]:
    """The first Ctrl-C asks to stop after the step; the second stops at once."""
    stop = _StopWanted()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.flag:
            raise KeyboardInterrupt
        stop.flag = True

    try:
        previous = signal.signal(signal.SIGINT, handle)
    except ValueError:  # not the main thread: nobody presses Ctrl-C there
        yield stop
        return
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def load_phase(model: DAN, path: Path) -> None:
    """Take the weights of an earlier phase; stages that the file lacks keep theirs."""
    source = load_model(path).model
    own = model.state_dict()
    fill(model, own | source.state_dict(), path)
