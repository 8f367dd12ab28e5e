"""The samples of a phase, step after step, made here or by processes beside the training."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from dan.core.errors import DanError
from dan.training.augmentation import Augmenter, Batch
from dan.training.face_tensors import TrainingData
from dan.training.phases import Draw, Phase


class StepSamples(Dataset[Batch | DanError]):
    """The batch of every step of a phase, each a function of the step alone; or why there is none.

    An error is handed over, because the loader would put the other process's traceback into it.
    """

    def __init__(self, augmenter: Augmenter, phase: Phase) -> None:
        self.augmenter, self.phase = augmenter, phase

    def __getitem__(self, step: int) -> Batch | DanError:
        """The samples of a step (0-based), on the augmenter's device."""
        seed = self.phase.seed(step, Draw.SAMPLES)
        try:
            return self.augmenter.batch(self.phase.faces_of(step), seed)
        except DanError as error:
            return error


def samples_from(step: int, phase: Phase, data: TrainingData, size: int) -> Iterator[Batch]:
    """The batches of a phase from a step (0-based) to its end, on the device of the faces.

    With ``data.workers``, so many processes make them on the CPU, some steps ahead of the training;
    without, each is made on the device of the faces when it is asked for.

    Args:
        size: side of the crops, pixels.

    Raises:
        DataError: if a picture on disk is damaged.
    """
    n_workers, device = phase.recipe.data.workers, data.train.device
    faces = data.train.to(torch.device("cpu")) if n_workers else data.train
    augmenter = Augmenter(faces, size, data.scheme, phase.recipe.augmentation)
    loader = DataLoader(
        StepSamples(augmenter, phase),
        batch_size=None,  # the data set gives whole batches
        sampler=range(step, phase.n_steps),
        num_workers=n_workers,
        worker_init_fn=_leave_ctrl_c_to_the_training,
    )
    for batch in loader:
        if isinstance(batch, DanError):
            raise batch
        yield batch.to(device)


def _leave_ctrl_c_to_the_training(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
