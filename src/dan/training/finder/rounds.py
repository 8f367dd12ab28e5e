"""The loop of the finder's training: one round from its start, or its saved state, to its end."""

from __future__ import annotations

from dataclasses import dataclass

from accelerate import Accelerator
from torch import Tensor, nn

from dan.model.finder import FaceFinderNetwork, Frames
from dan.model.weights import FORMAT_VERSION, fill, load_tensors, save_tensors
from dan.training.finder.batches import channels_first, load_batches
from dan.training.finder.hardness import kept_hardness
from dan.training.finder.loss import finder_loss
from dan.training.finder.material import Material
from dan.training.finder.recipe import FinderRecipe
from dan.training.finder.scenes import Composer
from dan.training.journal import LossJournal
from dan.training.log import TrainingLog
from dan.training.loop import stop_on_ctrl_c
from dan.training.optimiser import MovingAverage, build_optimiser
from dan.training.phases import rate_of_step
from dan.training.processes import from_main
from dan.training.run_folder import PhaseFolder
from dan.training.state import PhaseState

SCENES, HELD_OUT, WEIGHTS = 1, 2, 3
"""What random numbers are drawn for; part of the seeds."""


@dataclass(frozen=True)
class Round:
    """A part of the training, with scenes of its own.

    Attributes:
        number: from 0.
        recipe: settings.
        material: pictures to train on.
        folder: where its files go.
        fingerprint: of recipe and pictures.
    """

    number: int
    recipe: FinderRecipe
    material: Material
    folder: PhaseFolder
    fingerprint: str

    def rate_at(self, step: int) -> float:
        """Learning rate of a step of this round: linear warm-up, one cosine over all rounds."""
        settings = self.recipe.training
        done, total = self.number * settings.steps + step, settings.rounds * settings.steps
        return rate_of_step(done, total, settings.rate, settings.warm_up_steps, "cosine")

    def scenes_of(self, step: int, accelerator: Accelerator) -> range:
        """Numbers of the scenes of a step that this process takes."""
        own = self.recipe.training.batch_size // accelerator.num_processes
        first = (step * accelerator.num_processes + accelerator.process_index) * own
        return range(first, first + own)


def train_round(
    round_: Round, network: FaceFinderNetwork, *, accelerator: Accelerator, log: TrainingLog
) -> None:
    """Train one round to its end, from its saved state if there is one.

    ``network`` holds the weights of the round before; afterwards it holds the averaged result.

    Raises:
        NonFiniteLossError: naming the step and the last good checkpoint.
        InterruptedTrainingError: on Ctrl-C, after saving.
        CheckpointError: if a file of the round is damaged.
    """
    settings, folder = round_.recipe.training, round_.folder
    finished = from_main(
        accelerator, lambda: load_tensors(folder.last) if folder.last.is_file() else None
    )
    if finished is not None:  # by a run before this one
        fill(network, finished[0], folder.last)
        return
    before = network if round_.number else None
    backgrounds, path = round_.material.backgrounds, folder.path / "hardness.json"
    hardness = kept_hardness(path, before, backgrounds, accelerator)
    composer = Composer(round_.material, round_.recipe.scenes, hardness)
    prepared, state = _set_up(round_, network, accelerator)
    steps, size, seconds = settings.steps, settings.batch_size, settings.save_seconds
    journal = LossJournal(state, folder, accelerator, log, steps, size, seconds)
    seed = settings.seed, SCENES, round_.number
    numbers = [round_.scenes_of(step, accelerator) for step in range(state.step, steps)]
    with journal, stop_on_ctrl_c(accelerator, folder.resume) as stop:
        for pictures, faces in load_batches(composer, seed, numbers):
            frames = prepared(channels_first(pictures, accelerator.device))
            loss = finder_loss(frames, faces.to(accelerator.device), pictures.shape[1]).total
            rate = round_.rate_at(state.step)
            state.prepare(rate)
            state.descend(loss, settings.clip_norm, accelerator)
            journal.add(rate, loss)

            is_done = state.step == steps
            if is_done or journal.is_full or stop.is_wanted_here():
                journal.flush()
                is_last = stop.is_wanted_anywhere() or is_done
                journal.save_state(now=is_last)
                if is_last:
                    break
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    fill(network, state.averaged_model.state_dict(), folder.last)
    if accelerator.is_main_process:
        save_tensors(folder.last, network.state_dict(), {"format": FORMAT_VERSION})


def _set_up(
    round_: Round, network: FaceFinderNetwork, accelerator: Accelerator
) -> tuple[nn.Module, PhaseState[FaceFinderNetwork]]:
    """The network as device and precision want it, and the state, fresh or restored."""
    settings, folder = round_.recipe.training, round_.folder
    network.train()
    optimiser = build_optimiser(network, "adamw", settings.rate, settings.weight_decay)
    decay = settings.average_decay
    average = MovingAverage(network, decay) if decay else None
    prepared, optimiser = accelerator.prepare(_Network(network), optimiser)
    state = PhaseState(
        network,
        average,
        optimiser,
        accelerator.scaler,
        round_.fingerprint,
        start=folder.path.name,
    )
    state.resume(folder.resume, accelerator)
    return prepared, state


class _Network(nn.Module):
    """The network as one round prepares it; Accelerate prepares nothing twice."""

    def __init__(self, network: FaceFinderNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Frames:
        frames: Frames = self.network(pictures)
        return frames
