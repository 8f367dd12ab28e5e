"""The training loop: one phase from its start, or from its saved state, to its end."""

from __future__ import annotations

import hashlib
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from dan.core.errors import InterruptedTrainingError
from dan.model import DAN
from dan.model.stage import Stage
from dan.model.weights import fill
from dan.training.augmentation import Batch
from dan.training.cuda_graph import GraphedStep
from dan.training.face_tensors import TrainingData
from dan.training.journal import Journal
from dan.training.log import TrainingLog
from dan.training.losses import build_loss
from dan.training.optimiser import MovingAverage, build_optimiser
from dan.training.phases import Draw, Phase, PhaseKind
from dan.training.recipe import TrainingSettings
from dan.training.run_folder import PhaseFolder
from dan.training.samples import samples_from
from dan.training.state import PhaseState
from dan.training.validation import scorer

MEMORY_FORMATS = {
    "channels_last": torch.channels_last,
    "channels_first": torch.contiguous_format,
}


def train_phase(
    phase: Phase,
    model: DAN,
    data: TrainingData,
    folder: PhaseFolder,
    *,
    accelerator: Accelerator,
    log: TrainingLog,
) -> None:
    """Train one phase to its end, from its saved state if there is one.

    ``model`` holds the weights of the earlier phases; afterwards it holds the averaged result.

    Raises:
        NonFiniteLossError: naming the step and the last good checkpoint.
        InterruptedTrainingError: on Ctrl-C, after saving.
        CheckpointError: if the saved state was made with another recipe or other data.
    """
    settings = phase.recipe.training
    network, state = _set_up(phase, model, data, folder, accelerator)
    batches = samples_from(state.step, phase, data, model.config.image_size)
    loss_of = build_loss(settings.loss, data.scheme, model.mean_shape)
    score = scorer(phase, data, accelerator)
    journal = Journal(phase, state, data.scheme, folder, accelerator=accelerator, log=log)

    def learn(batch: Batch) -> Tensor:
        estimates = network(batch.crops, phase.n_stages)  # (B, N, 2) of each stage
        losses = [
            loss_of(estimates[stage - 1], batch.points, batch.weights) for stage in phase.stages
        ]
        loss = torch.stack(losses).sum(dim=0).mean()
        state.descend(loss, settings.clip_norm, accelerator)
        return loss.detach()

    take_step = GraphedStep(learn) if _can_be_graphed(settings, accelerator) else learn
    with journal, stop_on_ctrl_c(accelerator, folder.resume) as stop:
        for step, batch in enumerate(batches, start=state.step):
            torch.manual_seed(phase.seed(step, Draw.DROPOUT))
            rate = phase.rate_at(step)
            state.prepare(rate)
            loss = take_step(batch)
            journal.add(rate, loss)

            is_due = phase.is_validated_after(state.step)
            if is_due or journal.is_full or stop.is_wanted_here():
                journal.flush()
                if is_due:
                    journal.validated(score(state.averaged_model))
                    model.train_stages(phase.stages)  # a model that is scored is not in training
                is_last = stop.is_wanted_anywhere() or state.step == phase.n_steps
                journal.save_state(now=is_last)
                if is_last:
                    break
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    fill(model, state.averaged_model.state_dict(), folder.last)
    model.train_stages(())


def _set_up(
    phase: Phase, model: DAN, data: TrainingData, folder: PhaseFolder, accelerator: Accelerator
) -> tuple[nn.Module, PhaseState[DAN]]:
    """The network as the phase's device and precision want it, and the state, fresh or restored."""
    settings = phase.recipe.training
    model.to(accelerator.device).in_memory_format(MEMORY_FORMATS[settings.data_format])
    model.train_stages(phase.stages)
    if settings.start_from_previous and phase.kind is PhaseKind.STAGE and phase.n_stages > 1:
        *_, previous, stage = model.stages[: phase.n_stages]
        cast(Stage, stage).start_from(cast(Stage, previous))
    decay, on_device = settings.average_decay, _can_be_graphed(settings, accelerator)
    optimiser = build_optimiser(
        model, settings.optimiser, phase.rate, settings.weight_decay, on_device=on_device
    )
    average = MovingAverage(model, decay) if decay else None
    network, optimiser = accelerator.prepare(_Network(model, compiled=settings.compile), optimiser)
    state = PhaseState(
        model,
        average,
        optimiser,
        accelerator.scaler,
        phase.fingerprint(data.identity),
        start=_hash_of_start(model, phase),
    )
    state.resume(folder.resume, accelerator)
    return network, state


def _can_be_graphed(settings: TrainingSettings, accelerator: Accelerator) -> bool:
    """Whether a step can be a CUDA graph: a loss scaler or another process is waited for."""
    is_alone = accelerator.num_processes == 1 and accelerator.scaler is None
    return accelerator.device.type == "cuda" and is_alone and not settings.compile


def _hash_of_start(model: DAN, phase: Phase) -> str:
    """Changes with the weights that a phase starts from: those of the phases before it."""
    digest = hashlib.sha256()
    first = min(phase.stages) - 1
    earlier = [*model.stages[:first], *model.views[:first]]
    for part in earlier if phase.kind is PhaseKind.STAGE else model.children():
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
        estimates: list[Tensor] = self.model(crops, n_stages).estimates
        return estimates


class Stop:
    """Whether Ctrl-C was pressed, here or in another process."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator, self.pressed = accelerator, False

    def is_wanted_here(self) -> bool:
        """Without asking others; many processes have to, and do so only now and then."""
        return self.pressed and self.accelerator.num_processes == 1

    def is_wanted_anywhere(self) -> bool:
        """In many processes, each has to call this."""
        flag = torch.tensor(float(self.pressed), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, reduction="sum") > 0)


@contextmanager
def stop_on_ctrl_c(accelerator: Accelerator, resume: Path) -> Iterator[Stop]:
    """The first Ctrl-C asks the block to end, and is an error then; the second stops at once.

    Raises:
        InterruptedTrainingError: at the end of the block, if it was asked to end.
    """
    stop = Stop(accelerator)

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.pressed:
            raise KeyboardInterrupt
        stop.pressed = True

    is_main_thread = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, handle) if is_main_thread else None
    try:
        yield stop
    finally:
        if is_main_thread:  # nobody presses Ctrl-C in others
            signal.signal(signal.SIGINT, previous)
    if stop.is_wanted_anywhere():
        raise InterruptedTrainingError(f"stopped; the same command goes on from {resume}")
