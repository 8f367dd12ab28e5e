"""What the finder learns from: how far frames are off, and how good each answer should say it is.

A frame's distance is the mean distance of its four corners from those of the face's frame, in sides
of the face. Each cell near a face's centre learns to bring its frames there, for the directions
that are within :data:`NEAR_TURN` of the face's; and its score learns 1 - distance, as a detector's
"quality" (Li et al. 2020, "Generalized Focal Loss"). All other cells learn to say 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dan.model.finder import QUARTERS, STRIDES, Frames, cells_of
from dan.training.finder.scenes import FACE, IGNORED

SIDES = ((0.0, 48.0), (36.0, 112.0), (84.0, math.inf))
"""Sides of the faces that each map finds, pixels."""

NEAR_STRIDES = 1.0
"""Distance from a face's centre, in strides, up to which cells are to find it."""

NEAR_TURN = math.radians(67.5)
"""Turn from a direction up to which its answer is to find a face; halfway to the next is 45°."""

FRAME_WEIGHT = 2.0


class Losses(NamedTuple):
    """Means over the faces of a batch.

    Attributes:
        score: of what the cells say about their answers.
        frame: mean distance of the answers that are to find a face.
    """

    score: Tensor
    frame: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.score + FRAME_WEIGHT * self.frame


def corners(centres_xy: Tensor, sides: Tensor, rolls: Tensor) -> Tensor:
    """(..., 2), (...), (...) -> (..., 4, 2) corners of frames."""
    half = sides / 2
    along = torch.stack([half * torch.cos(rolls), half * torch.sin(rolls)], dim=-1)
    across = torch.stack([-along[..., 1], along[..., 0]], dim=-1)
    ends = [-along - across, along - across, along + across, across - along]
    return centres_xy[..., None, :] + torch.stack(ends, dim=-2)


def distances(frames: Frames, faces: Tensor) -> Tensor:
    """(...) distances of frames from (..., 4+) faces, x, y, side, roll, in sides of the face."""
    true = corners(faces[..., :2], faces[..., 2], faces[..., 3])
    off = corners(frames.centres_xy, frames.sizes, frames.rolls) - true
    distance: Tensor = off.norm(dim=-1).mean(dim=-1) / faces[..., 2]
    return distance


def finder_loss(frames: Frames, faces: Tensor, scene_size: int) -> Losses:
    """The losses of a batch of scenes.

    Args:
        frames: of :meth:`dan.model.finder.FaceFinderNetwork.forward`, float32.
        faces: (B, G, 5) as in :class:`~dan.training.finder.scenes.Scene`, padded with rows of any
            other kind.
        scene_size: side of the scenes, pixels.
    """
    cells_xy, strides, ranges = _cells(scene_size, faces.device)
    kind, side = faces[..., 4], faces[..., 2].clamp_min(1.0)
    away = (cells_xy[None, :, None] - faces[:, None, :, :2]).norm(dim=-1)  # (B, C, G)
    fits = (side[:, None] >= ranges[None, :, None, 0]) & (side[:, None] < ranges[None, :, None, 1])
    near = away <= NEAR_STRIDES * strides[None, :, None]
    is_own = fits & near & (kind == FACE)[:, None]
    nearest = torch.where(is_own, away / side[:, None], math.inf)
    least, face = nearest.min(dim=2)
    doubtful = ((away <= side[:, None] / 2) & (kind == IGNORED)[:, None]).any(dim=2)

    scene, cell = torch.nonzero(torch.isfinite(least), as_tuple=True)
    own = faces[scene, face[scene, cell]]  # (P, 5)
    shape = (*least.shape, QUARTERS)
    turns = torch.arange(QUARTERS, device=faces.device) * (2 * math.pi / QUARTERS)
    off = torch.remainder(own[:, 3, None] - turns + math.pi, 2 * math.pi) - math.pi
    row, quarter = torch.nonzero(off.abs() <= NEAR_TURN, as_tuple=True)
    at = scene[row], cell[row], quarter
    found = Frames(
        frames.logits.reshape(shape)[at],
        frames.centres_xy.reshape(*shape, 2)[at],
        frames.sizes.reshape(shape)[at],
        frames.rolls.reshape(shape)[at],
    )
    distance = distances(found, own[row])
    wanted = torch.zeros(shape, device=faces.device)
    wanted[at] = (1 - distance.detach()).clamp(0, 1)
    counted = torch.isfinite(least) | ~doubtful
    logits = frames.logits.reshape(shape)
    doubt = (wanted - logits.sigmoid()).abs().square().detach()
    score = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    n_answers = max(len(row), 1)
    return Losses(
        (score * doubt * counted[..., None]).sum() / n_answers,
        distance.clamp_max(4.0).sum() / n_answers,
    )


def _cells(scene_size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Centres (C, 2), strides (C,) and ranges of sides (C, 2) of all cells, in frames' order."""
    maps = [cells_of(scene_size // s, scene_size // s, s, device) for s in STRIDES]
    cells = torch.cat(maps)
    counts = torch.tensor([len(own) for own in maps], device=device)
    ranges = torch.tensor(SIDES, device=device).repeat_interleave(counts, dim=0)
    return cells[:, :2], cells[:, 2], ranges
