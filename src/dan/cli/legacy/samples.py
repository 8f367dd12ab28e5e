"""Sample folders of the old scripts: ready crops with their landmarks, and the set's statistics.

``NAME@UID.png`` (grey, square) and ``NAME@UID.ptv`` for each sample; ``mean_shape.ptv``,
``imgs_mean.ptv`` and ``imgs_std.ptv`` for all of them.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import current_thread, main_thread

import cv2
import numpy as np
import numpy.typing as npt

from dan.core.cores import usable_cores
from dan.core.errors import DanError, DataError
from dan.core.files import building_folder, write_inside
from dan.core.image_files import list_images
from dan.core.images import encode_png, read_grey
from dan.core.types import FilePath, FloatArray, GreyImage, Points
from dan.datasets.formats import load_pts, load_ptv, render_ptv, save_ptv
from dan.geometry import (
    Similarity,
    box_centre,
    box_of_points,
    box_size_wh,
    flip_image,
    flip_points,
    warp_image,
)
from dan.schemes import LandmarkScheme

FACE_SHARE = 0.8
"""Larger side of the landmark box over the sample's side."""

ROTATION_DEG, SCALE_DEVIATION, SHIFT_DEVIATION, FLIP_PROBABILITY = 20.0, 0.05, 0.05, 0.5
"""Of training samples: normal deviations (degrees; of the share; of the side), and a chance."""

LEAST_SHARE = 0.4
"""Half the usual share: N(0.8, 0.05) never gets there, but a scale must not reach zero."""

SAMPLES_AT_ONCE = 16

IMAGES_AT_ONCE = 8
"""That a process takes at a time, at most: few, so that the last ones are shared evenly."""

PARTS_AHEAD = 2
"""That another process holds, so that it has work while this one is busy."""

MEAN_SHAPE, MEAN_IMAGE, STD_IMAGE = "mean_shape.ptv", "imgs_mean.ptv", "imgs_std.ptv"


@dataclass(frozen=True)
class SampleOptions:
    """What samples are made from and how.

    Attributes:
        input_dir: images with a ``.pts`` file beside each.
        output_dir: new or empty folder.
        repeat: samples an image.
        img_size: side of the samples, pixels.
        scheme: with flip partners, training samples are flipped half of the time; it also says
            how many points are expected. None: the first good annotation says.
        workers: processes; None: one a core.
    """

    input_dir: Path
    output_dir: Path
    is_train: bool = False
    repeat: int = 1
    img_size: int = 112
    scheme: LandmarkScheme | None = None
    seed: int = 0
    workers: int | None = None


@dataclass(frozen=True)
class SampleReport:
    """What was written.

    Attributes:
        skipped: ``(file, reason)`` of each image that gave none.
    """

    n_images: int
    n_samples: int
    skipped: tuple[tuple[str, str], ...]


class _Sums:
    """Exact sums over samples: whole numbers, so the order of adding does not matter."""

    POINT_UNIT = 2.0**-30
    """Of the points' sums, pixels: finer than float32 except within 1/128 of zero."""

    def __init__(self, size: int, n_landmarks: int) -> None:
        self.count = 0
        self.levels = np.zeros((size, size))  # float64 is exact up to 2⁵³
        self.squares = np.zeros((size, size))
        self.points = np.zeros((n_landmarks, 2), dtype=np.int64)

    def add_sample(self, image: GreyImage, points: Points) -> None:
        self.count += 1
        cv2.accumulate(image, self.levels)
        cv2.accumulateSquare(image, self.squares)
        self.points += np.rint(points / self.POINT_UNIT).astype(np.int64)

    def add(self, other: _Sums) -> None:
        self.count += other.count
        self.levels += other.levels
        self.squares += other.squares
        self.points += other.points

    def save(self, folder: Path) -> None:
        mean = self.levels / self.count
        variance = np.maximum(self.squares / self.count - np.square(mean), 0.0)
        save_ptv(folder / MEAN_IMAGE, mean)
        save_ptv(folder / STD_IMAGE, np.sqrt(variance))
        save_ptv(folder / MEAN_SHAPE, self.points * self.POINT_UNIT / self.count)


# ------------------------------------------------------------------------------------- writing


def prepare_samples(
    options: SampleOptions, on_image: Callable[[], None] = lambda: None
) -> SampleReport:
    """Make a sample folder; it appears whole or not at all.

    The samples depend on the seed and on each image's name, not on the number of processes.

    Raises:
        DataError: if the input has no images, none of them is good, the output is not empty, or a
            worker process was killed.
    """
    sources, skipped = _pair_up(options)
    workers = options.workers or usable_cores()
    n_images = 0
    with building_folder(options.output_dir) as folder:
        maker = _SampleMaker(options, expected_points(options, sources), folder)
        sums = _Sums(options.img_size, maker.n_landmarks or 0)
        with closing(_made(maker, sources, workers)) as parts:
            for faults, part in parts:
                sums.add(part)
                for path, fault in faults:
                    if fault is None:
                        n_images += 1
                    else:
                        skipped.append((str(path), fault))
                    on_image()
        skipped.sort()
        if not n_images:
            raise DataError(
                f"{options.input_dir}: expected at least one good image, got none; "
                f"{skipped[0][0]}: {skipped[0][1]}"
            )
        sums.save(folder)
        return SampleReport(n_images, sums.count, tuple(skipped))


