"""The 300-W protocol: which folders make which subset, and from which boxes a search starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dan.core.errors import DataError
from dan.datasets.annotated import AnnotatedFaces, LeftOut, find_annotated
from dan.datasets.release_300w import PARTS
from dan.evaluation.predictions import Predictions, predict_annotated
from dan.inference.landmark_model import LandmarkModel

FOLDERS = {part: count for part, (name, count) in PARTS.items() if name != "training"}
"""Test folders of the 300-W release, and how many faces each one has."""

_OF = {
    name: tuple(part for part, (own, _) in PARTS.items() if own == name)
    for name in ("common", "challenging", "private")
}

SUBSETS = {
    "common": _OF["common"],
    "challenging": _OF["challenging"],
    "full": _OF["common"] + _OF["challenging"],
    "private": _OF["private"],
}

BOX_SOURCES = ("gt", "det")
"""Boxes around the true landmarks, and a detector's as published (``*_boxes.json``)."""


@dataclass(frozen=True)
class SubsetPredictions:
    """Predictions of one subset from one source of boxes.

    Attributes:
        subset: its name; with the folders in brackets where some of them are missing.
        box_source: ``gt`` or ``det``.
        predictions: of all its faces that have all their points.
    """

    subset: str
    box_source: str
    predictions: Predictions
    left_out: tuple[LeftOut, ...] = ()


def left_out_of(parts: Sequence[SubsetPredictions]) -> list[LeftOut]:
    """The faces that some subsets leave out, each once."""
    return list(dict.fromkeys(face for part in parts for face in part.left_out))


def predict_protocol(
    root: Path, model: LandmarkModel, on_face: Callable[[], None] = lambda: None
) -> list[SubsetPredictions]:
    """Predict every test folder that is there once from each source of boxes; join the subsets.

    The boxes of ``helen/testset`` are looked for in ``helen_testset_boxes.json`` beside ``helen``.

    Raises:
        DataError: if no test folder is there.
    """
    found: dict[tuple[str, str], Predictions] = {}
    faces = {folder: _find_faces(root, folder) for folder in folders_of(root)}
    for folder, images in faces.items():
        boxes = root / f"{folder.replace('/', '_')}_boxes.json"
        sources = {"gt": None} | ({"det": boxes} if boxes.is_file() else {})
        for source, path in sources.items():
            predictions = predict_annotated(images, model, path, on_face=on_face)
            found[folder, source] = replace(predictions, box_source=source)
    joined = []
    for subset, folders in SUBSETS.items():
        for source in BOX_SOURCES:
            parts = [
                (folder, found[folder, source]) for folder in folders if (folder, source) in found
            ]
            if not parts or _is_repeated(subset, [folder for folder, _ in parts]):
                continue
            missing = len(parts) < len(folders)
            note = f" ({', '.join(folder for folder, _ in parts)} only)" if missing else ""
            together = concatenated([predictions for _, predictions in parts])
            left_out = [face for folder, _ in parts for face in faces[folder].left_out]
            joined.append(SubsetPredictions(subset + note, source, together, tuple(left_out)))
    return joined


def _find_faces(root: Path, folder: str) -> AnnotatedFaces:
    """The faces of a test folder, named from the root."""
    faces = find_annotated(root / folder)
    return AnnotatedFaces(
        tuple(replace(image, name=f"{folder}/{image.name}") for image in faces),
        tuple(replace(face, image=f"{folder}/{face.image}") for face in faces.left_out),
    )


def folders_of(root: Path) -> list[str]:
    """The protocol's test folders below ``root``.

    Raises:
        DataError: if there is none.
    """
    present = [folder for folder in FOLDERS if (root / folder).is_dir()]
    if not present:
        raise DataError(f"{root}: expected 300-W's test folders ({', '.join(FOLDERS)}), found none")
    return present


def count_faces(root: Path) -> int:
    """How many faces :func:`predict_protocol` goes through."""
    total = 0
    for folder in folders_of(root):
        has_boxes = (root / f"{folder.replace('/', '_')}_boxes.json").is_file()
        total += len(find_annotated(root / folder)) * (1 + has_boxes)
    return total


def _is_repeated(subset: str, folders: Sequence[str]) -> bool:
    """Whether the full set would say again what the common or the challenging set said."""
    return subset == "full" and ("ibug" not in folders or len(folders) == 1)


def concatenated(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of several folders, of one model, as one."""

    def together(name: str) -> npt.NDArray[np.float32] | None:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    return Predictions(
        images=[image for part in parts for image in part.images],
        estimates=np.concatenate([part.estimates for part in parts], axis=1),
        truth=np.concatenate([part.truth for part in parts]),
        scheme=parts[0].scheme,
        box_source=parts[0].box_source,
        covariance=together("covariance"),
        visibility=together("visibility"),
    )
