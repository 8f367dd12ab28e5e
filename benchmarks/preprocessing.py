"""How fast sample folders are made: more workers, and OpenCV alone as the yardstick.

    python benchmarks/preprocessing.py IMAGES [--repeat 10] [--images 870] [--rounds 3]

Prints three ratios, each of rates taken in turns within this one run, the best of the rounds each:

- two workers over one worker (goal: 1.7 or more), worker start-up included;
- OpenCV alone in two processes over one, start-up left out: what this machine gives at best just
  now. Two cores that are two threads of one, or that others use too, give less than 2;
- one worker over OpenCV alone (goal: 0.6 or more), **both on one core**: OpenCV decodes the same
  pictures, warps them by the same transforms and encodes the same number of PNG files. It reads no
  points, writes no landmarks, keeps no statistics and checks nothing.

IMAGES is a folder of pictures with a .pts file beside each, such as 300-W's helen/trainset. Files
are written in memory where the system has a place for that (--work chooses another): on one and the
same disk, making a file took from 0.03 to 0.9 ms, depending on the folder.
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.pool import Pool
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from dan.cli.legacy.samples import FACE_SHARE, SampleOptions, prepare_samples
from dan.cli.main import run
from dan.core.image_files import list_images
from dan.datasets.formats import load_pts
from dan.geometry import Similarity, box_centre, box_of_points, box_size_wh
from dan.schemes import FACE68

SIZE = 112
ROTATION_DEG = 20.0
MEMORY = Path("/dev/shm")  # noqa: S108 - Linux; a temporary folder is made in it

Job = tuple[Path, list[npt.NDArray[np.float64]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path, help="pictures with a .pts file beside each")
    parser.add_argument("--repeat", type=int, default=10, help="samples a picture")
    parser.add_argument("--images", type=int, default=870, help="pictures taken, by name")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    memory = MEMORY if MEMORY.is_dir() else None
    parser.add_argument("--work", type=Path, default=memory, help="where files are written")
    flags = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=flags.work) as work,
        multiprocessing.get_context("spawn").Pool(2) as two,
    ):
        faces = [path for path in list_images(flags.folder) if path.with_suffix(".pts").is_file()]
        measure(faces[: flags.images], Path(work), two, flags.repeat, flags.rounds)


def measure(faces: list[Path], work: Path, two: Pool, repeat: int, rounds: int) -> None:
    inputs = work / "inputs"
    inputs.mkdir()
    for path in faces:
        shutil.copyfile(path, inputs / path.name)
        shutil.copyfile(path.with_suffix(".pts"), inputs / path.with_suffix(".pts").name)
    n_samples = len(faces) * repeat
    options = SampleOptions(inputs, work / "out", True, repeat, SIZE, FACE68)
    jobs = [(inputs / path.name, transforms_of(path, repeat)) for path in faces]

    def ours(workers: int) -> Callable[[], None]:
        def make() -> None:
            report = prepare_samples(replace(options, workers=workers))
            assert report.n_samples == n_samples, report

        return make

    def opencv_twice() -> None:
        halves = [(jobs[start::2], work / "out") for start in (0, 1)]
        two.starmap(opencv_alone, halves, chunksize=1)

    tasks = {
        "OpenCV alone, 1 core": lambda: opencv_alone(jobs, work / "out"),
        "OpenCV alone, 2 cores": opencv_twice,
        "dan, 1 worker": ours(1),
        "dan, 2 workers": ours(2),
    }
    seconds = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name] = min(seconds[name], timed(task))
            assert len(list((work / "out").glob("*.png"))) == n_samples
            shutil.rmtree(work / "out")
    rates = {name: n_samples / elapsed for name, elapsed in seconds.items()}
    print(f"{len(faces)} pictures, {n_samples} samples of {SIZE} x {SIZE}, best of {rounds}")
    for name, rate in rates.items():
        print(f"{name:>22}: {rate:7.0f} samples/s")
    for name, over, goal in (
        ("dan, 2 workers", "dan, 1 worker", "goal 1.70"),
        ("OpenCV alone, 2 cores", "OpenCV alone, 1 core", "what the machine gives"),
        ("dan, 1 worker", "OpenCV alone, 1 core", "goal 0.60"),
    ):
        print(f"{name:>22} / {over:<20}: {rates[name] / rates[over]:5.2f}  ({goal})")


def timed(task: Callable[[], None]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def transforms_of(path: Path, repeat: int) -> list[npt.NDArray[np.float64]]:
    """(2, 3) matrices like those of training samples: the face centred, turned at random."""
    box = box_of_points(load_pts(path.with_suffix(".pts")))
    scale = FACE_SHARE * SIZE / float(box_size_wh(box).max())
    angles = np.random.default_rng(list(path.stem.encode())).normal(0, ROTATION_DEG, repeat)
    return [
        Similarity.about(
            box_centre(box), scale=scale, angle_deg=angle, move_to_xy=[(SIZE - 1) / 2] * 2
        ).matrix
        for angle in angles.tolist()
    ]


def opencv_alone(jobs: list[Job], out: Path) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    out.mkdir(exist_ok=True)
    for path, matrices in jobs:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert image is not None, path
        for index, matrix in enumerate(matrices):
            sample = cv2.warpAffine(image, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
            assert cv2.imwrite(str(out / f"{path.stem}@{index:04d}.png"), sample)
    cv2.setNumThreads(threads)


if __name__ == "__main__":
    sys.exit(run(main))
