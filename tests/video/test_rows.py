import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError
from dan.inference.face_rows import COLUMNS
from dan.inference.faces import Faces
from dan.schemes import FACE68
from dan.video.rows import KEYS, RowWriter
from dan.video.tracked_faces import TrackedFaces


def two_faces():
    points = np.arange(2 * 136, dtype=float).reshape(2, 68, 2) + 0.25
    boxes = [[1, 2, 3, 4], [5, 6, 7, 8.5]]
    found = Faces(points, np.array(boxes), np.array([0.9, 0.8]), np.array([0.7, np.nan]), FACE68)
    return TrackedFaces.of(found, [3, 4])


def test_csv(tmp_path):
    with RowWriter(tmp_path / "a.csv", FACE68) as rows:
        rows.write(0, 0.0, TrackedFaces.empty(FACE68))
        rows.write(7, 0.2333333333, two_faces())
    head, *lines = list(csv.reader((tmp_path / "a.csv").read_text().splitlines()))
    assert len(set(head)) == len(head) == len(KEYS) + len(COLUMNS) + 136
    first, second = (dict(zip(head, line, strict=True)) for line in lines)
    assert ",".join(first[name] for name in (*KEYS, *COLUMNS)) == (
        "7,0.233333,3,0.9,0.7,0.25,1.25,134.25,135.25"
    )
    assert (second["id"], second["confidence"], second["box_y1"]) == ("4", "", "271.25")
    assert (first["x0"], first["y0"], second["y67"]) == ("0.25", "1.25", "271.25")


def test_json_lines(tmp_path):
    with RowWriter(tmp_path / "a.jsonl", FACE68) as rows:
        rows.write(7, 0.5, two_faces())
    first, second = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert list(first) == ["frame", "time_s", "id", "score", "confidence", "box_xyxy", "points_xy"]
    assert (first["frame"], first["time_s"], first["id"]) == (7, 0.5, 3)
    assert np.array(first["points_xy"]).shape == (68, 2)
    assert second["confidence"] is None


def test_certainty_is_written_on_request(tmp_path):
    spread = np.tile(np.array([[4, 1], [1, 9]]), (2, 68, 1, 1))
    found = replace(two_faces(), covariance=spread, visibility=np.full((2, 68), 0.25))
    for name in ("a.csv", "a.jsonl"):
        with RowWriter(tmp_path / name, FACE68, certainty=True) as rows:
            rows.write(7, 0.5, found)
            rows.write(8, 0.5, two_faces()[:1])
    first, _, silent = csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    assert list(first)[-68 * 4 :: 68] == ["xx0", "yy22", "xy45", "visibility0"]
    assert [first[name] for name in ("xx67", "xy67", "yy67", "visibility67")] == [
        "4.0", "1.0", "9.0", "0.25"
    ]  # fmt: skip
    assert (silent["y67"], silent["xx0"], silent["visibility67"]) == ("135.25", "", "")
    first, _, silent = map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines())
    assert list(first)[-3:] == ["points_xy", "covariance", "visibility"]
    assert first["covariance"] == [[4, 1, 9]] * 68
    assert first["visibility"] == [0.25] * 68
    assert (silent["covariance"], silent["visibility"]) == (None, None)


def test_rows_are_on_disk_before_the_end_and_stay_after_an_error(tmp_path):
    path = tmp_path / "a.jsonl"

    def write_and_stop():
        with RowWriter(path, FACE68) as rows:
            rows.write(0, 0.0, two_faces())
            assert path.read_text().count("\n") == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert path.read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("a.txt", ConfigError, "expected a name that ends in one of .*csv, .jsonl"),
        ("none/a.csv", DataError, "expected a file in a folder that exists"),
        ("folder.csv", DataError, "expected a file"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path, name, error, message):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(error, match=message):
        RowWriter(tmp_path / name, FACE68)
