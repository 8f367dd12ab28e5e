"""Sample folders of the old scripts: ready crops with their landmarks, and the set's statistics.

``NAME@UID.png`` (grey, square) and ``NAME@UID.ptv`` for each sample; ``mean_shape.ptv``,
``imgs_mean.ptv`` and ``imgs_std.ptv`` for all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.synchronize import Event
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from dan.errors import DanError, DataError
from dan.files import building_folder
from dan.formats import load_pts, load_ptv, render_ptv, save_ptv
from dan.geometry import (
    Similarity,
    box_centre,
    box_of_points,
    box_size_wh,
    flip_image,
    flip_points,
    warp_image,
)
from dan.images import encode_png, list_images, read_grey
from dan.schemes import LandmarkScheme
from dan.types import FilePath, FloatArray, GreyImage, Points

FACE_SHARE = 0.8
"""Larger side of the landmark box over the sample's side."""

ROTATION_DEG, SCALE_DEVIATION, SHIFT_DEVIATION, FLIP_PROBABILITY = 20.0, 0.05, 0.05, 0.5
"""Of training samples: normal deviations (degrees; of the share; of the side), and a chance."""

LEAST_SHARE = 0.4
"""Half the usual share: N(0.8, 0.05) never gets there, but a scale must not reach zero."""

MEAN_SHAPE, MEAN_IMAGE, STD_IMAGE = "mean_shape.ptv", "imgs_mean.ptv", "imgs_std.ptv"


@dataclass(frozen=True)
class SampleOptions:
    """What samples are made from and how.

    Attributes:
        input_dir: images with a ``.pts`` file beside each.
        output_dir: new or empty folder.
        is_train: whether samples are randomly changed.
        repeat: samples an image.
        img_size: side of the samples, pixels.
        scheme: with flip partners, training samples are flipped half of the time; it also says
            how many points are expected. None: the first good annotation says.
        seed: of the random changes.
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
        n_images: images that gave samples.
        n_samples: samples written.
        skipped: ``(file, reason)`` of each image that gave none.
    """

    n_images: int
    n_samples: int
    skipped: tuple[tuple[str, str], ...]


@dataclass
class _Sums:
    """Exact sums over samples: whole numbers, so the order of adding does not matter."""

    count: int
    levels: npt.NDArray[np.uint64]
    squares: npt.NDArray[np.uint64]
    points: npt.NDArray[np.float64]

    @classmethod
    def of(cls, images: Sequence[GreyImage], shapes: Sequence[Points]) -> _Sums:
        stack = np.stack(images)
        squares = np.square(stack, dtype=np.uint16)  # 255² is less than 2¹⁶
        return cls(
            len(stack),
            stack.sum(axis=0, dtype=np.uint64),
            squares.sum(axis=0, dtype=np.uint64),
            np.sum(np.stack(shapes).astype(np.float64), axis=0),
        )

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
        save_ptv(folder / MEAN_SHAPE, self.points / self.count)


# ------------------------------------------------------------------------------------- writing


def prepare_samples(
    options: SampleOptions, on_image: Callable[[], None] = lambda: None
) -> SampleReport:
    """Make a sample folder; it appears whole or not at all.

    The samples depend on the seed and on each image's name, not on the number of processes.

    Args:
        options: what and how.
        on_image: called after each image.

    Raises:
        DataError: if the input has no images, none of them is good, the output is not empty, or a
            worker process was killed.
    """
    sources, skipped = _pair_up(options)
    sums: _Sums | None = None
    n_images = 0
    with building_folder(options.output_dir) as folder:
        for image_path, outcome in _results(options, sources, folder):
            if isinstance(outcome, _Sums):
                n_images += 1
                if sums is None:
                    sums = outcome
                else:
                    sums.add(outcome)
            else:
                skipped.append((str(image_path), outcome))
            on_image()
        if sums is None:
            raise DataError(
                f"{options.input_dir}: expected at least one good image, got none; "
                f"{skipped[0][0]}: {skipped[0][1]}"
            )
        sums.save(folder)
        return SampleReport(n_images, sums.count, tuple(sorted(skipped)))


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


