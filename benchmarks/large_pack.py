"""What memory a training takes whose pack is larger than memory may be (Linux).

    python benchmarks/large_pack.py FOLDER [--faces 1000000] [--steps 20] [--keep]

Writes FOLDER/large.npz, about 12 kB a face, unless it is there, and trains some steps on it. After
each part it prints the largest memory so far in GiB, looked at twenty times a second: that of the
process itself (RssAnon), that of files which it maps (RssFile: torch's libraries), and their sum.
"""

import argparse
import dataclasses
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import cv2
import numpy as np

from dan.cli.main import run
from dan.datasets.pack import FacePack, load_pack, save_pack
from dan.datasets.stored_pictures import PictureStore
from dan.datasets.synthetic import draw_synthetic_face
from dan.schemes import FACE68
from dan.training import Recipe, TrainingLog
from dan.training.devices import build_accelerator
from dan.training.loop import train_phase
from dan.training.phases import stage_phase
from dan.training.pipeline import load_data
from dan.training.run_folder import PhaseFolder

DRAWN, SIDE, NOISE = 200, 240, 4
"""Different faces; their pictures' side, pixels; noise that makes them as large as photographs."""

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--keep", action="store_true", help="leave the pack where it is")
    options = parser.parse_args()
    path = options.folder / "large.npz"
    if not path.is_file():  # in a process of its own, whose memory does not count
        writer = multiprocessing.get_context("spawn").Process(
            target=write_pack, args=(path, options.faces)
        )
        writer.start()
        writer.join()
    print(f"pack: {path.stat().st_size / 1e9:.2f} GB", flush=True)
    try:
        train_briefly(path, options.width, options.batch, options.steps)
    finally:
        if not options.keep:
            path.unlink()


def write_pack(path: Path, count: int) -> None:
    """So many faces, of which few are drawn; the others are these again."""
    generator = np.random.default_rng(0)
    shapes = []
    with PictureStore(path, 92) as store:
        for _ in range(DRAWN):
            picture, points = draw_synthetic_face(generator, SIDE)
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            noise = generator.integers(-NOISE, NOISE + 1, grey.shape)
            store.append((grey + noise).clip(0, 255).astype(np.uint8))
            shapes.append(points)
        chosen = np.arange(count) % DRAWN
        names = [f"face_{number:07d}" for number in range(count)]
        points = np.stack(shapes).astype(np.float32)[chosen]
        save_pack(path, FacePack.build(names, store.take()[chosen], points, FACE68))


def train_briefly(path: Path, width: int, batch: int, steps: int) -> None:
    training = {"epochs": [1], "batch_size": batch}
    model = {"width": width, "n_stages": 1, "heat_map": "gaussians"}
    data = {"validation_every": 1000}
    recipe = Recipe.from_dict({"model": model, "data": data, "training": training})
    accelerator = build_accelerator("cpu", "auto")
    memory = Memory()
    pack = memory.during("pack read", lambda: load_pack(path))
    faces, network = memory.during("faces", lambda: load_data(pack, recipe, accelerator))
    phase = dataclasses.replace(stage_phase(1, recipe, len(faces.train)), n_steps=steps)
    with TemporaryDirectory() as folder:
        memory.during(
            f"{steps} steps, {len(faces.valid)} faces scored",
            lambda: train_phase(
                phase,
                network,
                faces,
                PhaseFolder(Path(folder) / phase.name),
                accelerator=accelerator,
                log=TrainingLog(),
            ),
        )


class Memory:
    """The largest memory of this process while it works, by kind."""

    def __init__(self) -> None:
        self.largest = {"RssAnon": 0, "RssFile": 0, "VmRSS": 0}

    def during(self, name: str, work: Callable[[], T]) -> T:
        """Do some work, and tell its time and the largest memory so far."""
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,))
        watcher.start()
        start = time.perf_counter()
        try:
            result = work()
        finally:
            done.set()
            watcher.join()
        told = ", ".join(f"{kind} {size / 2**20:.2f}" for kind, size in self.largest.items())
        print(f"{name}: {time.perf_counter() - start:.0f} s; at most {told} GiB", flush=True)
        return result

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(0.05):
            words = Path("/proc/self/status").read_text().split()
            for kind, largest in self.largest.items():
                now = int(words[words.index(f"{kind}:") + 1])  # kB
                self.largest[kind] = max(largest, now)


if __name__ == "__main__":
    sys.exit(run(main))
