"""Pictures that lie in the file of a pack."""

import zipfile

import numpy as np
import pytest

from dan.core.errors import DataError
from dan.datasets.pack import FacePack, join_packs, load_pack, save_pack
from dan.datasets.stored_pictures import PictureStore, StoredPictures
from dan.schemes import LandmarkScheme

LEVELS = np.arange(0, 250, 50)


@pytest.fixture
def pack():
    """Five plain pictures, each of a grey level of its own, which JPEG keeps."""
    images = np.repeat(LEVELS.astype(np.uint8), 8 * 8).reshape(5, 8, 8)
    points = np.tile(np.array([[1, 1], [6, 6]], np.float32), (5, 1, 1))
    return FacePack.build("abcde", images, points, LandmarkScheme.plain(2))


@pytest.fixture
def saved(pack, tmp_path):
    save_pack(tmp_path / "faces.npz", pack)
    return tmp_path / "faces.npz"


def levels_of(pictures) -> list[int]:
    return np.asarray(pictures)[:, 0, 0].tolist()


def test_pictures_are_taken_where_they_lie_and_decoded_when_looked_at(pack, saved):
    pictures = load_pack(saved).images
    assert isinstance(pictures, StoredPictures)
    assert (pictures.shape, len(pictures)) == ((5, 8, 8), 5)
    assert np.array_equal(np.asarray(pictures), pack.images)
    taken = pictures[np.array([3, 1])]
    assert isinstance(taken, StoredPictures)
    assert levels_of(taken) == [150, 50]
    assert np.array_equal(taken[1], pack.images[1])
    assert [picture[0, 0] for picture in pictures] == LEVELS.tolist()


def test_a_pack_that_was_read_is_written_without_compressing_its_pictures_anew(saved, tmp_path):
    again = tmp_path / "again.npz"
    save_pack(again, load_pack(saved).subset([4, 0]))
    assert levels_of(load_pack(again).images) == [200, 0]
    with np.load(saved) as first, np.load(again) as second:
        sizes = first["jpeg_sizes"]
        assert np.array_equal(second["jpegs"][-sizes[0] :], first["jpegs"][: sizes[0]])


def test_what_is_written_while_it_is_made_is_the_same_as_from_memory(pack, saved, tmp_path):
    stored = tmp_path / "stored.npz"
    with PictureStore(stored, 92) as store:
        parts = []
        for places in ([0, 1], [2, 3, 4]):
            for place in places:
                store.append(pack.images[place])
            parts.append(
                FacePack.build(
                    [pack.names[place] for place in places],
                    store.take(),
                    pack.points[places],
                    pack.scheme,
                )
            )
        joined = join_packs({"x": parts[0], "y": parts[1]}, [1, 1])
        assert isinstance(joined.images, StoredPictures)
        save_pack(stored, joined)
    assert {path.name for path in tmp_path.iterdir()} == {"faces.npz", "stored.npz"}
    with np.load(saved) as first, np.load(stored) as second:
        assert np.array_equal(first["jpegs"], second["jpegs"])
        assert second["names"].tolist() == ["x/a", "x/b", "y/c", "y/d", "y/e"]


def test_packs_in_memory_and_on_disk_are_joined(pack, saved):
    joined = join_packs({"x": pack, "y": load_pack(saved)}, [1, 1])
    assert levels_of(joined.images) == [*LEVELS, *LEVELS]


def test_a_damaged_picture_is_an_error_that_names_the_file(saved):
    data = bytearray(saved.read_bytes())
    last = load_pack(saved).images.starts[-1]
    data[last : last + 20] = bytes(20)
    saved.write_bytes(data)
    pictures = load_pack(saved).images
    assert pictures[0][0, 0] == 0
    with pytest.raises(DataError, match=r"faces\.npz: .*a picture in it does not decode"):
        np.asarray(pictures)


def test_pictures_of_another_size_are_an_error(saved, tmp_path):
    stored = load_pack(saved).images
    other = StoredPictures(stored.path, stored.starts, stored.sizes, side=9)
    with pytest.raises(DataError, match="expected pictures 9 x 9 pixels large"):
        other[0]


def test_an_archive_that_is_compressed_is_refused(saved, tmp_path):
    path = tmp_path / "small.npz"
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(DataError, match="an archive that does not compress its pictures"):
        load_pack(path)