def _results(
    options: SampleOptions, sources: Sequence[Path], folder: Path
) -> Iterator[tuple[Path, _Sums | str]]:
    """Outcome of each image in order: its sums, or why it was left out."""
    work = partial(_make_samples, options, expected_points(options, sources), folder)
    workers = min(options.workers or usable_cores(), len(sources))
    if workers == 1:
        with _one_opencv_thread():
            yield from ((path, work(path)) for path in sources)
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(stop,)) as pool:

        def submit(path: Path) -> tuple[Path, Future[_Sums | str]]:
            with _interrupt_held_back():  # this may start a worker, which inherits it
                return path, pool.submit(work, path)

        # A few images ahead of the one that is waited for: memory does not grow with the set.
        waiting = iter(sources)
        try:
            pending = [submit(path) for path in islice(waiting, 8 * workers)]
            while pending:
                path, future = pending.pop(0)
                pending += [submit(next_) for next_ in islice(waiting, 1)]
                yield path, future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "a worker process was killed; if memory is short, use fewer workers"
            ) from error
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


class _Worker:
    """State of a worker process; in the main process nothing asks it to stop."""

    stop: Event | None = None

    @classmethod
    def is_stopped(cls) -> bool:
        return cls.stop is not None and cls.stop.is_set()


def _start_worker(stop: Event) -> None:
    """Leave Ctrl-C to the main process, which sets ``stop``, and cores to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.stop = stop
    cv2.setNumThreads(1)


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Ctrl-C takes effect afterwards; processes started meanwhile never see it.

    Without this, workers interrupted while they import would each print a traceback, and a worker
    could be started that the pool has not noted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C goes to the main thread
        return
    caught = []
    # The mask is inherited by workers; the handler is for signals that another thread receives.
    handler = signal.signal(signal.SIGINT, lambda *_: caught.append(True))
    masks = hasattr(signal, "pthread_sigmask")  # not on Windows
    if masks:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, handler)
    if caught:
        signal.raise_signal(signal.SIGINT)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _make_samples(
    options: SampleOptions, n_landmarks: int | None, folder: Path, image_path: Path
) -> _Sums | str:
    """Write all samples of one image; the reason instead if it is bad."""
    try:
        points = load_pts(image_path.with_suffix(".pts"))
        if len(points) != n_landmarks:
            raise DataError(f"expected {n_landmarks} points, got {len(points)}")
        box_of_points(points)
        image = read_grey(image_path)
    except DanError as error:
        return str(error).removeprefix(f"{image_path}: ")
    images, shapes = [], []
    rng = np.random.default_rng([options.seed, *os.fsencode(image_path.stem)])
    digits = max(4, len(str(options.repeat - 1)))
    for index in range(options.repeat):
        if _Worker.is_stopped():
            return "stopped"
        sample, sample_points = make_sample(image, points, options, rng)
        name = f"{image_path.stem}@{index:0{digits}d}"
        # Written plainly: the folder as a whole is what appears at once or not at all.
        (folder / f"{name}.png").write_bytes(encode_png(sample))
        (folder / f"{name}.ptv").write_bytes(render_ptv(sample_points).encode())
        images.append(sample)
        shapes.append(sample_points)
    return _Sums.of(images, shapes)


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
        path: the folder.
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
            FormatError: naming the file that is malformed.
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
        """(F, N, 2) landmarks.

        Raises:
            FormatError: naming the file that is malformed or has another number of points.
        """
        load_ptv(self.path / MEAN_SHAPE, n_landmarks)  # says at once where -nlm is wrong
        shapes = [load_ptv(self.path / f"{name}.ptv", n_landmarks) for name in self.names]
        return np.stack(shapes).astype(np.float32)

    def load_images(self, workers: int | None = None) -> npt.NDArray[np.uint8]:
        """(F, S, S) grey levels, read by so many threads.

        Raises:
            DataError: naming the file whose size differs from the statistics'.
            ImageError: naming the file that is damaged.
        """
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
