"""Folders of results under everything that happens to pictures: never a wrong row, or none, or two.

Each history is a random sequence of additions, removals, renames, links, changes, kills and other
options. A longer search than the suite's: ``DAN_HISTORIES=500 python tasks.py test -k history``.
"""

import json
import os
import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from dan.bulk.result_folder import ResultFolder, error_record, record_of
from dan.bulk.result_format import ResultFormat
from dan.bulk.sources import find_sources
from dan.core.errors import DataError
from dan.datasets.formats import load_coco, load_pts
from dan.inference.faces import Faces
from dan.schemes import FACE5

N_HISTORIES = int(os.environ.get("DAN_HISTORIES", "12"))
OPTIONS = {"model": "toy", "passes": 1}
FORMATS = [ResultFormat.PTS, ResultFormat.CSV, ResultFormat.COCO]
FOLDERS = (".", "trip", "trip/day", "a.pts")
STEMS = ("a", "A", "a_2", "a_2_3", "b", "faces", "a.jpg", "é", "e\u0301")
SUFFIXES = (".jpg", ".png", ".JPG")


class Killed(BaseException):
    """No code may handle it, as none can handle a real kill."""


class Switch:
    """Kills at a chosen change of a file; nothing is written, renamed or removed after it."""

    def __init__(self, monkeypatch):
        self.left = None
        for name in ("replace", "unlink", "open", "mkdir"):
            monkeypatch.setattr(Path, name, self._counted(getattr(Path, name)))

    def _counted(self, change):
        def counted(path, *args, **options):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Killed
            return change(path, *args, **options)

        return counted


class World:
    """Pictures whose content is a number: what is found in them follows from it."""

    def __init__(self, root, seed):
        self.root, self.rng, self.clock = root, random.Random(seed), 0
        self.pictures, self.out = root / "in", root / "out"
        for folder in FOLDERS:
            (self.pictures / folder).mkdir(parents=True, exist_ok=True)
        self.names = {}

    def files(self):
        return sorted(path for path in self.pictures.rglob("*") if not path.is_dir())

    def any_path(self):
        rng = self.rng
        name = f"{rng.choice(STEMS)}{rng.choice(SUFFIXES)}"
        return self.pictures / rng.choice(FOLDERS) / name

    def put(self, path):
        """A picture at another moment than all before; its length is no sign of its content."""
        self.clock += 1
        if os.path.lexists(path):
            path.unlink()
        path.write_text(f"{self.clock:06d}")
        os.utime(path, ns=(10**18, 10**18 + self.clock))

    def change(self):
        files, rng = self.files(), self.rng
        what = rng.choice(("add", "add", "add", "remove", "rename", "link", "hard link", "rewrite"))
        if what == "add" or not files:
            self.put(self.any_path())
        elif what == "remove":
            rng.choice(files).unlink()
        elif what == "rename":
            os.replace(rng.choice(files), self.any_path())  # noqa: PTH105 - another one may be there
        elif what == "rewrite":
            self.put(rng.choice(files))
        else:
            target, path = Path(os.path.realpath(rng.choice(files))), self.any_path()
            if not os.path.lexists(path) and target.is_file():
                path.symlink_to(target) if what == "link" else path.hardlink_to(target)

    def inputs(self):
        """One folder, all of them or some files, and from where the command is started."""
        here = self.rng.choice((self.root, self.pictures, self.pictures / "trip"))
        os.chdir(here)
        files = [path for path in self.files() if path.is_file()]
        kind = self.rng.choice(("all", "folder", "files"))
        if kind == "files" and files:
            given = self.rng.sample(files, self.rng.randint(1, len(files)))
        else:
            given = [self.pictures if kind == "all" else self.pictures / "trip"]
        as_text = os.fspath if self.rng.random() < 0.3 else lambda path: os.path.relpath(path, here)
        return [as_text(path) for path in given]


def content_of(path):
    return int(path.read_text())


