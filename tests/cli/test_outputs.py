"""No command writes over a file that it reads, and what cannot be written is told first."""

import os
import shutil

import pytest

from dan.cli.main import app
from dan.core.images import read_rgb
from dan.datasets.annotation_files import load_annotations, save_annotations
from dan.datasets.synthetic import write_synthetic_faces
from dan.inference.bundle import bundle_path
from dan.video.writer import VideoWriter

FACE = "faces/trainset/drawn_0000"
JUNK = (
    "boxes.json", "m.safetensors", "faces.npz", "card.json", "old.npz", "old.ckpt.index",
    "recipe.toml", "found.onnx", "mirror.txt",
)  # fmt: skip
"""Read only after the check: what is in them does not matter."""

# Command -> (words; what is read; what is written, where that is not OUT itself).
# OUT stands for a link to the file that is read, with the suffix that the command wants.
TABLE = {
    "prepare": ("prepare a.json -o OUT.npz", "a.json"),
    "prepare, scheme": ("prepare a.json --scheme s.toml -o OUT.npz", "s.toml"),
    "prepare, mirror": ("prepare a.json --mirror-file mirror.txt -o OUT.npz", "mirror.txt"),
    "prepare, picture": ("prepare a.json --images faces -o OUT.npz", f"{FACE}.png"),
    "prepare, points": ("prepare faces -o OUT.npz", f"{FACE}.pts"),
    "data check": ("data check faces a.json -o OUT.html", "a.json"),
    "data check, picture": ("data check faces -o OUT.html", f"{FACE}.png"),
    "data convert": ("data convert a.json -o OUT.json", "a.json"),
    "data convert, xml": ("data convert a.json -o OUT.xml", "a.json"),
    "data convert, scheme": ("data convert a.json -o OUT.xml --scheme s.toml", "s.toml"),
    "data convert, picture": ("data convert a.json -o OUT.xml --images faces", f"{FACE}.png"),
    "data convert, points": ("data convert faces -o OUT.json", f"{FACE}.pts"),
    "data split, first": ("data split a.json -o OUT.json held.json --images faces", "a.json"),
    "data split, second": ("data split a.json -o kept.json OUT.json --images faces", "a.json"),
    "data split, points": ("data split faces -o kept.json OUT.json", f"{FACE}.pts"),
    "data stats": ("data stats a.json -o OUT.png", "a.json"),
    "data stats, picture": ("data stats faces -o OUT.png", f"{FACE}.png"),
    "data show": ("data show a.json -o OUT.png", "a.json"),
    "data show, picture": ("data show a.json --images faces -o OUT.png", f"{FACE}.png"),
    "scheme show": ("scheme show s.toml -o OUT.toml", "s.toml"),
    "scheme infer": ("scheme infer a.json -o OUT.toml", "a.json"),
    "scheme infer, points": ("scheme infer faces -o OUT.txt", f"{FACE}.pts"),
    "evaluate": ("evaluate m.danbundle a.json -o report", "a.json", "report/scores.json"),
    "evaluate, model": (
        "evaluate m.danbundle faces -o report", "m.danbundle", "report/report.md",
    ),
    "evaluate, boxes": (
        "evaluate m.danbundle faces --boxes boxes.json -o report", "boxes.json",
        "report/report.html",
    ),
    "evaluate, picture": (
        "evaluate m.danbundle faces -o report", f"{FACE}.png", "report/ced.png",
    ),
    "evaluate, points": (
        "evaluate m.danbundle faces -o report", f"{FACE}.pts", "report/worst-faces-gt.png",
    ),
    "track": ("track clip.mp4 -o OUT.mp4", "clip.mp4"),
    "track, rows": ("track clip.mp4 --points OUT.csv", "clip.mp4"),
    "track, model": ("track clip.mp4 --model m.danbundle --points OUT.csv", "m.danbundle"),
    "track, detector": ("track clip.mp4 --detector found.onnx -o OUT.mp4", "found.onnx"),
    "measure": ("measure clip.mp4 -o OUT.csv", "clip.mp4"),
    "measure, plot": ("measure clip.mp4 -o m.csv --plot OUT.png", "clip.mp4"),
    "measure, picture": ("measure faces -o OUT.csv", f"{FACE}.png"),
    "measure, model": ("measure faces --model m.danbundle -o OUT.csv", "m.danbundle"),
    "measure, detector": ("measure faces --detector found.onnx -o OUT.csv", "found.onnx"),
    "demo": ("demo -o OUT.png --model m.danbundle --no-show", "m.danbundle"),
    "export": ("export m.safetensors -o OUT.danbundle", "m.safetensors"),
    "export, pack": (
        "export m.safetensors -o OUT.danbundle --weights int8 --calibrate faces.npz", "faces.npz",
    ),
    "export, card": ("export m.safetensors -o OUT.danbundle --card card.json", "card.json"),
    "import-theano": ("import-theano old.npz -o OUT.safetensors", "old.npz"),
    "import-tensorflow": ("import-tensorflow old.ckpt -o OUT.danbundle", "old.ckpt.index"),
    "train": ("train faces.npz -r recipe.toml -o report", "faces.npz", "report/curves.png"),
    "train, recipe": (
        "train faces.npz -r recipe.toml -o report", "recipe.toml", "report/recipe.json",
    ),
    "tour": ("tour old.npz -o report", "old.npz", "report/faces.npz"),
}  # fmt: skip

