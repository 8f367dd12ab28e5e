"""The release of 300-W on disk: which of its folders are there, and what they lack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dan.core.errors import DataError
from dan.core.image_files import is_image_name

PARTS = {
    "afw": ("training", 337),
    "lfpw/trainset": ("training", 811),
    "helen/trainset": ("training", 2000),
    "lfpw/testset": ("common", 224),
    "helen/testset": ("common", 330),
    "ibug": ("challenging", 135),
    "300W/01_Indoor": ("private", 300),
    "300W/02_Outdoor": ("private", 300),
}
"""Folder of the release -> the set it is part of, and its faces (Sagonas et al. 2013)."""

SETS = {
    name: sum(count for part, count in PARTS.values() if part == name)
    for name in ("training", "common", "challenging", "private")
}
"""Faces of each set."""


@dataclass(frozen=True)
class PartFound:
    """A part of the release, as it was found.

    Attributes:
        part: key of :data:`PARTS`.
        folders: where it lies, below the root; several where it was split up.
        n_faces: images that have a ``.pts`` file, each name once.
        without_points: images that lack one, below the root.
        without_image: ``.pts`` files without image.
    """

    part: str
    folders: tuple[str, ...]
    n_faces: int
    without_points: tuple[str, ...]
    without_image: tuple[str, ...]

    @property
    def n_missing(self) -> int:
        """How many faces of the release are not there."""
        return max(PARTS[self.part][1] - self.n_faces, 0)


def find_release(root: Path) -> list[PartFound]:
    """All parts of the release below a folder, those that are not there included.

    Folders are recognised at any depth and in any case, with additions to their names
    (``trainset_256``) and with the space that some releases have in ``image_092 _01.pts``.

    Raises:
        DataError: if no part of it is there.
    """
    if not root.is_dir():
        raise DataError(f"{root}: expected the folder of 300-W, found none")
    folders: dict[str, list[Path]] = {part: [] for part in PARTS}
    for folder in sorted({path.parent for path in root.rglob("*.pts")}):
        part = _part_of(folder.relative_to(root))
        if part is not None:
            folders[part].append(folder)
    if not any(folders.values()):
        raise DataError(f"{root}: expected folders of 300-W ({', '.join(PARTS)}), found none")
    return [_found(root, part, places) for part, places in folders.items()]


def _part_of(folder: Path) -> str | None:
    names = [name.lower() for name in folder.parts]
    for part in PARTS:
        wanted = part.lower().removeprefix("300w/").split("/")
        ends = names[-len(wanted) :]
        if len(ends) == len(wanted) and all(map(str.startswith, ends, wanted)):
            return part
    return None


def _found(root: Path, part: str, folders: list[Path]) -> PartFound:
    images, points = {}, {}
    for folder in folders:
        for path in sorted(folder.iterdir()):
            key = (folder, path.stem.replace(" ", ""))
            if is_image_name(path):
                images[key] = path
            elif path.suffix.lower() == ".pts":
                points[key] = path
    return PartFound(
        part=part,
        folders=tuple(folder.relative_to(root).as_posix() for folder in folders),
        n_faces=len({stem for _, stem in images.keys() & points.keys()}),
        without_points=_names(root, images, points),
        without_image=_names(root, points, images),
    )


def _names(
    root: Path, have: dict[tuple[Path, str], Path], lack: dict[tuple[Path, str], Path]
) -> tuple[str, ...]:
    keys = sorted(have.keys() - lack.keys())
    return tuple(have[key].relative_to(root).as_posix() for key in keys)
