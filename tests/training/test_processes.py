"""Two processes with a launcher and a disk of their own do what one process does, or end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch")
psutil = pytest.importorskip("psutil")  # Accelerate needs it, too

from dan.core.errors import LostProcessError
from dan.datasets.pack import save_pack
from dan.model import load_model
from dan.training.processes import lost_processes_told
from dan.training.run_folder import read_csv

START = "--module dan.cli.main train faces.npz --recipe recipe.toml --device cpu"
SECONDS = 300


def write_node(folder, pack, recipe):
    """A machine's disk: the pack and the recipe, as TOML, which JSON values are."""
    folder.mkdir()
    save_pack(folder / "faces.npz", pack)
    lines = [
        line
        for name, table in recipe.to_dict().items()
        for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()))
    ]
    (folder / "recipe.toml").write_text("\n".join(line for line in lines if "null" not in line))
    return folder


def start(folder, *words, out="run"):
    command = [sys.executable, *words, "-o", out]
    log = (folder / "log").open("wb")
    with log:
        return subprocess.Popen(
            command, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=log, stderr=log
        )


def start_nodes(*folders):
    """As torchrun starts two machines, which find each other by an address and a port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = f"--nnodes=2 --nproc-per-node=1 --master-addr=127.0.0.1 --master-port={port}"
    return [
        start(
            folder,
            *f"-m torch.distributed.run {where} --node-rank={rank}".split(),
            *START.split(),
        )
        for rank, folder in enumerate(folders)
    ]


def run_nodes(*folders):
    codes = [node.wait(timeout=SECONDS) for node in start_nodes(*folders)]
    assert codes == [0, 0], "\n".join(log_of(folder)[-2000:] for folder in folders)


def log_of(folder) -> str:
    return (folder / "log").read_text()


def lines_of_ours(folder) -> list[str]:
    return [line for line in log_of(folder).splitlines() if line.startswith("dan: ")]


def column(folder, phase, file, name):
    return [float(row[name]) for row in read_csv(folder / "run" / phase / f"{file}.csv")]


@pytest.mark.slow
def test_two_machines_that_share_no_disk_train_as_one(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(
        refinement=3, epochs=[2, 2], joint_epochs=1, joint_rounds=2, refinement_epochs=1
    )
    one, first, second = (
        write_node(tmp_path / name, drawn_pack, recipe) for name in ("one", "first", "second")
    )
    alone = start(one, *START.replace("--module", "-m").split())
    assert alone.wait(timeout=SECONDS) == 0, log_of(one)
    run_nodes(first, second)
    for phase in ("stage1", "stage2", "joint", "joint2", "refinement"):
        for file, name in (("losses", "loss"), ("validation", "error_percent")):
            wanted = column(one, phase, file, name)
            assert wanted
            assert column(first, phase, file, name) == pytest.approx(wanted, rel=1e-4)
    assert load_model(first / "run" / "model.safetensors").model.config.refinement == 3
    assert "model:" in log_of(first)
    assert not (second / "run").exists()
    assert "model:" not in log_of(second)


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_same_command_goes_on(drawn_pack, tmp_path, tiny_recipe):
    recipe = tiny_recipe(epochs=[20, 1], save_seconds=0.0, validate_every=10)
    unbroken, other, first, second = (
        write_node(tmp_path / name, drawn_pack, recipe)
        for name in ("unbroken", "other", "first", "second")
    )
    run_nodes(unbroken, other)
    nodes = start_nodes(first, second)
    deadline = time.monotonic() + SECONDS
    while len(read_csv(first / "run" / "stage1" / "losses.csv")) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(worker_of(nodes[1]), signal.SIGKILL)
    codes = [node.wait(timeout=60) for node in nodes]
    assert 0 not in codes
    (line,) = lines_of_ours(first)
    assert line.startswith("dan: process 0 of 2: lost the connection to the others")
    assert line.endswith("the same command on all machines goes on from run")
    assert lines_of_ours(second) == []
    assert "[rank" not in log_of(first) + log_of(second)  # where torch puts a traceback of ours
    assert len(read_csv(first / "run" / "stage1" / "losses.csv")) < 80
    run_nodes(first, second)
    assert "stage1: goes on from step" in log_of(first)
    for phase in ("stage1", "stage2"):
        wanted = column(unbroken, phase, "losses", "loss")
        assert column(first, phase, "losses", "loss") == wanted
    wanted, found = (
        load_model(node / "run" / "model.safetensors").model.state_dict()
        for node in (unbroken, first)
    )
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


def worker_of(launcher) -> int:
    (worker,) = psutil.Process(launcher.pid).children()
    return worker.pid


@pytest.mark.slow
def test_machines_with_different_packs_are_told_so(drawn_pack, tmp_path, tiny_recipe):
    first = write_node(tmp_path / "first", drawn_pack, tiny_recipe())
    second = write_node(tmp_path / "second", drawn_pack.subset(range(39)), tiny_recipe())
    assert 0 not in [node.wait(timeout=SECONDS) for node in start_nodes(first, second)]
    (line,) = lines_of_ours(second)
    assert line.startswith("dan: pack: expected the same in all processes, got ")
    assert not (first / "run" / "recipe.json").exists()


def test_only_lost_processes_are_told_as_such():
    error = torch.distributed.DistNetworkError("no route to host. And more")
    with (
        pytest.raises(LostProcessError, match=r"\(no route to host\); .* goes on from run"),
        lost_processes_told("run"),
    ):
        raise error
    with pytest.raises(RuntimeError, match="shapes differ"), lost_processes_told("run"):
        raise RuntimeError("shapes differ")
