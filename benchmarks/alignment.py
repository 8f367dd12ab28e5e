"""What finding landmarks costs, as ratios within one run, each beside its goal.

    python benchmarks/alignment.py MODEL FOLDER [--torch MODEL.safetensors] [--limit 150]

MODEL is a bundle or the name of one, FOLDER holds pictures. Times are the best of several rounds in
which the things to be compared take turns, so that other work in the machine hits all of them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from dan.bulk.sources import Source, find_sources
from dan.cli.main import run
from dan.core.images import read_rgb
from dan.geometry.cropping import crop_from_box, extract_crop
from dan.inference.aligner import FaceAligner
from dan.inference.bundle import bundle_path, load_bundle
from dan.inference.onnx_model import OnnxModel

Crops = npt.NDArray[np.uint8]

ROUNDS = 7
DENSE = {"Gemm", "FusedGemm", "MatMul", "FusedMatMul", "DynamicQuantizeMatMul", "QGemm"}
CONVOLUTIONS = {"Conv", "FusedConv", "QLinearConv", "ConvInteger"}
STAGE_CONVOLUTIONS = 8
"""Two in each of the four blocks, whatever the trunk."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="a bundle, or the name of one")
    parser.add_argument("folder", help="pictures")
    parser.add_argument("--torch", type=Path, help="the model that the bundle was made of")
    parser.add_argument("--limit", type=int, default=150, help="pictures of the folder")
    flags = parser.parse_args()
    sources = find_sources([flags.folder])[: flags.limit]
    aligner = FaceAligner(flags.model, threads=1)
    crops = crops_of(aligner, sources, 64)
    connection_share(flags.model, crops)
    if flags.torch is not None:
        against_torch(flags.model, flags.torch, crops)
    whole_path(aligner, read_rgb(sources[0].path))
    two_cores(flags.model, sources)


def say(what: str, figure: str, goal: str) -> None:
    print(f"{what:<58} {figure:>28}   goal {goal}", flush=True)


