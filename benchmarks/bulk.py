"""dan bulk on a Ray cluster of three nodes: equal to dan align, how fast, how it bears kills.

    python benchmarks/bulk.py equal PICTURES...        rows against those of dan align, bit for bit
    python benchmarks/bulk.py speed PICTURES...        one and two workers, and dan align beside
    python benchmarks/bulk.py kills PICTURES...        kill -9 of workers, nodes and drivers
    python benchmarks/bulk.py growth PICTURES...       of time and memory as pictures go by

PICTURES are folders of pictures; ``-n`` of them are made of these as hard links under other names.
Needs the extra ``ray``, Linux (/proc) and room for the links where ``-o`` is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would lose against dan align

DAN = [sys.executable, "-m", "dan.cli.entry"]
A_FOLDER = 1000


def link_pictures(sources: list[Path], target: Path, count: int) -> Path:
    """A folder of so many pictures, a thousand a folder, as links to those that there are."""
    found = sorted(path for source in sources for path in source.rglob("*.jpg"))
    assert found, f"no .jpg in {sources}"
    random.Random(0).shuffle(found)
    shutil.rmtree(target, ignore_errors=True)
    for number in range(count):
        link = target / f"{number // A_FOLDER:04d}" / f"{number:07d}.jpg"
        if number % A_FOLDER == 0:
            link.parent.mkdir(parents=True)
        source = found[number % len(found)]
        try:
            link.hardlink_to(source)
        except OSError:  # another file system, or too many links
            shutil.copy(source, link)
    return target


class Nodes:
    """A cluster of node processes on this machine; the head has no CPU for workers.

    Args:
        cpus: of each node but the head.
    """

    def __init__(self, *cpus: int) -> None:
        from ray.cluster_utils import Cluster

        store = 200 << 20
        head = {"num_cpus": 0, "object_store_memory": store, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._store = store
        self._n_nodes = len(cpus)
        self.nodes = [self._add(n) for n in cpus]
        self._cluster.wait_for_nodes()
        self.address = self._cluster.address

    def _add(self, n_cpus: int) -> Any:  # noqa: ANN401 - Ray has no type of it
        return self._cluster.add_node(num_cpus=n_cpus, object_store_memory=self._store)

    def workers(self) -> dict[int, int]:
        """Processes that hold workers, and those of their nodes."""
        raylets = {self.raylet(node) for node in self.nodes}
        parents = {
            pid: parent_of(pid)
            for pid in map(
                int, filter(str.isdigit, (each.name for each in Path("/proc").iterdir()))
            )
        }
        return {
            pid: parent
            for pid, parent in parents.items()
            if parent in raylets and b"TaskActor" in command_of(pid)
        }

    @staticmethod
    def raylet(node: Any) -> int:  # noqa: ANN401
        """The process of a node."""
        (raylet,) = node.all_processes["raylet"]
        return int(raylet.process.pid)

    def kill_worker(self) -> bool:
        """Kill one at random, if there is one."""
        found = [*self.workers()]
        return bool(found) and kill(random.choice(found))

    def kill_node(self) -> bool:
        """Kill one at random with all its workers; :meth:`mend` brings another."""
        old = self.nodes.pop(random.randrange(len(self.nodes)))
        raylet = self.raylet(old)
        own = [pid for pid, parent in self.workers().items() if parent == raylet]
        for pid in [raylet, *own]:
            kill(pid)
        self._cluster.remove_node(old, allow_graceful=False)
        return True

    def mend(self) -> None:
        """Start a node in place of each that was killed; a busy machine may need several tries."""
        for left in range(9, -1, -1):
            with contextlib.suppress(*(() if not left else (Exception,))):
                while len(self.nodes) < self._n_nodes:
                    self.nodes.append(self._add(1))
                return
            time.sleep(3)

    def stop(self) -> None:
        """End all."""
        self._cluster.shutdown()


def kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def command_of(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def resident_mib(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def bulk_command(pictures: Path, out: Path, *more: str) -> list[str]:
    return [*DAN, "bulk", str(pictures), "-o", str(out), *more]


def run(command: list[str]) -> float:
    """Seconds of a command, whose last line is shown."""
    started = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    assert done.returncode == 0, done.stderr[-2000:]
    print(f"  {seconds:8.1f} s  {' '.join(command[3:5])} …: {said[-1] if said else ''}", flush=True)
    return seconds


def rows_of(out: Path) -> Iterator[dict[str, Any]]:
    """The rows of a bulk run, part after part."""
    import pyarrow.parquet as pq

    for part in sorted((out / "parts").glob("part-*.parquet")):
        yield from pq.read_table(part).to_pylist()


def records_of(out: Path) -> Iterator[dict[str, Any]]:
    """The same as lines of ``dan align``."""
    from dan.bulk.worker import faces_of
    from dan.schemes import FACE68

    for row in rows_of(out):
        if row["error"] is None:
            yield {
                "file": row["file"],
                "size_wh": row["size_wh"],
                **faces_of(row, FACE68).to_dict(),
            }
        else:
            yield {"file": row["file"], "error": row["error"]}


def equal(args: argparse.Namespace, pictures: Path) -> None:
    """Rows of a cluster of three nodes against the lines of dan align."""
    align_out, bulk_out = fresh(args.out / "align"), fresh(args.out / "bulk")
    run([*DAN, "align", str(pictures.absolute()), "-o", str(align_out)])
    nodes = Nodes(1, 1, 1)
    try:
        run(bulk_command(pictures, bulk_out, "--ray", nodes.address))
    finally:
        nodes.stop()
    lines = map(json.loads, (align_out / "faces.jsonl").read_text().splitlines())
    wanted = {
        line["file"]: {k: v for k, v in line.items() if k not in ("name", "file_stamp")}
        for line in lines
    }
    n_equal = n_rows = 0
    for record in records_of(bulk_out):
        n_rows += 1
        n_equal += wanted.pop(record["file"], None) == record
    print(f"equal: {n_equal} of {n_rows} rows; {len(wanted)} pictures have none")
    assert n_equal == n_rows == args.n


def speed(args: argparse.Namespace, pictures: Path) -> None:
    """One worker, two workers, and as many processes of dan align with a thread each."""
    plain = {}
    for n in (1, 2):
        started, processes = time.perf_counter(), []
        for shard in range(1, n + 1):
            out = fresh(args.out / f"plain-{shard}")
            words = ["align", str(pictures), "-o", str(out), "--threads", "1"]
            words += ["--shard", f"{shard}/{n}"]
            processes.append(subprocess.Popen([*DAN, *words], stderr=subprocess.DEVNULL))
        assert [process.wait() for process in processes] == [0] * n
        plain[n] = time.perf_counter() - started
        print(f"dan align, {n} processes: {plain[n]:.1f} s, {args.n / plain[n]:.1f} pictures/s")
    took = {}
    nodes = Nodes(1, 1)
    try:
        for n in (1, 2):
            out = fresh(args.out / f"workers-{n}")
            more = ("--ray", nodes.address, "--workers", str(n), "--part-size", str(args.part_size))
            took[n] = run(bulk_command(pictures, out, *more))
            print(f"dan bulk, {n} workers: {args.n / took[n]:.1f} pictures/s")
    finally:
        nodes.stop()
    print(f"efficiency of two workers: {took[1] / took[2] / 2:.3f} (wanted: 0.85 or more)")
    for n in (1, 2):
        print(f"overhead against dan align, {n}: {took[n] / plain[n] - 1:+.1%} (wanted: 10 %)")


def kills(args: argparse.Namespace, pictures: Path) -> None:
    """Kills of each kind at random moments; then the same command again, and a count."""
    random.seed(args.seed)
    nodes = Nodes(1, 1, 1)
    try:
        reference = fresh(args.out / "whole")
        more = ("--ray", nodes.address, "--part-size", str(args.part_size))
        seconds = run(bulk_command(pictures, reference, *more))
        wanted = [*rows_of(reference)]
        for kind in args.kinds:
            for turn in range(args.times):
                one_kill(
                    kind, turn, args, pictures=pictures, nodes=nodes, seconds=seconds, wanted=wanted
                )
    finally:
        nodes.stop()


def one_kill(
    kind: str,
    turn: int,
    args: argparse.Namespace,
    *,
    pictures: Path,
    nodes: Nodes,
    seconds: float,
    wanted: list[dict[str, Any]],
) -> None:
    """One run with one kill at a random moment of it."""
    nodes.mend()
    out = fresh(args.out / f"kill-{kind}")
    command = bulk_command(
        pictures, out, "--ray", nodes.address, "--part-size", str(args.part_size)
    )
    log = (args.out / "driver.log").open("w")
    driver = subprocess.Popen(command, stdout=log, stderr=log)
    actions: dict[str, Callable[[], bool]] = {
        "worker": nodes.kill_worker,
        "node": nodes.kill_node,
        "driver": lambda: kill(driver.pid),
    }
    n_parts = -(-len(wanted) // args.part_size)
    moment = random.randint(1, max(1, n_parts - 6)), random.uniform(0, seconds / n_parts)
    while len([*out.glob("parts/part-*")]) < moment[0] and driver.poll() is None:
        time.sleep(0.05)
    time.sleep(moment[1])
    done_before = len([*out.glob("parts/part-*")])
    hit = driver.poll() is None and actions[kind]()
    code = driver.wait(timeout=600)
    if code:
        run(command)
    rows = [*rows_of(out)]
    left = [*out.glob("parts/.*")]
    names = [row["name"] for row in rows]
    fault = "" if rows == wanted and not left and len(set(names)) == len(names) else "  WRONG"
    print(
        f"{kind} {turn + 1}: {'hit' if hit else 'missed'} after {done_before} parts, first command "
        f"ended with {code}, {len(rows)} rows{fault}",
        flush=True,
    )
    assert not fault


def growth(args: argparse.Namespace, pictures: Path) -> None:
    """Time, and memory of the driver and the workers, after every tenfold of a hundred pictures."""
    nodes = Nodes(1, 1)
    out, started = fresh(args.out / "growth"), time.perf_counter()
    try:
        command = bulk_command(pictures, out, "--ray", nodes.address, "--part-size", "100")
        driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        first: dict[str, float] = {}
        for mark in (10**power for power in range(2, len(str(args.n)))):
            n_parts = mark // 100 - mark // 5000  # the last are waited for below
            while len([*out.glob("parts/part-*")]) < n_parts and driver.poll() is None:
                time.sleep(0.1)
            seconds = time.perf_counter() - started
            now = {"driver": resident_mib(driver.pid)}
            now |= {f"worker {pid}": resident_mib(pid) for pid in nodes.workers()}
            shown = ", ".join(f"{name} {mib:.1f} MiB" for name, mib in now.items())
            print(f"{mark:7d} pictures after {seconds:6.1f} s: {shown}", flush=True)
            if mark == args.n // 10:
                first = now
        for name in first.keys() & now.keys():
            print(f"{name}: {now[name] / first[name] - 1:+.1%} since a tenth of the pictures")
        assert driver.wait() == 0
    finally:
        nodes.stop()


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("equal", "speed", "kills", "growth"))
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("-n", type=int, default=2000)
    parser.add_argument("-o", "--out", type=Path, default=Path("bulk-benchmark"))
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--kinds", nargs="+", default=["worker", "node", "driver"])
    parser.add_argument("--part-size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.out = args.out.absolute()
    pictures = link_pictures(args.pictures, args.out / "pictures", args.n)
    {"equal": equal, "speed": speed, "kills": kills, "growth": growth}[args.what](args, pictures)


if __name__ == "__main__":
    main()
