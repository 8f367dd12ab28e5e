"""What training costs on this machine, as ratios side by side in one run.

    python benchmarks/training.py FACES.npz [--width 32] [--batch 64] [--steps 6]

Prints
    memory: the largest resident size of a training at width 64 with all faces of the pack,
    loader: a step with sampling and augmentation over the same step on one fixed batch,
    bf16: images per second over fp32's, and that of a bare torch loop of the same trunk.
"""

import argparse
import dataclasses
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dan.cli.main import run
from dan.datasets.pack import load_pack
from dan.model import DAN, DANConfig
from dan.schemes import LandmarkScheme
from dan.training import Augmentation, Recipe, TrainingLog
from dan.training.augmentation import Augmenter, Batch
from dan.training.devices import build_accelerator
from dan.training.face_tensors import FaceTensors, faces_of_pack, mean_shape_of_pack
from dan.training.loop import train_phase
from dan.training.losses import build_loss
from dan.training.optimiser import build_average, build_optimiser
from dan.training.phases import phases_of, stage_phase
from dan.training.pipeline import load_data
from dan.training.run_folder import PhaseFolder

MEMORY_LIMIT_GIB = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6, help="timed steps of each kind")
    parser.add_argument("--only", choices=("loader", "bf16", "memory", "memory-child"))
    options = parser.parse_args()
    if options.only == "memory-child":
        train_briefly(options.pack, options.batch)
        return
    if options.only in (None, "memory"):  # first: a child's peak counts from its parent's size
        report_memory(options.pack, options.batch)
    pack = load_pack(options.pack)
    print(f"{len(pack.names)} faces, {torch.get_num_threads()} threads, batch {options.batch}")
    if options.only in (None, "loader"):
        mean_shape = mean_shape_of_pack(pack, 112, 80)
        faces = faces_of_pack(pack, mean_shape)
        compare_loader(faces, pack.scheme, options.width, options.batch, options.steps)
    del pack
    if options.only in (None, "bf16"):
        compare_precisions(options.batch, max(2, options.steps // 3))


def build_step(width: int, precision: str) -> Callable[[Batch], None]:
    """A whole training step of stage 1, as the training loop does it."""
    accelerator = build_accelerator("cpu", precision)
    model = DAN(DANConfig(width=width, n_stages=1, heat_map="gaussians"))
    model.in_memory_format(torch.channels_last)
    optimiser = build_optimiser(model, "adamw", 1e-3, 1e-4)
    average = build_average(model, 0.998)
    loss_of = build_loss("wing", LandmarkScheme.plain(68), model.mean_shape)
    network, optimiser = accelerator.prepare(model, optimiser)
    network.train()

    def step(batch: Batch) -> None:
        loss = loss_of(network(batch.crops).points, batch.points, batch.weights).mean()
        optimiser.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if average is not None:
            average.update_parameters(model)

    return step


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare_loader(
    faces: FaceTensors, scheme: LandmarkScheme, width: int, batch: int, steps: int
) -> None:
    """Alternate the two kinds of step, so that what else the machine does hits both."""
    augmenter = Augmenter(faces, 112, scheme, Augmentation())
    recipe = Recipe.from_dict({"training": {"batch_size": batch}})
    phase = stage_phase(1, recipe, len(faces))
    fixed = augmenter.batch(phase.faces_of(0), 1)
    step = build_step(width, "auto")
    step(fixed)
    alone, loaded = [], []
    for number in range(steps):
        alone.append(seconds(lambda: step(fixed)))

        def real(number: int = number) -> None:
            step(augmenter.batch(phase.faces_of(number), number))

        loaded.append(seconds(real))
    ratio = statistics.median(loaded) / statistics.median(alone)
    print(
        f"loader: step with sampling / step on a fixed batch, width {width}: {ratio:.3f} "
        f"(goal <= 1.15; {batch / statistics.median(loaded):.1f} images/s)"
    )


def compare_precisions(batch: int, steps: int) -> None:
    """fp32 against bf16 at width 64, in the loop's step and in a bare loop."""
    generator = np.random.default_rng(0)
    crops = torch.from_numpy(generator.uniform(0, 255, (batch, 1, 112, 112)).astype(np.float32))
    points = torch.from_numpy(generator.uniform(16, 96, (batch, 68, 2)).astype(np.float32))
    sample = Batch(crops, points, torch.ones(batch, 68), torch.ones(batch, 68))
    for name, build in (("training loop", build_step), ("bare loop", build_bare_step)):
        times: dict[str, list[float]] = {"fp32": [], "bf16": []}
        steps_of = {precision: build(64, precision) for precision in times}
        for step in steps_of.values():
            step(sample)
        for _ in range(steps):
            for precision, step in steps_of.items():
                times[precision].append(seconds(lambda step=step: step(sample)))
        fp32, bf16 = (batch / statistics.median(values) for values in times.values())
        print(
            f"bf16 / fp32 at width 64, {name}: {bf16 / fp32:.2f} "
            f"({bf16:.1f} / {fp32:.1f} images/s; goal >= 1.8 where the processor computes bf16)"
        )


def build_bare_step(width: int, precision: str) -> Callable[[Batch], None]:
    """The same network without the training loop."""
    model = DAN(DANConfig(width=width, n_stages=1)).in_memory_format(torch.channels_last).train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            points = model(batch.crops).points
        loss = (points.float() - batch.points).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def report_memory(pack: Path, batch: int) -> None:
    """Train both stages at width 64 for a few steps in a process of its own."""
    command = [sys.executable, __file__, str(pack), "--batch", str(batch), "--only", "memory-child"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    gib = float(done.stdout.split()[-1])
    print(
        f"memory: {gib:.2f} GiB resident at most, width 64, batch {batch}, "
        f"{gib / MEMORY_LIMIT_GIB:.2f} of the {MEMORY_LIMIT_GIB:g} GiB allowed"
    )


def train_briefly(path: Path, batch: int) -> None:
    training = {"epochs": [1, 1], "batch_size": batch}
    recipe = Recipe.from_dict({"model": {"width": 64, "n_stages": 2}, "training": training})
    accelerator = build_accelerator("cpu", "auto")
    data, model = load_data(load_pack(path), recipe, accelerator)
    # Both stages, three steps each, with validation and saving as in a whole epoch.
    with tempfile.TemporaryDirectory() as run:
        for phase in phases_of(recipe, len(data.train)):
            short = dataclasses.replace(phase, n_steps=3)
            folder, log = PhaseFolder(Path(run) / phase.name), TrainingLog()
            train_phase(short, model, data, folder, accelerator=accelerator, log=log)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


if __name__ == "__main__":
    sys.exit(run(main))
