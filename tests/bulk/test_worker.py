"""The worker of engines: columns in, a row a picture out."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dan.bulk.worker import COLUMNS, AlignBatch, faces_of
from dan.core.errors import BundleError, ConfigError
from dan.core.images import read_rgb
from dan.inference.aligner import FaceAligner
from dan.schemes import FACE68


@pytest.fixture(scope="module")
def pictures(portrait_path):
    """PNG files of the portrait at several angles; the second has no face, the fourth is torn."""
    portrait = Image.fromarray(read_rgb(portrait_path))
    turned = [portrait.rotate(12 * n) for n in range(5)]
    turned[1] = Image.new("RGB", (50, 40))
    files = []
    for picture in turned:
        file = io.BytesIO()
        picture.save(file, "png", compress_level=1)
        files.append(file.getvalue())
    files[3] = files[3][:5000]
    return files


def test_rows_are_what_the_aligner_finds_and_errors_are_a_column(pictures, tmp_path):
    rows = AlignBatch(certainty=True)({"id": [7, 8, 9, 10, 11], "bytes": pictures})
    assert list(rows) == ["id", *COLUMNS]
    assert rows["id"] == [7, 8, 9, 10, 11]
    assert [error is None for error in rows["error"]] == [True, True, True, False, True]
    aligner = FaceAligner(threads=1)
    for place, data in enumerate(pictures):
        row = {name: rows[name][place] for name in COLUMNS}
        if place == 3:
            assert set(map(type, row.values())) == {str, type(None)}
            continue
        (path := tmp_path / f"{place}.png").write_bytes(data)
        faces = aligner(path)
        assert row["size_wh"] == list(read_rgb(path).shape[1::-1])
        assert len(row["score"]) == len(faces) == (place != 1)
        again = faces_of(row, FACE68)
        assert again.points_xy.tobytes() == faces.points_xy.tobytes()
        assert again.to_dict(certainty=True) == faces.to_dict(certainty=True)
        assert row["box_xyxy"] == [face.box_xyxy.tolist() for face in faces]
        angles = [list(pose.yaw_pitch_roll_deg) for pose in faces.poses()]
        assert row["yaw_pitch_roll_deg"] == angles


def test_paths_go_as_well_as_bytes_and_name_what_is_wrong(portrait_path):
    rows = AlignBatch()({"path": [str(portrait_path), "nowhere.jpg", None]})
    assert rows["path"] == [str(portrait_path), "nowhere.jpg", None]
    assert rows["error"] == [None, "No such file or directory", "expected a path, got none"]
    named = AlignBatch()({"name": ["one", "two"], "bytes": [b"no picture", None]})
    assert "bytes" not in named
    assert named["error"][0].startswith("expected a picture of 8 or 16 bits")
    assert named["error"][1] == "expected the bytes of a picture, got NoneType"


@pytest.mark.parametrize("form", [list, np.array, tuple])
def test_columns_of_any_engine(portrait_path, form):
    data = np.array([portrait_path.read_bytes()] * 2, dtype=object)
    rows = AlignBatch()({"bytes": form(data) if form is not np.array else data})
    assert [len(scores) for scores in rows["score"]] == [1, 1]


def test_columns_of_arrow(portrait_path):
    pa = pytest.importorskip("pyarrow")
    column = pa.array([portrait_path.read_bytes()], pa.binary())
    assert [len(scores) for scores in AlignBatch()({"bytes": column})["score"]] == [1]


def test_it_is_settings_alone_until_it_is_called(portrait_path):
    worker = AlignBatch(max_faces=1, threads=2)
    data = pickle.dumps(worker)
    assert len(data) < 1000
    assert pickle.loads(data) == worker
    worker({"path": [str(portrait_path)]})
    assert pickle.dumps(worker) == data


def test_copies_share_one_network(portrait_path):
    first, second = AlignBatch(), pickle.loads(pickle.dumps(AlignBatch()))
    assert first.aligner is second.aligner


def test_the_faces_of_several_pictures_go_through_together(portrait_path):
    means = []
    for pool_faces in (1, 16, 48):
        worker = AlignBatch(pool_faces=pool_faces)
        before = worker.network.counts()
        worker({"path": [str(portrait_path)] * 32})
        means.append((worker.network.counts() - before).mean_batch)
    of_one = means[0]
    assert of_one < 6
    assert means[1] > 5 * of_one
    assert means[2] > 12 * of_one


@pytest.mark.parametrize("threads", [1, 3])
def test_neither_pools_nor_threads_change_a_row(pictures, threads):
    given = {"bytes": pictures * 4}
    wanted = AlignBatch(pool_faces=1)(given)
    assert AlignBatch(pool_faces=64, threads=threads)(given) == wanted


def test_a_batch_without_pictures_is_refused(portrait_path):
    with pytest.raises(ConfigError, match="expected a column bytes or path, got image"):
        AlignBatch()({"image": [b""]})
    with pytest.raises(BundleError, match="nowhere"):
        AlignBatch(model="nowhere")({"path": [str(portrait_path)]})


def test_no_rows_give_no_rows():
    assert AlignBatch()({"bytes": []}) == {name: [] for name in COLUMNS}


def test_no_engine_and_no_torch_is_imported():
    code = (
        "import sys, dan.bulk.worker, dan.bulk.runs.on_ray, dan.bulk.runs.merging;"
        "print(*{'ray', 'daft', 'torch', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
