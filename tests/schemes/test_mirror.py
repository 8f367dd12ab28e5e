import numpy as np
import pytest

from dan.core.errors import ConfigError, FormatError
from dan.schemes import FACE68, LandmarkScheme, load_mirror, render_mirror


@pytest.fixture
def mirror_file(tmp_path):
    def write(data):
        path = tmp_path / "mirror.txt"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1,0,2,4,3\n", id="as written"),
        pytest.param("1,0,2,4,3", id="no line end"),
        pytest.param(" 1, 0 ,2,4,3,\r\n", id="spaces, closing comma, Windows line end"),
        pytest.param("\ufeff1,0,2,4,3\n", id="byte order mark"),
        pytest.param("1,0,2\n4,3\n", id="two lines"),
    ],
)
def test_five_point_files(mirror_file, text):
    scheme = load_mirror(mirror_file(text), 5)
    assert scheme.mirror.tolist() == [1, 0, 2, 4, 3]
    assert scheme.eyes is None


def test_98_point_file(mirror_file):
    mirror = [*range(32, -1, -1), *range(97, 32, -1)]
    scheme = load_mirror(mirror_file(",".join(map(str, mirror))))
    assert scheme.n_landmarks == 98
    np.testing.assert_array_equal(scheme.mirror, mirror)


def test_face68_round_trip(mirror_file):
    scheme = load_mirror(mirror_file(render_mirror(FACE68)), 68)
    np.testing.assert_array_equal(scheme.mirror, FACE68.mirror)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param("", "got nothing", id="empty"),
        pytest.param(" ,\n", "got nothing", id="commas only"),
        pytest.param("0,one,2", "whole numbers.*'one'", id="a word"),
        pytest.param("0,1.5,2", "whole numbers.*'1.5'", id="a fraction"),
        pytest.param("0,1,1", "each of 0..2 once", id="an index twice"),
        pytest.param("1,2,3", "each of 0..2 once", id="1-based"),
        pytest.param("1,2,0", "mutual", id="not its own inverse"),
        pytest.param("1,0,2", "expected 5 indices.*got 3", id="another length"),
        pytest.param(b"\x89PNG\r\n\x1a\n\xff\xfe", "not UTF-8", id="binary"),
    ],
)
def test_bad_files_are_named(mirror_file, data, message):
    path = mirror_file(data)
    with pytest.raises(FormatError, match=message) as caught:
        load_mirror(path, 5)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FormatError, match="No such file") as caught:
        load_mirror(tmp_path / "absent.txt")
    assert "absent.txt" in str(caught.value)


def test_a_scheme_without_partners_has_no_mirror_file():
    with pytest.raises(ConfigError, match="points5: expected flip partners"):
        render_mirror(LandmarkScheme.plain(5))
