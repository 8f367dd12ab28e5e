"""Tables of results in the columns that others read: of pictures and of videos."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from dan.bulk.result_folder import error_record, record_of
from dan.bulk.result_format import ResultFormat
from dan.bulk.result_tables import check_formats, write_table
from dan.bulk.sources import Source
from dan.core.errors import ConfigError, DataError
from dan.inference.faces import Faces
from dan.inference.other_columns import Sighting, openface_values, pyfeat_values
from dan.points.pose import HEAD, rotation_of
from dan.schemes import FACE5, FACE68, WFLW98
from dan.video.rows import RowWriter, check_rows_path
from dan.video.tracked_faces import TrackedFaces

SIZE = (640, 480)
POINTS = [f"{axis}_{place}" for axis in "xy" for place in range(68)]
POSE = ["pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"]


def heads(*angles_deg, confidence=0.8125, distance=5):
    """Faces of the mean head in the middle of a 640 x 480 picture, one of each (yaw, pitch, roll).

    Seen from 5 distances of the outer eye corners by a camera of 500 pixels focal length, or, as
    large, from further away.
    """
    jaw = np.stack([np.linspace(-0.8, 0.8, 17), np.full(17, 0.7), np.full(17, 0.3)], axis=1)
    head = np.concatenate([jaw, HEAD])
    placed = [head @ rotation_of(*angles).T + [0, 0, distance] for angles in angles_deg]
    points = [each[:, :2] / each[:, 2:] * 100 * distance + [319.5, 239.5] for each in placed]
    points = np.reshape(points, (-1, 68, 2))
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    count = len(points)
    return Faces(points, boxes, np.full(count, 0.75), np.full(count, confidence), FACE68)


def records(*pictures):
    return [
        record_of(Source(Path(f"in/{n}.png"), Path(f"{n}.png"), str(n)), SIZE, found)
        for n, found in enumerate(pictures)
    ]


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_openface_has_a_table_for_each_picture(tmp_path):
    found = heads((0, 0, 0), (20, 10, -30))
    bad = error_record(Source(Path("in/bad.png"), Path("bad.png"), "bad"), "no picture")
    write_table(ResultFormat.OPENFACE, tmp_path / "o", [*records(found, heads()), bad], FACE68)
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["0.csv", "1.csv"]
    head = (tmp_path / "o/1.csv").read_text()
    assert head == ",".join(["face", "confidence", *POSE, *POINTS]) + "\n"
    first, second = rows_of(tmp_path / "o/0.csv")
    # 88.7 mm from one outer eye corner to the other, five times as far away.
    assert [first[name] for name in ("face", "confidence", *POSE)] == [
        "0", "0.812", "0.0", "0.0", "443.5", "0.000", "0.000", "0.000"
    ]  # fmt: skip
    assert (second["face"], second["x_5"]) == ("1", f"{found.points_xy[1, 5, 0]:.1f}")
    # R = Rx(Rx)·Ry(Ry)·Rz(Rz) in the camera's frame, Rx positive looking down.
    x, y, z = (float(second[name]) for name in POSE[3:])
    turned = rotation_of(0, -np.degrees(x), 0) @ rotation_of(-np.degrees(y), 0, 0)
    assert np.abs(turned @ rotation_of(0, 0, np.degrees(z)) - rotation_of(20, 10, -30)).max() < 2e-3


@pytest.mark.parametrize(
    ("angles", "pitch", "roll", "yaw"),
    [((0, 10, 0), 1, 0, 0), ((0, 0, 10), 0, 1, 0), ((10, 0, 0), 0, 0, -1)],
    ids=["up", "clockwise", "to the picture's right"],
)
def test_pyfeat_has_radians_and_the_signs_of_300w_lp(tmp_path, angles, pitch, roll, yaw):
    write_table(
        ResultFormat.PYFEAT,
        tmp_path / "p.csv",
        records(heads(), heads(angles, distance=1e5)),
        FACE68,
    )
    (row,) = rows_of(tmp_path / "p.csv")
    assert list(row) == [
        "FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore",
        *POINTS, "Pitch", "Roll", "Yaw", "input", "frame",
    ]  # fmt: skip
    told = [float(row[name]) for name in ("Pitch", "Roll", "Yaw")]
    assert told == pytest.approx(np.radians([10 * pitch, 10 * roll, 10 * yaw]), abs=2e-4)
    assert (row["input"], row["frame"], row["FaceScore"]) == ("in/1.png", "1", "0.7500")
    x = [float(row[f"x_{place}"]) for place in range(68)]
    assert float(row["FaceRectX"]) == pytest.approx(min(x), abs=1e-3)
    assert float(row["FaceRectWidth"]) == pytest.approx(max(x) - min(x), abs=2e-3)


def written(path, *frames):
    with RowWriter(path, FACE68) as rows:
        for number, found in frames:
            tracked = TrackedFaces.of(found, np.arange(1, len(found) + 1))
            rows.write(number, number / 25, tracked, SIZE)
    return path


def test_openface_of_a_video(tmp_path):
    sure, unsure = heads((0, 0, 0)), heads((0, 0, 0), (0, 0, 0), confidence=0.4)
    path = written(tmp_path / "a.openface.csv", (0, sure), (1, heads()), (2, unsure))
    keys = ["frame", "face_id", "timestamp", "confidence", "success"]
    rows = rows_of(path)
    assert list(rows[0]) == [*keys, *POSE, *POINTS]
    assert [[row[key] for key in keys] for row in rows] == [
        ["1", "0", "0.000", "0.81", "1"],
        ["3", "0", "0.080", "0.40", "0"],
        ["3", "1", "0.080", "0.40", "0"],
    ]


def test_pyfeat_of_a_video(tmp_path):
    path = written(tmp_path / "a.PyFeat.csv", (0, heads((0, 0, 0))), (2, heads((0, 0, 0))))
    rows = rows_of(path)
    assert [(row["frame"], row["Identity"]) for row in rows] == [
        ("0", "Person_0"),
        ("2", "Person_0"),
    ]
    assert list(rows[0])[-5:] == ["Pitch", "Roll", "Yaw", "frame", "Identity"]


def test_what_is_not_known_is_empty():
    """A model without confidence, and points in one place, which have no pose."""
    known = heads((0, 0, 0)).to_dict()["faces"][0]
    face = {**known, "confidence": None, "points_xy": [[1.0, 2.0]] * 68, "score": 0.2}
    seen = Sighting(1, SIZE, 0, 0.0)
    assert openface_values(face, FACE68, seen)[3:11] == ["0.20", "0", *[""] * 6]
    assert pyfeat_values(face, FACE68, seen)[-5:-2] == ["", "", ""]


def test_other_points_are_converted_or_refused(tmp_path):
    points = np.zeros((1, 98, 2)) + np.arange(98)[:, None]
    other = Faces(points, np.zeros((1, 4)), np.ones(1), np.ones(1), WFLW98)
    record = record_of(Source(Path("a.png"), Path("a.png"), "a"), SIZE, other)
    write_table(ResultFormat.PYFEAT, tmp_path / "p.csv", [record], WFLW98)
    (row,) = rows_of(tmp_path / "p.csv")
    assert (row["x_0"], row["x_16"]) == ("0.000", "32.000")
    with pytest.raises(ConfigError, match="no conversion leads from scheme face5"):
        check_formats([ResultFormat.OPENFACE], FACE5)
    with pytest.raises(ConfigError, match="no conversion leads from scheme face5"):
        check_rows_path(tmp_path / "a.openface.csv", FACE5)
    with (
        RowWriter(tmp_path / "a.openface.csv", FACE68) as rows,
        pytest.raises(ConfigError, match="expected size_wh of the picture"),
    ):
        rows.write(0, 0.0, TrackedFaces.of(heads((0, 0, 0)), [1]))


def test_pandas_reads_what_was_written(tmp_path):
    pandas = pytest.importorskip("pandas")
    found = heads((0, 0, 0), (10, 0, 0))
    table = pandas.read_csv(written(tmp_path / "a.openface.csv", (0, found)))
    points = np.stack([table.filter(regex=f"^{axis}_") for axis in "xy"], axis=2)
    assert np.abs(points - found.points_xy).max() <= 0.051
    assert table["success"].tolist() == [1, 1]
    write_table(ResultFormat.PYFEAT, tmp_path / "p.csv", records(found), FACE68)
    table = pandas.read_csv(tmp_path / "p.csv")
    points = np.stack([table.filter(regex=f"^{axis}_") for axis in "xy"], axis=2)
    assert np.abs(points - found.points_xy).max() < 2e-3
    assert table.notna().all(axis=None)


# ------------------------------------------------------------------------------------- parquet


def test_parquet_of_pictures_is_the_csv_with_types(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    unknown = heads((0, 0, 0), confidence=np.nan)
    of = records(heads((0, 0, 0), (10, 0, 0)), unknown)
    write_table(ResultFormat.PARQUET, tmp_path / "f.parquet", of, FACE68)
    write_table(ResultFormat.CSV, tmp_path / "f.csv", of, FACE68)
    table = parquet.read_table(tmp_path / "f.parquet")
    kinds = [str(kind) for kind in table.schema.types]
    assert kinds == ["string", "int64", *["double"] * (len(kinds) - 2)]
    plain = rows_of(tmp_path / "f.csv")
    assert table.column_names == list(plain[0])
    as_text = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in table.to_pylist()
    ]
    assert as_text == plain
    write_table(ResultFormat.PARQUET, tmp_path / "f.parquet", [], FACE68)
    empty = parquet.read_table(tmp_path / "f.parquet")
    assert (empty.num_rows, empty.schema) == (0, table.schema)


def test_parquet_of_a_video_appears_when_it_is_complete(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    frames = [(number, heads((0, 0, 0))) for number in range(1030)]  # more than go at once
    table = parquet.read_table(written(tmp_path / "a.parquet", *frames))
    assert table["frame"].to_pylist() == list(range(1030))
    assert table["time_s"][1].as_py() == 0.04
    assert table["x0"][0].as_py() == pytest.approx(frames[0][1].points_xy[0, 0, 0], abs=1e-3)

    def write_and_stop():
        with RowWriter(tmp_path / "b.parquet", FACE68) as rows:
            rows.write(0, 0.0, TrackedFaces.of(heads((0, 0, 0)), [1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", full)
    with pytest.raises(DataError, match=r"c\.parquet: cannot be written: No space left"):
        written(tmp_path / "c.parquet", *frames)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_without_pyarrow_one_line_says_how_to_get_it(dan, tmp_path, monkeypatch, portrait_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("dan.core.parquet.find_spec", lambda name: None)
    done = dan("align", portrait_path, "-o", tmp_path / "out", "-f", "parquet", "--threads", "1")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1].endswith(
        "Parquet files need pyarrow: pip install '.[parquet]'"
    )
    assert not (tmp_path / "out").exists()
