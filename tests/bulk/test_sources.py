"""From the words of a command line to picture files."""

import os
from pathlib import Path

import pytest

from dan.bulk.sources import find_sources, is_video
from dan.core.errors import DataError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def found(*inputs, **options):
    return [(str(source.path), source.name) for source in find_sources(inputs, **options)]


def test_files_come_as_given(tree):
    touch("b.jpg", "a.png", "c.dat")
    assert found("b.jpg", "a.png") == [("b.jpg", "b"), ("a.png", "a")]
    assert found(str(tree / "a.png")) == [(str(tree / "a.png"), "a")]
    assert found("c.dat") == [("c.dat", "c")]  # given by name: tried, whatever it is called


def test_folders_are_searched_at_any_depth_and_named_below_themselves(tree):
    touch("in/b.jpg", "in/x/y/a.PNG", "in/x/note.txt", "in/film.mp4")
    assert found("in") == [("in/b.jpg", "b"), ("in/x/y/a.PNG", "x/y/a")]
    assert found(".") == [("in/b.jpg", "in/b"), ("in/x/y/a.PNG", "in/x/y/a")]


def test_patterns(tree):
    touch("trip/2.jpg", "trip/1.jpg", "trip/note.txt", "other/3.jpg", "empty/note.txt")
    assert [name for _, name in found("trip/*")] == ["1", "2"]
    assert [name for _, name in found("*/?.jpg")] == ["3", "1", "2"]
    assert [name for _, name in found("**/*.jpg")] == ["3", "1", "2"]
    assert [name for _, name in found("*")] == ["3", "1", "2"]  # folders, one without pictures


def test_a_file_given_twice_counts_once(tree):
    touch("in/a.jpg")
    Path("in/link.jpg").symlink_to("a.jpg")
    given = ("in/a.jpg", "in/a.jpg", "./in/a.*", str(tree / "in/a.jpg"), "in/../in/a.jpg")
    assert found(*given) == [("in/a.jpg", "a")]


def test_a_link_is_a_file_of_its_own(tree):
    touch("in/a.jpg")
    Path("in/link.jpg").symlink_to("a.jpg")
    Path("in/twin.jpg").hardlink_to("in/a.jpg")
    Path("other").symlink_to("in")
    assert [name for _, name in found("in")] == ["a", "link", "twin"]
    assert found("in/a.jpg", "other/a.jpg") == [("in/a.jpg", "a"), ("other/a.jpg", "a.jpg")]


def test_what_lies_above_a_linked_folder_is_not_guessed_from_its_name(tree):
    touch("deep/er/x.jpg", "deep/a.jpg", "a.jpg")
    Path("link").symlink_to("deep/er")
    assert found("link/../a.jpg", "a.jpg") == [("link/../a.jpg", "a"), ("a.jpg", "a.jpg")]
    assert found("link/../a.jpg", "deep/a.jpg") == [("link/../a.jpg", "a")]


def test_a_link_keeps_the_name_that_was_given(tree):
    touch("store/7f3a.jpg")
    Path("anna.jpg").symlink_to("store/7f3a.jpg")
    assert found("anna.jpg") == [("anna.jpg", "anna")]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a.jpg", "a.png"], ["a", "a.png"]),
        (["x/a.jpg", "y/a.jpg", "z/a.jpg"], ["a", "a.jpg", "a.jpg-2"]),
        (["a.jpg", "A.jpeg"], ["a", "A.jpeg"]),  # alike where case does not count
        (["\u00e9.jpg", "e\u0301.png"], ["\u00e9", "e\u0301.png"]),  # alike on some systems, too
        (["x/a.jpg", "a.jpg-2.png", "y/a.jpg", "z/a.jpg"], ["a", "a.jpg-2", "a.jpg", "a.jpg-3"]),
        (["a.jpg", "a.png", "a.jpg.bmp"], ["a", "a.png", "a.jpg"]),
        # The points of a's second face are called a_2.pts.
        (["a.jpg", "a_2.jpg", "a_3.jpg"], ["a", "a_2.jpg", "a_3.jpg"]),
        (["a_2.jpg", "a.jpg", "a_2_3.jpg"], ["a_2", "a.jpg", "a_2_3.jpg"]),
        (["img_2.jpg", "img_3.jpg"], ["img_2", "img_3"]),
        (["a.jpg", "a_1.jpg", "a_02.jpg"], ["a", "a_1", "a_02"]),
    ],
)
def test_names_of_results_differ(tree, files, names):
    touch(*files)
    assert [source.name for source in find_sources(files)] == names


def test_a_folder_is_not_called_as_a_result_is(tree):
    touch("in/a.jpg", "in/a.pts/b.jpg")
    assert [name for _, name in found("in")] == ["a", "a.pts_/b"]


@pytest.mark.parametrize(
    "name",
    ["two words.jpg", " a .jpg", "größe 人脸.jpg", "-n.jpg", "a[1].jpg", "a\u2028b.jpg", "#.jpg"],
)
def test_odd_names(tree, name):
    touch(f"in/{name}")
    stem = name.removesuffix(".jpg")
    assert found("in") == [(f"in/{name}", stem)]
    os.chdir("in")
    assert found(name) == [(name, stem)]


def test_names_that_are_no_text(tree):
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        touch(f"in/{name}")
    except OSError:
        pytest.skip("this file system wants text")
    assert found("in") == [(f"in/{name}", name.removesuffix(".jpg"))]


def test_pipes_devices_and_folders_are_no_pictures(tree):
    touch("in/a.jpg")
    os.mkfifo("in/pipe.jpg")
    Path("in/album.jpg").mkdir()
    assert [name for _, name in found("in")] == ["a"]
    for given in ("in/pipe.jpg", "/dev/zero"):
        with pytest.raises(DataError, match=f"{given}: expected a picture"):
            find_sources([given])


def test_the_folder_of_results_is_left_out(tree):
    touch("in/a.jpg", "in/out/a.png")
    assert [name for _, name in found("in")] == ["a", "out/a"]
    assert [name for _, name in found("in", leave_out=tree / "in/out")] == ["a"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("none.jpg", "none.jpg: expected a picture, a folder or a pattern, found none"),
        ("*.jpg", r"\*.jpg: expected a picture, a folder or a pattern, found none"),
        ("*.txt", r"\*.txt: expected a picture"),  # matches, but no picture
        ("texts", "texts: expected pictures in the folder, found none"),
        ("film.mp4", "film.mp4: expected pictures, got a video; give it alone"),
        ("", "expected pictures to read, got an empty name"),
        ("a" * 300, "aaa: cannot be looked up: File name too long"),
        ("nul\0.jpg", "expected a picture|cannot be looked up"),
        ("loop.jpg", "loop.jpg: "),
    ],
)
def test_bad_inputs_are_named(tree, given, message):
    touch("texts/a.txt", "note.txt", "film.mp4")
    Path("loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(DataError, match=message):
        find_sources([given])


@pytest.mark.parametrize("name", ["a.3gp", "a.ts", "a.MTS", "a.gif", "a.webm", "a.wmv"])
def test_videos_are_given_alone(tree, name):
    touch(f"in/{name}", "in/a.jpg")
    assert is_video(f"in/{name}")
    assert found("in") == [("in/a.jpg", "a")]
    with pytest.raises(DataError, match="expected pictures, got a video; give it alone"):
        find_sources([f"in/{name}", "in/a.jpg"])


def test_no_input_at_all_is_told():
    with pytest.raises(DataError, match="got no input at all"):
        find_sources([])
