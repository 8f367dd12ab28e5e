"""The folder of results."""

import csv
import io
import json
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from dan.bulk.result_folder import (
    ResultFolder,
    error_record,
    line_of,
    record_of,
)
from dan.bulk.result_format import ResultFormat
from dan.bulk.result_tables import render_coco, render_csv
from dan.bulk.sources import Source
from dan.core.errors import DataError
from dan.datasets.formats import load_pts
from dan.inference.faces import Faces
from dan.schemes import FACE68

OPTIONS = {"model": "toy", "passes": 1}


def faces(count, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform(10, 90, (count, 68, 2))
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    sure = np.where(np.arange(count) % 2, np.nan, 0.75)
    return Faces(points, boxes, np.full(count, 0.9), sure, FACE68)


def source(name="a", suffix=".jpg"):
    return Source(Path(f"in/{name}{suffix}"), Path(f"{name}{suffix}"), name)


def opened(path, *sources, options=OPTIONS):
    """A folder that has taken in some pictures."""
    folder = ResultFolder(path, options)
    folder.admit(sources)
    return folder


NAMES = ("a", "sub/b, c", "bad", "d")


def records():
    return [
        record_of(source("a"), (100, 80), faces(2)),
        record_of(source("sub/b, c"), (50, 60), faces(0)),
        error_record(source("bad"), "expected a picture"),
        record_of(source("d"), (10, 20), faces(1, seed=4)),
    ]


def test_points_of_each_face_are_written(tmp_path):
    folder = opened(tmp_path / "out", source("sub/a"))
    found = faces(3)
    folder.add(record_of(source("sub/a"), (100, 80), found), [ResultFormat.PTS])
    for name, points in zip(("a", "a_2", "a_3"), found.points_xy, strict=True):
        assert np.abs(load_pts(tmp_path / f"out/sub/{name}.pts") - points).max() < 2e-3
    assert sorted(path.name for path in (tmp_path / "out/sub").iterdir()) == [
        "a.pts", "a_2.pts", "a_3.pts"
    ]  # fmt: skip


def test_lines_are_json(tmp_path):
    folder = opened(tmp_path, *map(source, NAMES))
    for record in records():
        folder.add(record, [])
    lines = [json.loads(line) for line in (tmp_path / "faces.jsonl").read_text().splitlines()]
    assert [line.pop("file_stamp") for line in lines] == [[0, 0]] * 4  # there are no such files
    assert lines == records()
    assert lines[0]["size_wh"] == [100, 80]
    assert lines[1]["faces"] == []
    assert lines[2] == {"file": "in/bad.jpg", "name": "bad", "error": "expected a picture"}


def test_csv():
    rows = list(csv.DictReader(io.StringIO(render_csv(records(), FACE68))))
    assert [(row["file"], row["face"]) for row in rows] == [
        ("in/a.jpg", "1"), ("in/a.jpg", "2"), ("in/d.jpg", "1")
    ]  # fmt: skip
    assert [row["confidence"] for row in rows] == ["0.75", "", "0.75"]
    box = [float(rows[0][f"box_{name}"]) for name in ("x0", "y0", "x1", "y1")]
    assert np.allclose(box, faces(2).boxes_xyxy[0], atol=1e-3)
    points = [[float(rows[0][f"{axis}{index}"]) for axis in "xy"] for index in range(68)]
    assert np.allclose(points, faces(2).points_xy[0], atol=1e-3)


def test_coco_is_consistent():
    values = json.loads(render_coco(records(), FACE68))
    assert values["info"]  # pycocotools 2.0.10 wants it
    ids = [image["id"] for image in values["images"]]
    assert len(set(ids)) == len(ids) == 4
    assert values["images"][0] == {"id": 1, "file_name": "in/a.jpg", "width": 100, "height": 80}
    (category,) = values["categories"]
    assert len(category["keypoints"]) == 68
    assert all(1 <= end <= 68 for edge in category["skeleton"] for end in edge)
    assert [entry["id"] for entry in values["annotations"]] == [1, 2, 3]
    assert [entry["image_id"] for entry in values["annotations"]] == [1, 1, 4]
    for entry in values["annotations"]:
        flat = np.array(entry["keypoints"]).reshape(68, 3)
        assert (flat[:, 2] == 2).all()
        x, y, width, height = entry["bbox"]
        assert np.allclose([x, y], flat[:, :2].min(axis=0), atol=2e-3)
        assert np.allclose([x + width, y + height], flat[:, :2].max(axis=0), atol=2e-3)
        assert entry["area"] == pytest.approx(width * height, rel=1e-3)
        assert entry["category_id"] == category["id"]
        assert entry["num_keypoints"] == 68
    assert [entry["score"] for entry in values["annotations"]] == [0.75, 0.9, 0.75]


def telling(count=1):
    """Faces of a model that tells the certainty of points: every second is likely not seen."""
    known = faces(count)
    spread = np.tile(np.array([[4, 1], [1, 9]]), (count, 68, 1, 1))
    seen = np.tile([0.5, 0.4999], (count, 34))
    return replace(known, covariance=spread, visibility=seen)


def test_certainty_follows_the_other_columns():
    record = record_of(source("a"), (100, 80), telling(), certainty=True)
    silent = record_of(source("b"), (100, 80), faces(1), certainty=True)
    head, first, second = csv.reader(
        io.StringIO(render_csv([record, silent], FACE68, certainty=True))
    )
    before, plain = list(csv.reader(io.StringIO(render_csv(records()[:1], FACE68))))[:2]
    assert head[: len(before)] == before
    assert first[: len(before)] == plain
    new = head[len(before) :]
    assert new[:4] == ["xx0", "xy0", "yy0", "xx1"]
    assert new[-69:] == ["yy67", *(f"visibility{place}" for place in range(68))]
    assert first[len(before) :] == ["4.0", "1.0", "9.0"] * 68 + ["0.5", "0.4999"] * 34
    assert second[len(before) :] == [""] * 4 * 68


def test_coco_calls_hidden_what_is_likely_not_seen():
    of = [record_of(source("a"), (9, 9), telling(), certainty=asked) for asked in (True, False)]
    (told,), (untold,) = (json.loads(render_coco([one], FACE68))["annotations"] for one in of)
    assert told["keypoints"][2::3] == [2, 1] * 34
    assert untold["keypoints"][2::3] == [2] * 68
    assert told["num_keypoints"] == 68


def test_tables_of_a_folder_with_certainty_tell_it(tmp_path):
    folder = opened(tmp_path / "out", source("a"), options={**OPTIONS, "certainty": True})
    folder.add(record_of(source("a"), (9, 9), telling(), certainty=True), [])
    folder.finish([ResultFormat.CSV], FACE68)
    head, row = (tmp_path / "out/faces.csv").read_text().splitlines()
    assert head.endswith(",visibility67")
    assert row.endswith(",0.4999")
    with pytest.raises(DataError, match=r"other options \(certainty: true, now null\)"):
        ResultFolder(tmp_path / "out", OPTIONS)


def test_coco_is_read_by_its_own_tools(tmp_path):
    tools = pytest.importorskip("pycocotools.coco")
    (tmp_path / "coco.json").write_text(render_coco(records(), FACE68))
    coco = tools.COCO(str(tmp_path / "coco.json"))
    coco.info()
    assert len(coco.getAnnIds(imgIds=[1])) == 2


# ---------------------------------------------------------------------------------------- going on


def test_it_goes_on_where_a_run_was_cut_off(tmp_path):
    out = tmp_path / "out"
    sources = list(map(source, NAMES))
    first = ResultFolder(out, OPTIONS)
    assert first.admit(sources) == sources
    for record in records()[:3]:
        first.add(record, [ResultFormat.PTS])
    with (out / "faces.jsonl").open("a") as file:
        file.write(line_of(records()[3])[:50])  # torn
    (out / ".d.pts.0123abcd.part").write_text("half")
    again = ResultFolder(out, OPTIONS)
    assert not list(out.glob(".*.part"))
    assert [one.name for one in again.admit(sources)] == ["bad", "d"]  # the bad one is tried again
    again.add(records()[3], [ResultFormat.PTS])
    lines = [json.loads(line) for line in (out / "faces.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["a", "sub/b, c", "d"]


def test_tables_of_an_earlier_run_take_in_what_came_later(tmp_path):
    first = opened(tmp_path / "out", source("a"))
    first.add(records()[0], [])
    tables = [ResultFormat.CSV, ResultFormat.COCO]
    first.finish(tables, FACE68)
    again = opened(tmp_path / "out", source("d"))
    again.add(records()[3], [])
    names = [path.name for path in again.finish([], FACE68)]
    assert names == ["faces.jsonl", "faces.csv", "coco.json"]
    assert "in/d.jpg" in (tmp_path / "out/faces.csv").read_text()
    assert "in/d.jpg" in (tmp_path / "out/coco.json").read_text()
    only = opened(tmp_path / "other")
    assert [path.name for path in only.finish(tables[:1], FACE68)] == ["faces.jsonl", "faces.csv"]


def test_a_picture_that_changed_loses_its_table(tmp_path):
    folder = opened(tmp_path / "out", source("sub/a"), source("b"))
    for name in ("sub/a", "b"):
        folder.add(record_of(source(name), (9, 9), faces(1)), [])
    assert folder.finish([ResultFormat.OPENFACE], FACE68)[1:] == [tmp_path / "out/openface"]
    assert (tmp_path / "out/openface/sub/a.csv").is_file()
    folder._done.clear()  # as if both had changed
    folder.admit([source("sub/a")])
    folder.add(error_record(source("sub/a"), "expected a picture"), [])
    folder.finish([], FACE68)
    left = [path.name for path in (tmp_path / "out/openface").rglob("*.csv")]
    assert left == ["b.csv"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"passes": 2}, "passes: 1, now 2"),
        ({"model": "mine", "passes": 2}, 'model: "toy", now "mine"'),
        ({"boxes": "b.json"}, 'boxes: null, now "b.json"'),
    ],
    ids=str,
)
def test_other_options_are_refused_and_named(tmp_path, other, told):
    ResultFolder(tmp_path / "out", OPTIONS)
    with pytest.raises(DataError) as caught:
        ResultFolder(tmp_path / "out", {**OPTIONS, **other})
    assert f"out: holds results of other options ({told}); choose another" in str(caught.value)