TORCH = {"export", "import-theano", "import-tensorflow", "train", "tour"}

ITSELF = {
    "prepare": ("prepare a.xml -o a.xml", "a.xml"),
    "prepare, in another way": ("prepare a.xml -o faces/../a.xml", "a.xml"),
    "data check": ("data check x.html --kind coco -o x.html", "x.html"),
    "data convert": ("data convert a.json -o a.json", "a.json"),
    "data stats": (f"data stats faces -o {FACE}.png", f"{FACE}.png"),
    "data show": (f"data show faces -o {FACE}.png", f"{FACE}.png"),
    "scheme show": ("scheme show s.toml -o s.toml", "s.toml"),
    "evaluate": ("evaluate m.danbundle scores.json -o .", "scores.json"),
    "track": ("track clip.mp4 -o clip.mp4", "clip.mp4"),
}

OTHER_NAMES = "align clip.mp4 -o OUT --draw"
"""It names its results so that they meet no file."""

NEW_FOLDER = {
    "chips": "chips faces -o report",
    "blur": "blur faces -o report",
    "predict": "predict m.danbundle faces -o report",
    "merge": "merge faces -o report",
    "page": "page -o report",
}
"""They make a folder that has to be new or empty."""

NEED_PYARROW = {"bulk run", "bulk merge"}
"""Tested in tests/bulk/runs."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    write_synthetic_faces(root / "faces", 5, size=100)
    faces = load_annotations(root / "faces")
    for name, kind in (("a.json", "coco"), ("a.xml", "dlib")):
        save_annotations(root / name, faces, kind)
    for name in ("scores.json", "x.html"):
        shutil.copyfile(root / "a.json", root / name)
    shutil.copyfile(bundle_path("dan68-fast"), root / "m.danbundle")
    for name in JUNK:
        (root / name).write_bytes(b"not read: " + name.encode())
    with VideoWriter(root / "clip.mp4", 20) as writer:
        writer.write(read_rgb(root / f"{FACE}.png"))
    (root / "report").mkdir()
    return root


@pytest.fixture
def world(tmp_path, made, dan, monkeypatch):
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "world"))
    assert dan("scheme", "show", "face68", "-o", "s.toml").code == 0
    return tmp_path / "world"


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def name_of(case):
    return case.partition(",")[0]


def cases(table):
    return [
        pytest.param(*row, id=case, marks=[pytest.mark.torch] * (name_of(case) in TORCH))
        for case, row in table.items()
    ]


def refused(dan, world, words, *parts):
    """One line and exit code 2, and every file as it was."""
    before = contents(world)
    done = dan(*words)
    assert done.code == 2, done
    *bars, told = done.err.splitlines()
    assert told.startswith("dan: ")
    assert all("/" in bar or bar.startswith("left out: ") for bar in bars), bars  # of the reading
    for part in parts:
        assert part in told
    assert contents(world) == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize(
    ("words", "read", "written"), cases({case: (*row, None)[:3] for case, row in TABLE.items()})
)
def test_no_link_to_an_input_is_written_over(dan, world, words, read, written, link):
    place = written or next(word for word in words.split() if word.startswith("OUT"))
    link(world / read, world / place)
    refused(dan, world, words.split(), f"dan: {place}: expected another file than the input ", read)


@pytest.mark.parametrize("command", ["prepare faces -o OUT.npz", "scheme infer faces -o OUT.toml"])
def test_points_of_a_face_that_is_left_out_are_not_written_over(dan, world, command):
    path = world / f"{FACE}.pts"
    lines = path.read_text().splitlines()
    lines[5] = "-1 -1"
    path.write_text("\n".join(lines) + "\n")
    place = command.split()[-1]
    os.link(path, world / place)
    refused(dan, world, command.split(), f"{place}: expected another file than the input ", FACE)


@pytest.mark.parametrize(("words", "read"), cases(ITSELF))
def test_no_input_is_written_over(dan, world, words, read):
    refused(dan, world, words.split(), ": expected another file than the input ", read)


@pytest.mark.parametrize("words", NEW_FOLDER.values(), ids=NEW_FOLDER)
def test_a_folder_of_files_is_no_new_folder(dan, world, words):
    os.link(world / f"{FACE}.png", world / "report/drawn_0000.png")
    refused(dan, world, words.split(), "dan: report: expected a new or empty folder")


def test_inputs_of_align_do_not_lie_among_its_results(dan, world):
    refused(dan, world, ["align", f"{FACE}.png", "-o", "faces"], "faces: expected a folder without")


def test_two_outputs_are_two_files(dan, world):
    words = ["scheme", "show", "face68", "-o", "one.png", "-o", "faces/../one.png"]
    refused(dan, world, words, "different files to write, got one.png and faces/../one.png")


@pytest.mark.torch
@pytest.mark.parametrize("out", ["faces", "faces/new"])
def test_a_tour_does_not_write_into_its_data(dan, world, out):
    refused(dan, world, ["tour", "faces", "-o", out], f"{out}: expected a folder outside of faces")


@pytest.mark.parametrize(
    ("words", "place"),
    [
        *(
            pytest.param(row[0], place, id=f"{case}, {place}", marks=marks)
            for case, row in TABLE.items()
            for marks in [[pytest.mark.torch] * (name_of(case) in TORCH)]
            if "OUT" in row[0] and "," not in case
            for place in ("none/x", "s.toml/x", "report")
            if (case, place) != ("data convert", "report")  # a folder of that name may be filled
        ),
    ],
)
def test_what_cannot_be_written_is_told_before_the_data_are_read(dan, world, words, place):
    for path in (world / "a.json", world / "clip.mp4"):
        path.write_text("not read")
    before, out = words.split(), next(word for word in words.split() if word.startswith("OUT"))
    if place == "report":
        place = out
        (world / out).mkdir()
    else:
        place += out.removeprefix("OUT")
    refused(
        dan, world, [place if word == out else word for word in before], f"dan: {place}: expect"
    )


@pytest.mark.parametrize(
    "words",
    [
        "evaluate m.danbundle a.json -o PLACE",
        "predict m.danbundle faces -o PLACE",
        "merge faces -o PLACE",
        pytest.param("train faces.npz -r recipe.toml -o PLACE", marks=pytest.mark.torch),
        pytest.param("tour faces -o PLACE", marks=pytest.mark.torch),
        "data split faces -o kept.json PLACE --to pts",
    ],
)
@pytest.mark.parametrize("place", ["s.toml", "s.toml/x"])
def test_a_folder_that_cannot_be_made_is_told_first(dan, world, words, place):
    (world / "m.danbundle").write_text("not read")
    refused(dan, world, words.replace("PLACE", place).split(), f"dan: {place}: ")


def test_a_second_run_may_write_over_the_first_ones_results(dan, world):
    for _ in range(2):
        assert dan("data", "show", "faces", "-o", "faces/faces.png").code == 0
        assert dan("data", "convert", "faces", "-o", "faces/all.json").code == 0
        assert dan("evaluate", "m.danbundle", "faces", "-o", "faces/report").code == 0


def test_every_command_that_writes_is_in_the_table():
    words = {row[0] for row in (*TABLE.values(), *ITSELF.values())}
    words |= {OTHER_NAMES, *NEW_FOLDER.values()}
    covered = {
        " ".join(line.split()[: 1 + line.startswith(("data ", "scheme "))]) for line in words
    }
    groups = [
        ("", app),
        *((f"{group.name} ", group.typer_instance) for group in app.registered_groups),
    ]
    writing = {
        f"{prefix}{command.name or command.callback.__name__}"
        for prefix, group in groups
        for command in group.registered_commands
        if {"out", "kept", "points"} & set(command.callback.__annotations__)
    }
    assert writing == covered | NEED_PYARROW


def test_align_finds_other_names_for_a_video_among_its_results(dan, world):
    (world / "report/clip.jsonl").symlink_to(world / "clip.mp4")
    before = contents(world)
    for out in (".", "report"):
        assert dan(*OTHER_NAMES.replace("OUT", out).split()).code == 0
        assert (world / out / "clip.mp4.jsonl").is_file()
    assert {path: contents(world)[path] for path in before} == before


def test_a_name_that_was_free_once_is_not_written_over(dan, world):
    words = ["align", "clip.mp4", "-o", "report", "--detector", "whole", "--threads", "1"]
    assert dan(*words).code == 0
    path = world / "report/clip.jsonl"
    path.unlink()
    os.link(world / "clip.mp4", path)
    refused(dan, world, words, "report/clip.jsonl: expected another file than the input clip.mp4")