def best_of(
    runs: Mapping[str, Callable[[], object]],
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Seconds of each, the best of several rounds; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, task in runs.items():
            started = clock()
            task()
            times[name].append(clock() - started)
    return {name: min(seconds[1:]) for name, seconds in times.items()}


def crops_of(aligner: FaceAligner, sources: Sequence[Source], count: int) -> Crops:
    """Real crops; repeated where there are fewer."""
    found = [aligner.search(source.path).batch.crops for source in sources]
    crops = np.concatenate(found)
    return np.resize(crops, (count, *crops.shape[1:]))


# ------------------------------------------------------------------------------- inside the network


def connection_share(model: str, crops: Crops) -> None:
    n_stages = load_bundle(bundle_path(model)).n_stages
    for count in (1, 16, 64):
        events = profile(model, crops[:count])
        total = sum(event["dur"] for event in events)
        between = sum(event["dur"] for event in connection_events(events, n_stages))
        name = f"connection layers, {count} faces: share of the network"
        say(name, f"{100 * between / total:.1f} %", "<= 15 %")


def profile(model: str, crops: Crops, runs: int = 6) -> list[dict[str, Any]]:
    """What each operation took, in the order in which they ran, of all runs but the first."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as scratch:
        options.profile_file_prefix = f"{scratch}/profile"
        graph = load_bundle(bundle_path(model)).graph
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(["points"], {"crops": crops})
        entries = json.loads(Path(session.end_profiling()).read_text())
    events = [entry for entry in entries if str(entry["name"]).endswith("_kernel_time")]
    return events[len(events) // runs :]


def connection_events(events: Sequence[dict[str, Any]], n_stages: int) -> list[dict[str, Any]]:
    """Those between the last dense layer of a stage and the first convolution of the next.

    The dense layers of a stage follow its last convolution; the one that makes the feature image is
    the connection's, as its output has a quarter of the crop's pixels or more.
    """
    kinds = [event["args"]["op_name"] for event in events]
    convolutions = [place for place, kind in enumerate(kinds) if kind in CONVOLUTIONS]
    a_run = len(convolutions) // 5  # five runs were kept
    assert n_stages * STAGE_CONVOLUTIONS <= a_run  # the refinement has some of its own, at the end
    found = []
    for run_start, number in product(range(0, len(convolutions), a_run), range(1, n_stages)):
        last = run_start + number * STAGE_CONVOLUTIONS - 1
        for place in range(convolutions[last] + 1, convolutions[last + 1]):
            of_stage = kinds[place] == "MaxPool" or (
                kinds[place] in DENSE and widest_output(events[place]) < 1000
            )
            if not of_stage:
                found.append(events[place])
    return found


def widest_output(event: Mapping[str, Any]) -> int:
    shapes = [shape for output in event["args"]["output_type_shape"] for shape in output.values()]
    return max((max(shape[1:], default=1) for shape in shapes), default=1)


def against_torch(model: str, checkpoint: Path, crops: Crops) -> None:
    try:
        import torch

        from dan.model import load_model
        from dan.model.exporting.bundling import Cascade
    except ImportError as error:
        print(f"onnxruntime against torch: left out, {error.name} is not installed")
        return
    file = load_model(checkpoint)
    mirrored = load_bundle(bundle_path(model)).card.get("mirrored", False)
    cascade = Cascade(file.model.eval(), file.scheme.mirror if mirrored else None).eval()

    def run_torch(part: Crops, threads: int) -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            cascade(torch.from_numpy(part))

    for threads in (1, 2):
        session = OnnxModel(model, threads=threads)
        for count in (1, 64):
            part = crops[:count]
            took = best_of(
                {
                    "onnxruntime": lambda session=session, part=part: session(part),
                    "torch": lambda part=part, threads=threads: run_torch(part, threads),
                },
                rounds=ROUNDS if count == 1 else 3,
            )
            ours, theirs = (1e3 * took[name] / count for name in ("onnxruntime", "torch"))
            name = f"onnxruntime / torch, {count} faces, {threads} threads"
            say(name, f"{ours:.1f} / {theirs:.1f} ms = {ours / theirs:.2f}", "< 1")


# ------------------------------------------------------------------------------- around the network


def whole_path(aligner: FaceAligner, picture: npt.NDArray[np.uint8]) -> None:
    box = aligner(picture).boxes_xyxy[:1]
    move = crop_from_box(box[0], aligner.model.mean_shape)
    crop = extract_crop(picture, move, aligner.model.crop_size, to_grey=True)[None]
    took = best_of(
        {
            "network": lambda: aligner.model(crop),
            "path": lambda: aligner(picture, boxes=box),
        },
        rounds=100,
        clock=time.process_time,  # one thread: processor time is what counts, and is less disturbed
    )
    path, network = 1e3 * took["path"], 1e3 * took["network"]
    size = f"{picture.shape[1]} x {picture.shape[0]}"
    say(
        f"one detected face of {size}: path / network",
        f"{path:.2f} / {network:.2f} ms = {path / network:.3f}",
        "<= 1.1",
    )


def two_cores(model: str, sources: Sequence[Source], rounds: int = 5) -> None:
    """``dan align`` bound to one core and to two; one picture alone takes what its start takes."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    cores = {"one core": f"{first}", "two cores": f"{first},{second}"}
    pictures = [str(source.path) for source in sources]

    def run_bound(to: str, given: Sequence[str]) -> None:
        command = [sys.executable, "-m", "dan.cli.entry", "align", *given]
        words = ["taskset", "-c", to, *command, "--model", model, "--json"]
        subprocess.run(words, check=True, capture_output=True)

    took = best_of(
        {
            f"{name}, {len(given)}": partial(run_bound, to, given)
            for name, to in cores.items()
            for given in (pictures, pictures[:1])
        },
        rounds,
    )
    one, two = (
        (len(pictures) - 1) / (took[f"{name}, {len(pictures)}"] - took[f"{name}, 1"])
        for name in cores
    )
    say(
        f"a folder of {len(pictures)}: pictures/s with two cores / one",
        f"{two:.1f} / {one:.1f} = {two / one:.2f}",
        ">= 1.8",
    )


if __name__ == "__main__":
    sys.exit(run(main))