def test_folders_of_earlier_versions_are_refused(tmp_path):
    ResultFolder(tmp_path, OPTIONS)
    (tmp_path / "faces.jsonl").write_text('{"name": "a", "file": "a.jpg", "faces": []}\n')
    with pytest.raises(DataError, match=r"expected names\.json beside faces\.jsonl"):
        ResultFolder(tmp_path, OPTIONS)


def test_what_is_there_is_never_written_over(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match="expected a new or empty folder"):
        ResultFolder(tmp_path, OPTIONS)
    with pytest.raises(DataError, match="expected a new or empty folder"):
        ResultFolder(tmp_path / "photo.jpg", OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_run_killed_at_its_very_start_leaves_a_free_folder(tmp_path):
    (tmp_path / ".run.json.0123abcd.part").write_text("{")
    assert opened(tmp_path, source("a")).path == tmp_path


@pytest.mark.parametrize(
    "line", ["{", "[]", "7", '{"name": "a"}', "[" * 100_000], ids=lambda t: t[:9]
)
def test_damaged_lines_are_named(tmp_path, line):
    opened(tmp_path, source()).add(record_of(source(), (5, 5), faces(0)), [])
    with (tmp_path / "faces.jsonl").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DataError, match=r"faces.jsonl: line 2: expected the result of a picture"):
        ResultFolder(tmp_path, OPTIONS)


@pytest.mark.parametrize(
    "name", ["größe 人脸", "a\u2028b", "a\x85b", os.fsdecode(b"caf\xe9"), "new\nline", 'quo"te']
)
def test_odd_names_survive(tmp_path, name):
    folder = opened(tmp_path / "out", source(name))
    folder.add(record_of(source(name), (5, 5), faces(1)), [])
    assert ResultFolder(tmp_path / "out", OPTIONS).admit([source(name)]) == []
    has_pyarrow = find_spec("pyarrow") is not None
    folder.finish([kind for kind in ResultFormat if kind != "parquet" or has_pyarrow], FACE68)
    assert (tmp_path / f"out/openface/{name}.csv").is_file()
    coco = json.loads((tmp_path / "out/coco.json").read_text(encoding="utf-8"))
    assert coco["images"][0]["file_name"] == f"in/{name}.jpg"
    rows = list(csv.reader(io.StringIO((tmp_path / "out/faces.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 2


def test_a_file_name_as_long_as_it_may_be(tmp_path):
    name = "n" * 251
    folder = opened(tmp_path, source(name))
    folder.add(record_of(source(name), (5, 5), faces(1)), [ResultFormat.PTS])
    assert (tmp_path / f"{name}.pts").is_file()
