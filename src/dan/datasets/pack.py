"""A face pack: annotated faces cut out upright at one size, in one file to train from.

The cut leaves room around the face for rotation, scale and shift, so training needs nothing else.
On disk: an ``.npz`` (no pickle) with the pictures as grey JPEG.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.checks import check_shape
from dan.core.errors import ConfigError, DanError, DataError
from dan.core.files import replacing
from dan.core.images import read_grey
from dan.core.types import FilePath, FloatArray, Points
from dan.datasets.annotated import AnnotatedImage
from dan.geometry import Similarity, box_centre, box_of_points, box_size_wh, warp_image
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.schemes import LandmarkScheme

FORMAT_VERSION = 1


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
    """Faces cut out at one size.

    Attributes:
        names: F unique names, sorted.
        images: (F, S, S) uint8 grey levels.
        points: (F, N, 2) float32 landmarks, pixels of the cut.
    """

    names: tuple[str, ...]
    images: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float32]
    scheme: LandmarkScheme

    def __post_init__(self) -> None:
        count = len(self.names)
        check_shape("images", self.images, (count, "S", "S"))
        check_shape("points", self.points, (count, self.scheme.n_landmarks, 2))
        if not count:
            raise DataError("face pack: expected at least one face, got none")

    def subset(self, indices: Sequence[int]) -> FacePack:
        """The faces at the given places."""
        chosen = list(indices)
        return FacePack(
            tuple(self.names[index] for index in chosen),
            self.images[chosen],
            self.points[chosen],
            self.scheme,
        )

    def split(self, every: int) -> tuple[FacePack, FacePack]:
        """Training and validation faces: every ``every``-th by sorted name is held out.

        Of fewer faces than that, the last one is.

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
        every = min(every, len(self.names))
        held_out = range(every - 1, len(self.names), every)
        kept = [index for index in range(len(self.names)) if index % every != every - 1]
        return self.subset(kept), self.subset(held_out)


def pack_faces(
    images: Sequence[AnnotatedImage],
    scheme: LandmarkScheme,
    options: PackOptions,
    on_face: Callable[[], None] = lambda: None,
) -> tuple[FacePack, list[tuple[str, str]]]:
    """Cut out the faces of annotated images.

    Args:
        scheme: says how many points each annotation must have.

    Returns:
        The pack, and ``(file, reason)`` of each image left out because it or its points are bad.

    Raises:
        DataError: if no image is good, or names repeat.
    """
    if len({image.name for image in images}) != len(images):
        raise DataError("expected unique names, got some twice; pack the folders under one root")
    names, cuts, shapes = [], [], []
    skipped: list[tuple[str, str]] = []
    for image in sorted(images, key=lambda image: image.name):
        try:
            cut, points = _cut_face(image, scheme, options)
        except DanError as error:
            skipped.append((str(image.image_path), str(error)))
        else:
            names.append(image.name)
            cuts.append(cut)
            shapes.append(points)
        on_face()
    if not names:
        raise DataError(f"expected at least one good face, got none; the first: {skipped[0][1]}")
    return FacePack(tuple(names), np.stack(cuts), np.stack(shapes), scheme), skipped


def _cut_face(
    image: AnnotatedImage, scheme: LandmarkScheme, options: PackOptions
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    points = image.load_points()
    if len(points) != scheme.n_landmarks:
        raise DataError(
            f"{image.points_path}: expected {scheme.n_landmarks} points, got {len(points)}"
        )
    box = box_of_points(points)
    cut_from_image = Similarity.about(
        box_centre(box),
        scale=options.face_size / float(box_size_wh(box).max()),
        move_to_xy=[(options.size - 1) / 2] * 2,
    )
    cut = warp_image(read_grey(image.image_path), cut_from_image, (options.size, options.size))
    return cut, cut_from_image.apply(points).astype(np.float32)


def canonical_crops(
    pack: FacePack, mean_shape_crop: Points, crop_size: int, most: int
) -> npt.NDArray[np.uint8]:
    """(K, crop_size, crop_size) crops of evenly chosen faces, as the network is given them.

    Args:
        mean_shape_crop: (N, 2) mean shape, pixels of the crop.
        crop_size: side, pixels.
    """
    count = min(most, len(pack.names))
    places = [index * len(pack.names) // count for index in range(count)]
    return np.stack(
        [
            extract_crop(
                pack.images[place],
                crop_from_box(box_of_points(pack.points[place]), mean_shape_crop),
                crop_size,
            )
            for place in places
        ]
    )


def save_pack(path: FilePath, pack: FacePack, jpeg_quality: int = PackOptions.jpeg_quality) -> None:
    """Write a pack, whole or not at all."""
    pictures = [_encode(image, jpeg_quality) for image in pack.images]
    header = {"format": FORMAT_VERSION, "scheme": pack.scheme.to_dict()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            header=np.array(json.dumps(header)),
            names=np.array(pack.names),
            points=pack.points,
            jpeg_sizes=np.array([len(picture) for picture in pictures], dtype=np.int64),
            jpegs=np.concatenate(pictures),
        )


def _encode(image: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(data, dtype=np.uint8).ravel()


def _decode(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise DataError("a picture in it does not decode")
    return np.asarray(image, dtype=np.uint8)


def load_pack(path: FilePath) -> FacePack:
    """Read a pack.

    Raises:
        DataError: naming the file, if it is missing, damaged or something else.
    """
    try:
        if Path(path).is_file() and not zipfile.is_zipfile(path):  # NumPy would want to unpickle it
            raise DataError("this is another kind of file, or a damaged one")
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            if header["format"] != FORMAT_VERSION:
                raise DataError(f"expected format {FORMAT_VERSION}, got {header['format']}")
            names = tuple(file["names"].tolist())
            points = file["points"]
            pictures = list(_parts(file["jpegs"], file["jpeg_sizes"]))
        scheme = LandmarkScheme.from_dict(header["scheme"])
        with ThreadPoolExecutor() as threads:
            images = list(threads.map(_decode, pictures))
        return FacePack(names, np.stack(images), points, scheme)
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


def _parts(joined: FloatArray, sizes: FloatArray) -> Iterator[FloatArray]:
    ends = np.cumsum(sizes)
    for size, end in zip(sizes, ends, strict=True):
        yield joined[end - size : end]
