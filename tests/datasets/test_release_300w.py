import pytest

from dan.core.errors import DataError
from dan.datasets.release_300w import PARTS, SETS, find_release


def plant(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


def test_the_counts_are_those_of_the_challenge():
    assert SETS == {"training": 3148, "common": 554, "challenging": 135, "private": 600}


def test_folders_are_recognised_wherever_and_however_they_are_called(tmp_path):
    plant(tmp_path / "300w/AFW", "1.jpg", "1.pts")
    plant(tmp_path / "Helen/trainset", "a.jpg", "a.pts")
    plant(tmp_path / "Helen/trainset_256", "b.jpg", "b.pts", "a.jpg", "a.pts")
    plant(tmp_path / "300W/01_Indoor", "x.png", "x.pts")
    plant(tmp_path / "02_outdoor", "y.png", "y.pts")
    plant(tmp_path / "ibug", "image_092 _01.jpg", "image_092_01.pts")
    plant(tmp_path / "lfpw/testset", "c.png", "c.pts", "lonely.png", "d.pts")
    plant(tmp_path / "elsewhere", "e.jpg", "e.pts")
    found = {part.part: part for part in find_release(tmp_path)}
    assert set(found) == set(PARTS)
    assert found["afw"].folders == ("300w/AFW",)
    assert found["helen/trainset"].folders == ("Helen/trainset", "Helen/trainset_256")
    assert found["helen/trainset"].n_faces == 2
    assert found["helen/trainset"].n_missing == 1998
    assert found["ibug"].n_faces == 1
    assert found["lfpw/testset"].without_points == ("lfpw/testset/lonely.png",)
    assert found["lfpw/testset"].without_image == ("lfpw/testset/d.pts",)
    assert found["300W/01_Indoor"].n_missing == 299
    assert found["300W/02_Outdoor"].folders == ("02_outdoor",)
    assert found["lfpw/trainset"].folders == ()


def test_a_folder_that_is_no_release_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected the folder of 300-W, found none"):
        find_release(tmp_path / "none")
    plant(tmp_path / "faces", "a.jpg", "a.pts")
    with pytest.raises(DataError, match="expected folders of 300-W"):
        find_release(tmp_path)


def test_a_real_release(shared_300w):
    counts = {part.part: part.n_faces for part in find_release(shared_300w)}
    assert counts["afw"] == 337
    assert 0 < counts["lfpw/trainset"] <= 811  # of these two, pictures are often missing
    assert 0 < counts["helen/trainset"] <= 2000
    assert counts["helen/testset"] == 330