def _made(
    maker: _SampleMaker, sources: Sequence[Path], workers: int
) -> Generator[tuple[list[tuple[Path, str | None]], _Sums], None, None]:
    """What became of a few images at a time; this process works beside those that it starts."""
    size = max(1, min(IMAGES_AT_ONCE, len(sources) // workers))
    parts = [sources[first : first + size] for first in range(0, len(sources), size)]
    workers = min(workers, len(parts))
    if workers <= 1:
        yield from map(maker, parts)
        return
    context = get_context("spawn")  # a fork would copy locks that other threads hold
    ignore_ctrl_c = signal.SIGINT, signal.SIG_IGN  # Windows has no masks to inherit
    others = set(active_children())
    with ProcessPoolExecutor(
        workers - 1, context, initializer=signal.signal, initargs=ignore_ctrl_c
    ) as pool:
        try:
            left = deque(parts)
            with _ctrl_c_held_back():
                begun = [pool.submit(maker, left.popleft()) for _ in range(workers - 1)]
            while left or begun:
                while left and len(begun) < PARTS_AHEAD * (workers - 1):
                    begun.append(pool.submit(maker, left.popleft()))
                ready = [future for future in begun if future.done()]
                if left and not ready:
                    yield maker(left.popleft())
                else:
                    future = (ready or begun)[0]
                    begun.remove(future)
                    yield future.result()
        except BrokenProcessPool as error:
            raise DataError("a worker process was killed; is there too little memory?") from error
        except BaseException:  # Ctrl-C, or a loop that was left: nobody waits for what they do
            for process in set(active_children()) - others:
                process.terminate()
            raise


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """While processes are started Ctrl-C waits, and they never see it: they inherit the mask."""
    if current_thread() is not main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    pressed: list[bool] = []  # the system may hand it to another thread, which has no mask
    handler = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


def _pair_up(options: SampleOptions) -> tuple[list[Path], list[tuple[str, str]]]:
    """Images to be used, and those that share their name with another one."""
    by_name: dict[str, Path] = {}
    skipped = []
    for path in list_images(options.input_dir):
        first = by_name.setdefault(path.stem, path)
        if first is not path:
            skipped.append((str(path), f"expected one image of this name, found {first.name} too"))
    return list(by_name.values()), skipped


def expected_points(options: SampleOptions, sources: Sequence[Path]) -> int | None:
    """How many points each annotation must have: the scheme's, else the most common number."""
    if options.scheme is not None:
        return options.scheme.n_landmarks
    counts: dict[int, int] = {}
    for path in sources:
        try:
            count = len(load_pts(path.with_suffix(".pts")))
        except DanError:
            continue
        counts[count] = counts.get(count, 0) + 1
    return max(counts, key=lambda count: counts[count], default=None)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


class _SampleMaker:
    """Writes the samples of some images and sums them up; it can be pickled."""

    def __init__(self, options: SampleOptions, n_landmarks: int | None, folder: Path) -> None:
        self.options = options
        self.n_landmarks = n_landmarks
        self.folder = folder

    def __call__(self, image_paths: Sequence[Path]) -> tuple[list[tuple[Path, str | None]], _Sums]:
        """What is wrong with each image, if it is bad, and the sums over all samples."""
        sums = _Sums(self.options.img_size, self.n_landmarks or 0)
        return [(path, self._write_image(path, sums)) for path in image_paths], sums

    def _write_image(self, image_path: Path, sums: _Sums) -> str | None:
        try:
            points = load_pts(image_path.with_suffix(".pts"))
            if len(points) != self.n_landmarks:
                raise DataError(f"expected {self.n_landmarks} points, got {len(points)}")
            n_known = int(np.isfinite(points).all(axis=1).sum())
            if n_known < len(points):
                raise DataError(f"expected all {len(points)} points annotated, got {n_known}")
            box_of_points(points)
            image = read_grey(image_path)
        except DanError as error:
            return str(error).removeprefix(f"{image_path}: ")
        with _one_opencv_thread():
            self._write_samples(image_path.stem, image, points, sums)
        return None

    def _write_samples(self, stem: str, image: GreyImage, points: Points, sums: _Sums) -> None:
        repeat = self.options.repeat
        rng = np.random.default_rng([self.options.seed, *os.fsencode(stem)])
        digits = max(4, len(str(repeat - 1)))
        # One kind of work at a time keeps its code in the processor's caches: 5 % of the time.
        for first in range(0, repeat, SAMPLES_AT_ONCE):
            indices = range(first, min(first + SAMPLES_AT_ONCE, repeat))
            names = [f"{stem}@{index:0{digits}d}" for index in indices]
            made = [make_sample(image, points, self.options, rng) for _ in indices]
            for name, (sample, _) in zip(names, made, strict=True):
                write_inside(self.folder, f"{name}.png", encode_png(sample))
            for name, (_, sample_points) in zip(names, made, strict=True):
                write_inside(self.folder, f"{name}.ptv", render_ptv(sample_points).encode())
            for sample, sample_points in made:
                sums.add_sample(sample, sample_points)


def make_sample(
    image: GreyImage, points: Points, options: SampleOptions, rng: np.random.Generator
) -> tuple[GreyImage, Points]:
    """One sample: (S, S) grey crop and its (N, 2) landmarks, pixels of the crop.

    The box of the landmarks is centred, its larger side 0.8 of the crop's; a training sample is
    also turned, scaled, shifted and flipped at random. Points move by the transform that warps the
    image.
    """
    size = options.img_size
    angle, share, shift, flip = 0.0, FACE_SHARE, np.zeros(2), False
    if options.is_train:
        angle = float(rng.normal(0, ROTATION_DEG))
        share = max(LEAST_SHARE, float(rng.normal(FACE_SHARE, SCALE_DEVIATION)))
        shift = rng.normal(0, SHIFT_DEVIATION * size, 2)
        flip = bool(rng.random() < FLIP_PROBABILITY)
    box = box_of_points(points)
    crop_from_image = Similarity.about(
        box_centre(box),
        scale=share * size / float(box_size_wh(box).max()),
        angle_deg=angle,
        move_to_xy=(size - 1) / 2 + shift,
    )
    crop = warp_image(image, crop_from_image, (size, size))
    crop_points = crop_from_image.apply(points)
    mirror = None if options.scheme is None else options.scheme.mirror
    if flip and mirror is not None:
        return flip_image(crop), flip_points(crop_points, size, mirror)
    return crop, crop_points


# ------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class SampleFolder:
    """A finished sample folder.

    Attributes:
        names: F sample names, sorted.
        mean_shape: (N, 2) float32 mean landmarks, pixels of the samples.
        mean_image: (S, S) float32 mean grey levels.
        std_image: (S, S) float32 deviations of the grey levels.
    """

    path: Path
    names: tuple[str, ...]
    mean_shape: FloatArray
    mean_image: FloatArray
    std_image: FloatArray

    @classmethod
    def open(cls, path: FilePath) -> SampleFolder:
        """Find the samples and read the statistics.

        Raises:
            DataError: if it is no folder that ``preprocessing.py`` finished, or a ``.png`` lacks
                its ``.ptv``.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f"{path}: expected a folder made by preprocessing.py, found none")
        for name in (MEAN_SHAPE, MEAN_IMAGE, STD_IMAGE):
            if not (path / name).is_file():
                raise DataError(
                    f"{path}: expected a folder that preprocessing.py finished, {name} is missing"
                )
        mean_image = load_ptv(path / MEAN_IMAGE, n_columns=None)
        size = len(mean_image)
        if mean_image.shape != (size, size):
            raise DataError(f"{path / MEAN_IMAGE}: expected a square, got {mean_image.shape}")
        names = sorted(file.stem for file in path.glob("*.png"))
        if not names:
            raise DataError(f"{path}: expected samples (NAME@UID.png), found none")
        for name in names:
            if not (path / f"{name}.ptv").is_file():
                raise DataError(
                    f"{path / name}.png: expected its landmarks in {name}.ptv, found none"
                )
        return cls(
            path,
            tuple(names),
            load_ptv(path / MEAN_SHAPE),
            mean_image,
            load_ptv(path / STD_IMAGE, n_rows=size, n_columns=size),
        )

    def load_points(self, n_landmarks: int) -> npt.NDArray[np.float32]:
        """(F, N, 2) landmarks."""
        load_ptv(self.path / MEAN_SHAPE, n_landmarks)  # says at once where -nlm is wrong
        shapes = [load_ptv(self.path / f"{name}.ptv", n_landmarks) for name in self.names]
        return np.stack(shapes).astype(np.float32)

    def load_images(self, workers: int | None = None) -> npt.NDArray[np.uint8]:
        """(F, S, S) grey levels, read by so many threads."""
        size = len(self.mean_image)
        images = np.empty((len(self.names), size, size), dtype=np.uint8)

        def load(place: int) -> None:
            path = self.path / f"{self.names[place]}.png"
            image = read_grey(path)
            if image.shape != (size, size):
                raise DataError(f"{path}: expected {size} x {size} pixels, got {image.shape[::-1]}")
            images[place] = image

        with ThreadPoolExecutor(workers) as threads:
            try:
                for _ in threads.map(load, range(len(images))):
                    pass
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        return images
