"""Runs of ``dan bulk`` on a Ray cluster of two nodes; kills included."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="needs Ray, the extra 'ray'")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, the extra 'parquet'")

from dan.bulk.runs.on_ray import run_on_ray
from dan.bulk.runs.run_folder import RunFolder
from dan.bulk.runs.tasks import list_tasks
from dan.bulk.worker import AlignBatch
from dan.core.errors import DanError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
PART_SIZE = "2"


class TwoNodes:
    """A cluster on this machine: a head without workers, and two nodes of one CPU."""

    def __init__(self):
        os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        from ray.cluster_utils import Cluster

        self.store = {"object_store_memory": 100 << 20}
        head = {"num_cpus": 0, "include_dashboard": False, **self.store}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.add_node() for _ in range(2)]
        self.cluster.wait_for_nodes()
        self.address = self.cluster.address

    def add_node(self):
        for _ in range(4):  # on a busy machine a node may take longer to start than Ray waits
            with contextlib.suppress(Exception):
                return self.cluster.add_node(num_cpus=1, **self.store)
        return self.cluster.add_node(num_cpus=1, **self.store)

    def workers(self):
        """Process -> that of its node."""
        raylets = {node.all_processes["raylet"][0].process.pid for node in self.nodes}
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in raylets and b"TaskActor" in (folder / "cmdline").read_bytes():
                    found[int(folder.name)] = parent
        return found

    def kill_node(self):
        node = self.nodes.pop()
        raylet = node.all_processes["raylet"][0].process.pid
        for pid in [raylet, *(pid for pid, parent in self.workers().items() if parent == raylet)]:
            os.kill(pid, signal.SIGKILL)
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def two_nodes():
    nodes = TwoNodes()
    yield nodes
    nodes.cluster.shutdown()


@pytest.fixture(scope="module")
def many(picture_folder, tmp_path_factory):
    """The pictures several times, under other names."""
    folder = tmp_path_factory.mktemp("many")
    for place, path in enumerate(sorted(picture_folder.rglob("*.jpg")) * 6):
        (folder / f"{place:03d}.jpg").write_bytes(path.read_bytes())
    return folder


@pytest.fixture(scope="module")
def wanted(many, dan, tmp_path_factory):
    """The rows of a run without Ray."""
    out = tmp_path_factory.mktemp("alone") / "out"
    assert dan("bulk", many, "-o", out, "--part-size", PART_SIZE).code == 0
    return rows_in(out)


def rows_in(out):
    parts = sorted((out / "parts").iterdir())
    assert [part.name for part in parts if part.name.startswith(".")] == []
    return [row for part in parts for row in pq.read_table(part).to_pylist()]


def start(many, out, address):
    words = ["bulk", many, "-o", out, "--part-size", PART_SIZE, "--ray", address]
    command = [sys.executable, "-m", "dan.cli.entry", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for_parts(out, count, driver):
    for _ in range(1200):
        if len(list(out.glob("parts/part-*"))) >= count:
            return
        assert driver.poll() is None, driver.stderr.read()
        time.sleep(0.05)
    raise AssertionError("no parts after a minute")


def end(driver):
    _, said = driver.communicate(timeout=120)
    return driver.returncode, said


def test_a_killed_worker_is_replaced(many, wanted, two_nodes, tmp_path):
    driver = start(many, tmp_path / "out", two_nodes.address)
    wait_for_parts(tmp_path / "out", 4, driver)
    for pid in two_nodes.workers():
        os.kill(pid, signal.SIGKILL)
        break
    code, said = end(driver)
    assert (code, "60 pictures, 6 unreadable, 54 faces" in said) == (0, True), said
    assert rows_in(tmp_path / "out") == wanted


def test_a_killed_driver_is_gone_on_from(many, wanted, two_nodes, tmp_path):
    out = tmp_path / "out"
    driver = start(many, out, two_nodes.address)
    wait_for_parts(out, 4, driver)
    driver.kill()
    driver.communicate()
    n_left = len(RunFolder(out).left())
    assert 0 < n_left <= 26
    code, said = end(start(many, out, two_nodes.address))
    assert (code, "parts done before" in said) == (0, True), said
    assert rows_in(out) == wanted


def test_a_killed_node_costs_its_batches_alone(many, wanted, two_nodes, tmp_path):
    driver = start(many, tmp_path / "out", two_nodes.address)
    wait_for_parts(tmp_path / "out", 4, driver)
    two_nodes.kill_node()
    code, said = end(driver)
    assert code == 0, said
    assert rows_in(tmp_path / "out") == wanted


def test_what_fails_in_a_worker_is_told_in_one_line(many, two_nodes, tmp_path, dan):
    folder = RunFolder(tmp_path / "out")
    folder.prepare({}, list_tasks([str(many)], 30))
    worker = AlignBatch(model="nowhere")
    with pytest.raises(DanError, match=r"^nowhere: expected a bundle's path"):
        list(run_on_ray(folder.place.uri, folder.left(), worker, address=two_nodes.address))
    done = dan("bulk", many, "-o", tmp_path / "o2", "--ray", two_nodes.address, "--threads", "64")
    assert done.code == 2
    assert "expected a cluster with 64 CPUs and 0 GPUs for a worker, got one of 1 and 0" in done.err


def test_where_no_cluster_answers_it_is_told_at_once(dan, picture_folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    done = dan("bulk", picture_folder, "-o", tmp_path / "out", "--ray", address)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"dan: --ray: no cluster at {address}: ")
    assert not (tmp_path / "out").exists()
