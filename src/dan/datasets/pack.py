"""A face pack: annotated faces cut out upright at one size, in one file to train from.

The cut leaves room around the face for rotation, scale and shift, so training needs nothing else.
On disk: an ``.npz`` (no pickle) with the pictures as grey JPEG.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DanError, DataError
from dan.core.files import replacing
from dan.core.images import read_grey
from dan.core.types import FilePath, IntArray, Points
from dan.datasets.annotated import AnnotatedImage
from dan.datasets.formats import UNKNOWN, VISIBLE
from dan.datasets.stored_pictures import (
    PictureStore,
    StoredPictures,
    encode_jpeg,
    join_stored,
)
from dan.geometry import (
    Similarity,
    box_centre,
    box_of_points,
    box_size_wh,
    warp_image,
    with_position,
)
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.schemes import LandmarkScheme

FORMAT_VERSION = 2
"""Of packs that are not plain (:attr:`FacePack.is_plain`); plain ones are still of version 1."""

_NOT_PLAIN = ("visibility", "weights", "sets")
"""What those hold besides."""


@dataclass(frozen=True)
class PackOptions:
    """How faces are cut out.

    Attributes:
        face_size: larger side of the landmark box in the cut, pixels.
        size: side of the cut, pixels.
        jpeg_quality: 1..100.
    """

    face_size: int = 112
    size: int = 240
    jpeg_quality: int = 92

    def __post_init__(self) -> None:
        if not 0 < self.face_size <= self.size:
            raise ConfigError(f"face_size: expected 1..{self.size}, got {self.face_size}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigError(f"jpeg_quality: expected 1..100, got {self.jpeg_quality}")


@dataclass(frozen=True)
class FacePack:
    """Faces cut out at one size; :meth:`build` fills in what is as usual.

    Attributes:
        names: F unique names, sorted within each set.
        images: (F, S, S) uint8 grey levels; of a pack that was read, they stay in its file.
        points: (F, N, 2) float32 landmarks, pixels of the cut; NaN where a point has no position.
        visibility: (F, N) uint8, as in :class:`~dan.datasets.formats.AnnotationSet`.
        weights: (F,) float32, how much a face counts, above 0.
        sets: (F,) int64, which of the sets that the pack is made of a face is from, ascending.

    Raises:
        ShapeError: if shapes disagree.
        DataError: if there is no face, a weight is not above 0, or visibility and points disagree.
    """

    names: tuple[str, ...]
    images: npt.NDArray[np.uint8] | StoredPictures
    points: npt.NDArray[np.float32]
    scheme: LandmarkScheme
    visibility: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32]
    sets: IntArray

    def __post_init__(self) -> None:
        count = len(self.names)
        check_shape("images", self.images, (count, "S", "S"))
        check_shape("points", self.points, (count, self.scheme.n_landmarks, 2))
        check_shape("visibility", self.visibility, self.points.shape[:2])
        check_shape("weights", self.weights, (count,))
        check_shape("sets", self.sets, (count,))
        if not count:
            raise DataError("face pack: expected at least one face, got none")
        if not (np.isfinite(self.weights) & (self.weights > 0)).all():
            raise DataError("face pack: expected weights above 0")
        if ((self.visibility != UNKNOWN) != np.isfinite(self.points).all(axis=2)).any():
            raise DataError("face pack: expected a position where a point is known, and only there")

    @classmethod
    def build(
        cls,
        names: Iterable[str],
        images: npt.NDArray[np.uint8] | StoredPictures,
        points: npt.NDArray[np.float32],
        scheme: LandmarkScheme,
        *,
        visibility: npt.NDArray[np.uint8] | None = None,
    ) -> FacePack:
        """One set of faces that count alike; without ``visibility``, points are seen unless NaN."""
        if visibility is None:
            known = ~np.isnan(points).any(axis=2)
            visibility = np.where(known, np.uint8(VISIBLE), np.uint8(UNKNOWN))
        weights, sets = np.ones(len(points), np.float32), np.zeros(len(points), np.int64)
        return cls(tuple(names), images, points, scheme, visibility, weights, sets)

    @property
    def is_plain(self) -> bool:
        """Whether every point is seen, and all faces count alike and are of one set."""
        alike = (self.visibility == VISIBLE).all() and (self.weights == 1).all()
        return bool(alike and not self.sets.any())

    def subset(self, indices: Iterable[int]) -> FacePack:
        """The faces at the given places."""
        chosen = list(indices)
        per_face = ("images", "points", "visibility", "weights", "sets")
        return replace(
            self,
            names=tuple(self.names[index] for index in chosen),
            **{name: getattr(self, name)[chosen] for name in per_face},
        )

    def split(self, every: int) -> tuple[FacePack, FacePack]:
        """Training and validation faces: every ``every``-th of a set, by sorted name, is held out.

        Where all sets have fewer faces than that, the last face is.

        Raises:
            ConfigError: if ``every`` is below 2.
            DataError: if there is one face only.
        """
        if every < 2:
            raise ConfigError(f"every: expected at least 2, got {every}")
        if len(self.names) < 2:
            raise DataError(
                "face pack: expected at least 2 faces, got 1: one has to be held out "
                "(data.validation_every), to choose the best weights by"
            )
        held_out = np.zeros(len(self.names), dtype=np.bool_)
        for number in np.unique(self.sets):
            held_out[np.flatnonzero(self.sets == number)[every - 1 :: every]] = True
        held_out[-1] |= not held_out.any()
        return self.subset(np.flatnonzero(~held_out)), self.subset(np.flatnonzero(held_out))


def pack_faces(
    images: Sequence[AnnotatedImage],
    scheme: LandmarkScheme,
    options: PackOptions,
    on_face: Callable[[], None] = lambda: None,
    store: PictureStore | None = None,
) -> tuple[FacePack, list[tuple[str, str]]]:
    """Cut out the faces of annotated images.

    Args:
        scheme: says how many points each annotation must have.
        on_face: called after each image.
        store: takes the pictures; None: they are kept in memory.

    Returns:
        The pack, and ``(file, reason)`` of each image left out because it or its points are bad.

    Raises:
        DataError: if no image is good, or names repeat.
    """
    if len({image.name for image in images}) != len(images):
        raise DataError("expected unique names, got some twice; pack the folders under one root")
    names, shapes, visibility = [], [], []
    kept: list[npt.NDArray[np.uint8]] = []
    cuts = kept if store is None else store
    skipped: list[tuple[str, str]] = []
    for image in sorted(images, key=lambda image: image.name):
        try:
            cut, points, seen = _cut_face(image, scheme, options)
        except DanError as error:
            skipped.append((str(image.image_path), str(error)))
        else:
            names.append(image.name)
            cuts.append(cut)
            shapes.append(points)
            visibility.append(seen)
        on_face()
    if not names:
        raise DataError(f"expected at least one good face, got none; the first: {skipped[0][1]}")
    points, seen = np.stack(shapes), np.stack(visibility)
    pictures = np.stack(kept) if store is None else store.take()
    return FacePack.build(names, pictures, points, scheme, visibility=seen), skipped


def _cut_face(
    image: AnnotatedImage, scheme: LandmarkScheme, options: PackOptions
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    points = image.load_points()
    if len(points) != scheme.n_landmarks:
        raise DataError(
            f"{image.points_path}: expected {scheme.n_landmarks} points, got {len(points)}"
        )
    visibility = image.visibility
    if visibility is None:
        visibility = np.where(np.isnan(points[:, 0]), np.uint8(UNKNOWN), np.uint8(VISIBLE))
    box = box_of_points(with_position(points))
    cut_from_image = Similarity.about(
        box_centre(box),
        scale=options.face_size / float(box_size_wh(box).max()),
        move_to_xy=[(options.size - 1) / 2] * 2,
    )
    cut = warp_image(read_grey(image.image_path), cut_from_image, (options.size, options.size))
    return cut, cut_from_image.apply(points).astype(np.float32), visibility


def join_packs(packs: Mapping[str, FacePack], weights: Sequence[float]) -> FacePack:
    """Several packs as the sets of one, in their order.

    Args:
        packs: cut at one size, by the names of the sets, which the names of their faces then begin
            with, unless there is but one set. Pictures of one store stay there.
        weights: how much a face of each set counts.

    Raises:
        DataError: if the sets differ in their schemes, or a weight is not above 0.
    """
    first, *others = packs.values()
    for other in others:
        if other.scheme != first.scheme:
            raise DataError(
                f"expected sets of one scheme, got {first.scheme.name} and {other.scheme.name}; "
                "'dan data convert --to-scheme' changes one"
            )
    names = [
        f"{label}/{name}" if others else name
        for label, pack in packs.items()
        for name in pack.names
    ]
    counts = [len(pack.names) for pack in packs.values()]
    return FacePack(
        tuple(names),
        _join_images([pack.images for pack in packs.values()]),
        np.concatenate([pack.points for pack in packs.values()]),
        first.scheme,
        np.concatenate([pack.visibility for pack in packs.values()]),
        np.repeat(np.array(weights, dtype=np.float32), counts),
        np.repeat(np.arange(len(counts)), counts),
    )


def _join_images(
    parts: Sequence[npt.NDArray[np.uint8] | StoredPictures],
) -> npt.NDArray[np.uint8] | StoredPictures:
    stored = [part for part in parts if isinstance(part, StoredPictures)]
    if len(stored) == len(parts) and len({part.path for part in stored}) == 1:
        return join_stored(stored)
    return np.concatenate([np.asarray(part) for part in parts])


def canonical_crops(
    pack: FacePack, mean_shape_crop: Points, crop_size: int, most: int
) -> npt.NDArray[np.uint8]:
    """(K, crop_size, crop_size) crops of evenly chosen faces, as the network is given them.

    Args:
        mean_shape_crop: (N, 2) mean shape, pixels of the crop.
        crop_size: side, pixels.
    """
    return np.stack(
        [
            extract_crop(
                pack.images[place],
                crop_from_box(box_of_points(with_position(pack.points[place])), mean_shape_crop),
                crop_size,
            )
            for place in evenly(len(pack.names), most).tolist()
        ]
    )


def evenly(count: int, most: int) -> IntArray:
    """(K,) ascending places of at most so many of ``count``, evenly chosen."""
    chosen = min(count, most)
    return np.arange(chosen) * count // chosen


def save_pack(path: FilePath, pack: FacePack, jpeg_quality: int = PackOptions.jpeg_quality) -> None:
    """Write a pack, whole or not at all; pictures that are JPEG already stay as they are."""
    if isinstance(pack.images, StoredPictures):
        sizes, pictures = pack.images.sizes, pack.images.encoded()
    else:
        encoded = [encode_jpeg(image, jpeg_quality) for image in pack.images]
        sizes, pictures = np.array([len(data) for data in encoded], dtype=np.int64), iter(encoded)
    more = {} if pack.is_plain else {name: getattr(pack, name) for name in _NOT_PLAIN}
    header = {"format": FORMAT_VERSION if more else 1, "scheme": pack.scheme.to_dict()}
    arrays = {
        "header": np.array(json.dumps(header)),
        "names": np.array(pack.names),
        "points": pack.points,
        "jpeg_sizes": sizes,
        **more,
    }
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
        with archive.open("jpegs.npy", "w", force_zip64=True) as entry:
            whole = {"descr": "|u1", "fortran_order": False, "shape": (int(sizes.sum()),)}
            np.lib.format.write_array_header_1_0(entry, whole)
            for picture in pictures:
                entry.write(picture)


def load_pack(path: FilePath) -> FacePack:
    """Read a pack, but for its pictures, which are read when they are needed.

    Raises:
        DataError: naming the file, if it is missing, damaged or something else.
    """
    try:
        if Path(path).is_file() and not zipfile.is_zipfile(path):  # NumPy would want to unpickle it
            raise DataError("this is another kind of file, or a damaged one")
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            version = header["format"]
            if version not in (1, FORMAT_VERSION):
                raise DataError(f"expected format 1 or {FORMAT_VERSION}, got {version}")
            more = {name: file[name] for name in _NOT_PLAIN if version > 1}
            names = tuple(file["names"].tolist())
            points = file["points"]
            sizes = file["jpeg_sizes"]
            first, n_bytes = _place_of(file.zip.getinfo("jpegs.npy"), stream)
        ends = np.cumsum(sizes)
        if sizes.min() <= 0 or ends[-1] != n_bytes:
            raise DataError("the pictures in it are not as many bytes as it says")
        images = StoredPictures.find(Path(path), first + ends - sizes, sizes)
        scheme = LandmarkScheme.from_dict(header["scheme"])
        return replace(FacePack.build(names, images, points, scheme), **more)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: expected a face pack made by 'dan prepare', found none"
        ) from error
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        cv2.error,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(f"{path}: expected a face pack made by 'dan prepare': {error}") from error


def _place_of(entry: zipfile.ZipInfo, file: BinaryIO) -> tuple[int, int]:
    """Where the (n,) bytes of an array begin in an archive, and n.

    Raises:
        DataError: if the archive compresses them.
    """
    if entry.compress_type != zipfile.ZIP_STORED:
        raise DataError("expected an archive that does not compress its pictures once more")
    file.seek(entry.header_offset + 26)  # of the file's name and of further fields, which follow
    lengths = struct.unpack("<HH", file.read(4))
    file.seek(entry.header_offset + 30 + sum(lengths))
    np.lib.format.read_magic(file)
    (n_bytes,), _, _ = np.lib.format.read_array_header_1_0(file)
    return file.tell(), n_bytes
