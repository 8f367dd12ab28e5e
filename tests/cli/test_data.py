"""``dan data``: what the commands write, and their errors in one line."""

import json

import pytest

from dan.datasets.annotation_files import load_annotations
from dan.datasets.formats import save_pts
from dan.datasets.synthetic import write_synthetic_faces


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_synthetic_faces("faces", 10, size=60)
    return tmp_path


def test_a_folder_gets_copies_of_the_images(dan, folder):
    assert dan("data", "convert", "faces", "-o", "faces.json").code == 0
    done = dan("data", "convert", "faces.json", "-o", "copied", "--to", "ljson")
    assert done.code == 0
    assert "10 faces of 10 images" in done.out
    back = load_annotations("copied")
    assert back.image_names == load_annotations("faces.json").image_names
    assert all(path.is_file() for path in back.image_paths("copied"))


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "faces"],
        ["data", "stats", "faces"],
        ["data", "convert", "faces", "-o", "faces.json"],
        ["data", "300w", "faces"],
        ["prepare", "faces", "-o", "faces.npz"],
        ["merge", "faces", "-o", "merged"],
        ["predict", "dan68-fast", "faces", "-o", "predicted", "--limit", "1"],
        ["evaluate", "dan68-fast", "faces"],
        ["scheme", "infer", "faces"],
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_what_lies_in_a_folder_and_is_not_read_is_told(dan, folder, words):
    for name in ("a.cr2", "b.CR2", "c.pts", "readme.md"):
        (folder / "faces" / name).write_bytes(b"")
    assert dan(*words).err.count("ignored: 2 .cr2\n") == 1


def test_image_names_start_from_the_new_file(dan, folder):
    assert dan("data", "convert", "faces/trainset", "-o", "all.json").code == 0
    assert all(
        name.startswith("faces/trainset/") for name in load_annotations("all.json").image_names
    )
    assert dan("data", "check", "all.json").code in (0, 1)
    (folder / "elsewhere").mkdir()
    done = dan("data", "convert", "faces", "-o", "elsewhere/all.json")
    assert "image names start from faces: say so with --images faces" in done.err


def test_what_is_lost_is_said(dan, folder):
    dan("data", "convert", "faces", "-o", "faces.xml")
    done = dan("data", "convert", "faces.xml", "-o", "faces.csv", "--to", "youtube")
    assert done.code == 0
    assert "not kept in YouTube Faces' table (.csv): boxes" in done.err


def test_of_fewer_than_ten_images_a_split_holds_out_the_last(dan, folder):
    write_synthetic_faces("few", 5, size=60)
    assert dan("data", "split", "few", "-o", "kept.json", "held.json").code == 0
    (held,) = load_annotations("held.json").image_names
    assert held == f"few/{max(load_annotations('few').image_names)}"


def test_suspects_give_exit_code_1_and_json(dan, folder):
    (folder / "faces/trainset/drawn_0000.png").write_bytes(b"")
    done = dan("data", "check", "faces", "--json")
    assert done.code == 1
    (suspect,) = json.loads(done.out)
    assert suspect["fault"] == "unreadable image"
    assert suspect["image"] == "trainset/drawn_0000.png"


def test_figures_as_json(dan, folder):
    values = json.loads(dan("data", "stats", "faces", "--json").out)
    assert (values["n_faces"], values["scheme"]) == (10, "face68")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stats", "none"], "none: expected annotations, found nothing there"),
        (["stats", "faces", "--kind", "word"], "kind: expected one of pts, ptv, ljson, coco,"),
        (["stats", "faces", "-o", "x.jpg"], "x.jpg: expected a name that ends in .png"),
        (["check", "faces", "-o", "x.txt"], "x.txt: expected a name that ends in .html"),
        (["show", "faces", "-o", "x"], "x: expected a name that ends in .png"),
        (
            ["convert", "faces", "-o", "faces.doc"],
            "faces.doc: expected a folder, or a file that ends",
        ),
        (
            ["convert", "faces", "-o", "out.npz"],
            "out.npz: the Theano version's data set (.npz) is read",
        ),
        (["convert", "faces", "-o", "faces"], "faces: expected"),
        (["convert", "odd", "-o", "out.json"], "b.pts: expected 4 points as in other files, got 5"),
        (["split", "faces", "-o", "a.json", "b.json", "--every", "1"], "every: expected 2..10"),
        (["split", "faces", "-o", "a.json", "b.json", "--share", "2"], "share: expected a number"),
        (["300w", "faces"], "faces: expected folders of 300-W"),
        (["300w", "none"], "none: expected the folder of 300-W, found none"),
        (["stats", "faces", "--first-pixel", "2"], "--first-pixel: expected at most 1, got 2"),
    ],
)
def test_errors_are_one_line_exit_code_2_and_leave_nothing(dan, folder, words, message):
    (folder / "odd").mkdir()
    for name, count in (("a", 4), ("b", 5)):
        (folder / f"odd/{name}.png").write_bytes(b"")
        save_pts(folder / f"odd/{name}.pts", [[9.0, 9.0 + i] for i in range(count)])
    before = set(folder.rglob("*"))
    done = dan("data", *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.strip().splitlines()[-1].startswith("dan: ")
    assert set(folder.rglob("*")) == before


def test_an_image_that_is_not_there_stops_a_folder_from_being_made(dan, folder):
    dan("data", "convert", "faces", "-o", "faces.json")
    (folder / "elsewhere").mkdir()
    done = dan("data", "convert", "faces.json", "-o", "copied", "--images", "elsewhere")
    assert done.code == 2
    assert "expected an image to lay the annotations beside, found none" in done.err
    assert not (folder / "copied").exists()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["a.json", "a.json"], "expected different files to write, got a.json and a.json"),
        (["faces.json", "b.json"], "faces.json: expected another file than the input faces.json"),
        (["new", "new"], "expected three different places to read and to write, got faces.json"),
    ],
)
def test_a_split_never_writes_over_itself_or_its_source(dan, folder, targets, message):
    assert dan("data", "convert", "faces", "-o", "faces.json").code == 0
    before = (folder / "faces.json").read_bytes()
    done = dan("data", "split", "faces.json", "-o", *targets)
    assert done.code == 2
    assert message in done.err
    assert (folder / "faces.json").read_bytes() == before
    assert not (folder / "a.json").exists()
    assert not (folder / "b.json").exists()