def faces_of(content):
    """No to three faces."""
    points = np.arange(content % 4 * 10, dtype=np.float64).reshape(-1, 5, 2) + content
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    return Faces(points, boxes, np.ones(len(points)), np.ones(len(points)), FACE5)


def is_damaged(content):
    return content % 5 == 0


def run(world, sources):
    folder = ResultFolder(world.out, OPTIONS)
    for source in folder.admit(sources):
        content = content_of(source.path)
        if is_damaged(content):
            folder.add(error_record(source, "damaged"), FORMATS)
        else:
            folder.add(record_of(source, (99, 99), faces_of(content)), FORMATS)
    folder.finish(FORMATS, FACE5)


def check(world, sources):
    """Each picture of this run has its one right row, its points and its name of before."""
    home = (world.out / json.loads((world.out / "names.json").read_text())["files_from"]).resolve()
    lines = (world.out / "faces.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    by_file = {os.path.normpath(home / row["file"]): row for row in rows}
    assert len(by_file) == len({row["name"] for row in rows}) == len(rows)
    for source in sources:
        file = os.path.normpath(source.path.absolute())
        row, content = by_file[file], content_of(source.path)
        assert world.names.setdefault(file, row["name"]) == row["name"]
        if is_damaged(content):
            assert row["error"] == "damaged"
        else:
            wanted = faces_of(content).points_xy
            assert np.array_equal([face["points_xy"] for face in row["faces"]], wanted.tolist())
    assert by_file.keys() <= world.names.keys()
    check_points(world, rows)
    images = load_coco(world.out / "coco.json").image_names
    assert list(images) == [row["file"] for row in rows]


def check_points(world, rows):
    written = {path.relative_to(world.out).as_posix()[:-4] for path in world.out.rglob("*.pts")}
    for row in rows:
        for place, face in enumerate(row.get("faces", []), start=1):
            name = f"{row['name']}{'' if place == 1 else f'_{place}'}"
            assert np.array_equal(load_pts(world.out / f"{name}.pts"), face["points_xy"])
            written.remove(name)
    # What is left was cut off by a kill, and its picture was in no run since.
    files = json.loads((world.out / "names.json").read_text())["files"]
    owners = {name if name in files else name.rpartition("_")[0] for name in written}
    assert owners <= files.keys() - {row["name"] for row in rows}


@pytest.mark.parametrize("seed", range(N_HISTORIES))
def test_a_history_leaves_no_wrong_missing_or_doubled_row(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    switch, world = Switch(monkeypatch), World(tmp_path, seed)
    for _ in range(12):
        for _ in range(world.rng.randint(1, 4)):
            world.change()
        try:
            sources = find_sources(world.inputs())
        except DataError:  # no pictures there
            continue
        event = world.rng.random()
        if event < 0.35:
            switch.left = world.rng.randint(0, 12)
            with suppress(Killed):
                run(world, sources)
            switch.left = None
            if world.rng.random() < 0.5 and (world.out / "faces.jsonl").exists():
                with (world.out / "faces.jsonl").open("a") as file:
                    file.write('{"name": "torn')
        elif event < 0.45 and (world.out / "run.json").exists():
            before = sorted((path, path.stat().st_mtime_ns) for path in world.out.rglob("*"))
            with pytest.raises(DataError, match="other options"):
                ResultFolder(world.out, {**OPTIONS, "passes": 2})
            after = sorted((path, path.stat().st_mtime_ns) for path in world.out.rglob("*"))
            assert after == before
        else:
            run(world, sources)
            check(world, sources)


def test_pictures_and_results_may_move_together(tmp_path, monkeypatch):
    world = World(tmp_path / "before", 0)
    world.put(world.pictures / "a.jpg")
    world.put(world.pictures / "trip/a.jpg")
    monkeypatch.chdir(world.root)
    run(world, find_sources(["in"]))
    (tmp_path / "before").rename(tmp_path / "after")
    for here, given in (("after", "in"), ("after/in", str(tmp_path / "after/in"))):
        monkeypatch.chdir(tmp_path / here)
        assert ResultFolder(tmp_path / "after/out", OPTIONS).admit(find_sources([given])) == []
