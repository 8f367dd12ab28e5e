"""Figures of a finder on scenes that it never saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from dan.model.finder import FaceFinderNetwork, Frames
from dan.training.finder.batches import channels_first
from dan.training.finder.loss import distances
from dan.training.finder.scenes import FACE, NOTHING

SCORE = 0.5
"""From which an answer counts as a finding."""

FOUND = 0.4
"""Of a face's side: a frame whose centre is so near has found it."""

LEAST_SIDE = 16.0
"""Side of the smallest faces that are counted, pixels."""


@dataclass(frozen=True)
class HeldOutFigures:
    """How well faces are found.

    Attributes:
        n_faces: how many there were.
        recall_percent: share of them that are found.
        distance_percent: median distance of their best frames, percent of the face's side.
        mistaken_percent: share of the scenes with a finding where there is nothing.
    """

    n_faces: int
    recall_percent: float
    distance_percent: float
    mistaken_percent: float

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.n_faces} faces held out, {self.recall_percent:.2f} % found, frames off by "
            f"{self.distance_percent:.1f} %; {self.mistaken_percent:.1f} % of the scenes with a "
            "mistake"
        )


@torch.inference_mode()
def score_scenes(
    network: FaceFinderNetwork, batches: Iterable[tuple[Tensor, Tensor]]
) -> HeldOutFigures:
    """Figures over batches of (B, S, S, 3) pictures and (B, G, 5) faces."""
    device = next(network.parameters()).device
    network.eval()
    found: list[bool] = []
    off: list[float] = []
    mistaken: list[bool] = []
    for pictures, faces in batches:
        frames = network(channels_first(pictures, device))
        for number, rows in enumerate(faces.to(device)):
            own = Frames(*(values[number] for values in frames))
            sure = own.logits.sigmoid() >= SCORE
            some = rows[rows[:, 4] != NOTHING]
            away = (own.centres_xy[sure, None] - some[None, :, :2]).norm(dim=-1) / some[:, 2]
            mistaken.append(
                bool((away > FOUND).all(dim=1).any()) if len(some) else bool(sure.any())
            )
            for place, row in enumerate(some):
                if row[4] != FACE or row[2] < LEAST_SIDE:
                    continue
                at = torch.nonzero(away[:, place] <= FOUND).flatten()
                found.append(bool(len(at)))
                if len(at):
                    places = torch.nonzero(sure).flatten()[at]
                    best = places[own.logits[places].argmax()]
                    frame = Frames(*(values[best] for values in own))
                    off.append(float(distances(frame, row)))
    return HeldOutFigures(
        len(found),
        100 * sum(found) / max(len(found), 1),
        100 * float(torch.tensor(off or [float("nan")]).median()),
        100 * sum(mistaken) / max(len(mistaken), 1),
    )
