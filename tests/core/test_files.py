import os
import re

import pytest

from dan.core.errors import DataError, FormatError
from dan.core.files import (
    building_folder,
    check_new_folder,
    check_output_folder,
    check_outputs,
    is_file,
    read_text,
    replacing,
    write_bytes,
    write_inside,
    write_text,
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"a\nb\n", "a\nb\n", id="plain"),
        pytest.param(b"a\r\nb\r\n", "a\nb\n", id="Windows line ends"),
        pytest.param(b"\xef\xbb\xbfa\n", "a\n", id="byte order mark"),
        pytest.param("ä\n".encode(), "ä\n", id="UTF-8"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_read_text(tmp_path, data, text):
    path = tmp_path / "file.txt"
    path.write_bytes(data)
    assert read_text(path) == text
    assert read_text(str(path)) == text


def test_unreadable_files_are_named(tmp_path):
    binary = tmp_path / "binary.pts"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path, message in (
        (binary, "not UTF-8"),
        (tmp_path / "absent.pts", "No such file"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(FormatError, match=message) as caught:
            read_text(path)
        assert str(path) in str(caught.value)


def test_written_text_is_read_back_with_the_same_bytes_on_every_system(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "größe\n1\n")
    assert path.read_bytes() == "größe\n1\n".encode()
    assert read_text(path) == "größe\n1\n"
    assert names_in(tmp_path) == ["file.txt"]


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "file.bin"
    write_bytes(path, b"a long first version")
    write_bytes(str(path), b"short")
    assert path.read_bytes() == b"short"


@pytest.mark.parametrize("existed", [True, False])
@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_changes_nothing(tmp_path, existed, interruption):
    path = tmp_path / "file.txt"
    if existed:
        path.write_text("old")
    with pytest.raises(interruption), replacing(path) as temporary:  # noqa: PT012 - two steps
        temporary.write_text("half of the ne")
        raise interruption
    assert names_in(tmp_path) == (["file.txt"] if existed else [])
    assert not existed or path.read_text() == "old"


def test_old_content_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
    assert path.read_text() == "new"


@pytest.mark.parametrize("existed", [True, False])
def test_folder_appears_when_it_is_whole(tmp_path, existed):
    path = tmp_path / "samples"
    if existed:
        path.mkdir()
    with building_folder(path) as temporary:
        (temporary / "a.txt").write_text("a")
        assert not path.exists() or not names_in(path)
    assert names_in(path) == ["a.txt"]
    assert names_in(tmp_path) == ["samples"]


def test_a_failed_folder_leaves_nothing(tmp_path):
    with (  # noqa: PT012 - two steps
        pytest.raises(KeyboardInterrupt),
        building_folder(tmp_path / "samples") as temporary,
    ):
        (temporary / "a.txt").write_text("a")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["full folder", "file"])
def test_folder_in_use_is_refused_and_kept(tmp_path, kind):
    path = tmp_path / "samples"
    if kind == "file":
        path.write_text("mine")
    else:
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="new or empty folder"), building_folder(path):
        pytest.fail("the body must not run")
    kept = path if kind == "file" else path / "mine.txt"
    assert kept.read_text() == "mine"
    assert names_in(tmp_path) == ["samples"]


def test_the_current_folder_and_a_link_can_be_filled(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with building_folder(".") as temporary:
        (temporary / "a.txt").write_text("a")
    assert names_in(tmp_path / "here") == ["a.txt"]
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with building_folder(tmp_path / "link") as temporary:
        (temporary / "b.txt").write_text("b")
    assert names_in(tmp_path / "there") == ["b.txt"]
    assert names_in(tmp_path) == ["here", "link", "there"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_an_output_that_is_an_input_under_another_name_is_refused(tmp_path, link):
    path, other = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text("mine")
    check_outputs([other], [path])
    link(path, other)
    message = f"{other}: expected another file than the input {path}, which would be overwritten"
    for inputs in ([path], ["none", "nul\0", tmp_path, path], iter([path])):
        with pytest.raises(DataError, match=re.escape(message)):
            check_outputs([tmp_path / "new.json", str(other)], inputs)
    check_outputs([other], ["none", "nul\0", tmp_path])


def test_a_link_that_leads_nowhere_can_be_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "none")
    check_outputs([tmp_path / "link"], [tmp_path / "none", tmp_path / "link"])


@pytest.mark.parametrize("name", ["", "file/x", "none/x", "n" * 300, "n" * 300 + "/x"])
def test_an_output_that_cannot_be_written_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match=r"expected a file in a folder that exists|File name too"):
        check_outputs([tmp_path / name])


@pytest.mark.parametrize("name", ["file", "file/x", "file/x/y", "n" * 300])
@pytest.mark.parametrize("check", [check_output_folder, check_new_folder])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, name, check):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match=re.escape(str(tmp_path / name))):
        check(tmp_path / name)
    check(tmp_path / "new/one")
    assert names_in(tmp_path) == ["file"]


def test_a_file_of_a_folder_under_construction(tmp_path):
    write_inside(tmp_path, "a.bin", b"x" * 100_000)
    write_inside(tmp_path, "empty", b"")
    assert (tmp_path / "a.bin").read_bytes() == b"x" * 100_000
    assert names_in(tmp_path) == ["a.bin", "empty"]


def test_a_name_as_long_as_it_may_be(tmp_path):
    write_text(tmp_path / ("n" * 255), "whole")
    assert (tmp_path / ("n" * 255)).read_text() == "whole"


@pytest.mark.parametrize("name", ["none", "n" * 300, "nul\0", ""])
def test_what_cannot_be_a_path_is_no_file(name):
    assert not is_file(name)
