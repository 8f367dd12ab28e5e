"""Batches of scenes: composed by other processes while the network learns from the last ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dan.training.finder.scenes import NOTHING, Composer, Scene

WORKERS = min(max(os.cpu_count() or 1, 2), 16) if sys.platform == "linux" else 0
"""Processes that compose scenes, forked because they share the pictures; 0: the training itself."""

Batch = tuple[Tensor, Tensor]
"""(B, S, S, 3) uint8 pictures and (B, G, 5) float32 faces, padded with rows of no face."""


def load_batches(
    composer: Composer, seed: tuple[int, ...], batches: Sequence[range]
) -> Iterable[Batch]:
    """Batches of scenes, one after the other.

    Args:
        composer: makes the scenes.
        seed: of all of them; the number of a scene is appended.
        batches: numbers of the scenes of each batch.
    """
    # OpenCV's threads do not survive a fork: the processes would wait for them.
    cv2.setNumThreads(0)
    return DataLoader(
        _Scenes(composer, seed),
        batch_sampler=[list(numbers) for numbers in batches],
        collate_fn=stack_scenes,
        num_workers=WORKERS,
        prefetch_factor=4 if WORKERS else None,
        multiprocessing_context="fork" if WORKERS else None,
    )


def stack_scenes(scenes: Sequence[Scene]) -> Batch:
    """One batch; faces are padded to the most that one scene has, and one at least."""
    most = max(1, *(len(scene.faces) for scene in scenes))
    faces = np.zeros((len(scenes), most, 5), dtype=np.float32)
    faces[..., 4] = NOTHING
    for rows, scene in zip(faces, scenes, strict=True):
        rows[: len(scene.faces)] = scene.faces
    pictures = np.stack([scene.picture for scene in scenes])
    return torch.from_numpy(pictures), torch.from_numpy(faces)


def channels_first(pictures: Tensor, device: torch.device) -> Tensor:
    """(B, H, W, 3) uint8 pictures as the network takes them: (B, 3, H, W) float32."""
    return pictures.to(device).permute(0, 3, 1, 2).float()


class _Scenes(Dataset[Scene]):
    """Scenes by their number."""

    def __init__(self, composer: Composer, seed: tuple[int, ...]) -> None:
        self.composer, self.seed = composer, seed

    def __getitem__(self, number: int) -> Scene:
        return self.composer.compose(*self.seed, number)
