"""A folder of chips: a PNG for each face, and ``chips.json`` with the transforms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dan.core.errors import DegenerateShapeError
from dan.core.files import make_folder, write_text
from dan.core.images import write_png
from dan.core.types import ColourImage
from dan.inference.faces import Face
from dan.points.chips import Template
from dan.video.reader import Frame
from dan.video.tracked_faces import TrackedFaces

TRANSFORMS = "chips.json"


class ChipFolder(AbstractContextManager[object]):
    """Writes chips into a folder that is there.

    A sink of :func:`dan.video.following.follow`, too: there chips are called
    ``NAME_ID_FRAME.png``.

    Args:
        file: the video; None where pictures are added one by one.
        certainty: see :meth:`dan.Face.to_dict`.

    Attributes:
        chips: what ``chips.json`` says of each.
        skipped: the names of faces whose points span no face, and what is wrong.
    """

    def __init__(
        self, path: Path, template: Template, file: str | None = None, *, certainty: bool = False
    ) -> None:
        self.path, self.template = path, template
        self.file, self.certainty = file, certainty
        self.chips: list[dict[str, Any]] = []
        self.skipped: list[tuple[str, str]] = []

    def add(self, name: str, picture: ColourImage, face: Face, facts: Mapping[str, object]) -> None:
        """Cut a face of an (H, W, 3) RGB picture; the facts stand before its transform.

        One whose points span no face is skipped.
        """
        try:
            chip = face.chip(picture, self.template)
        except DegenerateShapeError as error:
            self.skipped.append((name, str(error)))
            return
        target = self.path / f"{name}.png"
        make_folder(target.parent)
        write_png(target, chip.image)
        self.chips.append(
            {"chip": target.relative_to(self.path).as_posix(), **facts}
            | {"chip_from_picture": chip.chip_from_picture.matrix.round(6).tolist()}
            | face.to_dict(certainty=self.certainty)
        )

    def take(self, frame: Frame, faces: TrackedFaces) -> bool:
        """Cut the faces of the next frame of the video."""
        for face in faces:
            name = f"{Path(str(self.file)).stem}_{face.id}_{frame.number}"
            when = {"frame": frame.number, "time_s": round(frame.time_s, 4)}
            self.add(name, frame.rgb, face, {"file": self.file, **when})
        return True

    def finish(self) -> None:
        """Write the transforms."""
        head = {"template": self.template.name, "size": self.template.size}
        lines = ",\n".join(json.dumps(chip) for chip in self.chips)
        text = json.dumps(head)[:-1] + f', "chips": [\n{lines}\n]}}\n'
        write_text(self.path / TRANSFORMS, text)

    def __exit__(self, *_: object) -> None:
        """Nothing has to be closed."""
