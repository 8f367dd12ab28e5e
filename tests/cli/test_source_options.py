"""Every command that takes annotations can be told how they are to be read, by the same words."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
import typer

from dan.cli.common import load_model
from dan.cli.main import app
from dan.cli.options import SourceOptions
from dan.cli.predicting import predict_parts
from dan.datasets.annotation_files import load_annotations
from dan.datasets.formats import render_coco
from dan.datasets.pack import load_pack
from dan.datasets.synthetic import write_synthetic_faces

COMMANDS = [
    *(["prepare"], ["evaluate"], ["predict"], ["merge"], ["tour"], ["scheme", "infer"]),
    *(["data", name] for name in ("check", "convert", "split", "stats", "show")),
]


def options_of(words):
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return {parameter.name: parameter for parameter in command.params}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_options_and_their_help_are_the_same_everywhere(words):
    ours, first = options_of(words), options_of(["prepare"])
    for name in (field.name for field in fields(SourceOptions)):
        assert ours[name].opts == first[name].opts
        assert ours[name].help == first[name].help
    assert first["find_images"].opts == ["--find-images"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures in one folder, their .pts files in another, and a file of absolute names."""
    write_synthetic_faces(tmp_path / "drawn", 8, size=60)
    shutil.move(tmp_path / "drawn/trainset", tmp_path / "pictures")
    shutil.copytree(tmp_path / "pictures", tmp_path / "points", ignore=_not("*.pts"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _not(pattern):
    keep = shutil.ignore_patterns(pattern)
    return lambda path, names: set(names) - keep(path, names)


def coco_with(folder, front):
    """COCO keypoints of the pictures, their names with something in front."""
    content = json.loads(render_coco(load_annotations(folder / "pictures")))
    for image in content["images"]:
        image["file_name"] = f"{front}{image['file_name']}"
    (folder / "faces.json").write_text(json.dumps(content))


def test_images_of_points_that_lie_in_another_folder(dan, folder):
    done = dan("prepare", "points", "-o", "faces.npz")
    assert done.code == 2
    assert done.err.endswith(
        "points: expected images with a .pts file beside each, found none; "
        "--images names their folder\n"
    )
    assert dan("prepare", "points", "-o", "apart.npz", "--images", "pictures").code == 0
    assert dan("prepare", "pictures", "-o", "beside.npz").code == 0
    apart, beside = load_pack("apart.npz"), load_pack("beside.npz")
    assert apart.names == beside.names
    assert apart.points.tolist() == beside.points.tolist()
    assert dan("data", "convert", "points", "-o", "all.json", "--images", "pictures").code == 0
    assert len(load_annotations("all.json")) == 7
    done = dan("prepare", "points", "-o", "no.npz", "--images", "drawn")
    assert done.code == 2
    assert "expected images in drawn with a .pts file at the same place of points" in done.err


def test_a_check_of_points_apart_names_what_has_no_partner(dan, folder):
    done = dan("data", "check", "points", "--images", "pictures", "--json")
    assert (done.code, json.loads(done.out)) == (0, [])
    (folder / "points/drawn_0000.pts").unlink()
    (folder / "pictures/drawn_0001.png").unlink()
    done = dan("data", "check", "points", "--images", "pictures", "--json")
    assert [(s["image"], s["fault"], s["detail"]) for s in json.loads(done.out)] == [
        ("drawn_0000.png", "no annotation", "no file of points"),
        ("drawn_0001.pts", "missing image", "points without an image"),
    ]


@pytest.mark.parametrize("front", ["/home/ann/", "../", "C:\\ann\\", "ann\\"])
def test_a_model_is_scored_on_data_of_another_computer(dan, folder, front):
    coco_with(folder, front)
    words = ("--images", "pictures", "--find-images")
    done = dan("evaluate", "dan68-fast", "faces.json", *words, "--json")
    assert done.code == 0, done.err
    beside = dan("evaluate", "dan68-fast", "pictures", "--json")
    ours, theirs = json.loads(done.out)[0], json.loads(beside.out)[0]
    assert ours["n_images"] == theirs["n_images"] == 7
    done = dan("predict", "dan68-fast", "faces.json", *words, "-o", "out")
    assert done.code == 0, done.err
    assert (folder / "out/drawn_0000.pts").is_file()
    assert dan("evaluate", "dan68-fast", "faces.json").code != 0  # not without being told


def test_absolute_names_are_opened_only_where_the_user_allows_it(dan, folder):
    coco_with(folder, f"{folder}/pictures/")
    for words in (["data", "check", "faces.json"], ["predict", "dan68-fast", "faces.json"]):
        done = dan(*words, "-o", "out.html")
        assert done.code == 2
        assert done.err.count("--allow-outside takes it as it stands") == 1
        assert not (folder / "out.html").exists()
    done = dan("predict", "dan68-fast", "faces.json", "-o", "out", "--allow-outside")
    assert done.code == 0, done.err
    assert (folder / "out/drawn_0000.pts").is_file()
    done = dan("data", "convert", "faces.json", "-o", "copied", "--allow-outside")
    assert done.code == 0, done.err
    copied, drawn = ((folder / name).glob("*.p*") for name in ("copied", "pictures"))
    assert {path.name for path in copied} == {path.name for path in drawn}


@pytest.mark.parametrize("every", [2, 3, 50])
def test_every_so_many_th_face_is_one_that_training_holds_out(dan, folder, every):
    assert dan("prepare", "pictures", "-o", "faces.npz").code == 0
    model, source = load_model("dan68-fast", "cpu"), SourceOptions()
    (part,) = predict_parts(
        model, Path("pictures"), source, "gt", protocol=None, every=every, out=None
    )
    assert part.subset == f"pictures (1 in {every})"
    names = tuple(image.name for image in part.predictions.images)
    assert names == load_pack("faces.npz").split(every)[1].names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "stats", "points", "--images", "pictures", "--category", "face"],
         "--category: expected COCO keypoints, got a folder of images"),
        (["evaluate", "dan68-fast", "pictures", "--protocol", "300w", "--find-images"],
         "--protocol 300w: expected the release's own folders, got options of other data"),
        (["evaluate", "dan68-fast", "pictures", "--protocol", "300w", "--every", "10"],
         "--protocol 300w: expected the release's own folders, got options of other data"),
        (["evaluate", "dan68-fast", "pictures", "--protocol", "300w", "--boxes", "b.json"],
         "--boxes b.json: expected none with --protocol 300w"),
        (["prepare", "faces.json", "--find-images", "--allow-outside"],
         "expected --find-images or --allow-outside, got both"),
    ],
)  # fmt: skip
def test_options_that_cannot_take_effect_are_errors(dan, folder, words, message):
    coco_with(folder, "")
    done = dan(*words)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"dan: {message}")


BOXES = (
    "<dataset><images><image file='a.jpg'><box top='1' left='2' width='30' height='40'/></image>"
    "</images></dataset>"
)


@pytest.mark.parametrize(
    "words",
    [["prepare"], ["evaluate", "dan68-fast"], ["scheme", "infer"]]
    + [["data", name] for name in ("check", "stats", "show")],
    ids=" ".join,
)
def test_boxes_without_parts_are_named(dan, folder, words):
    (folder / "boxes.xml").write_text(BOXES)
    done = dan(*words, "boxes.xml")
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "dan: boxes.xml: expected landmarks, such as dlib's <part> elements in each <box> or "
        "COCO's keypoints, found boxes alone (1)"
    )


def test_boxes_without_parts_are_still_converted(dan, folder):
    (folder / "boxes.xml").write_text(BOXES)
    assert dan("data", "convert", "boxes.xml", "-o", "boxes.json").code == 0
    assert load_annotations("boxes.json").boxes_xyxy.tolist() == [[2, 1, 31, 40]]


def test_prepare_knows_the_scheme_while_it_reads(dan, folder):
    """Names of parts are those of the scheme; without it they would be sorted by their letters."""
    parts = "".join(
        f"<part name='{name}' x='{10 + 5 * place}' y='{20 + place * place}'/>"
        for place, name in enumerate(
            ["left_eye", "right_eye", "nose_tip", "left_mouth_corner", "right_mouth_corner"]
        )
    )
    (folder / "five.xml").write_text(
        "<dataset><images><image file='pictures/drawn_0000.png'>"
        f"<box top='10' left='10' width='40' height='40'>{parts}</box></image></images></dataset>"
    )
    assert dan("prepare", "five.xml", "-o", "five.npz", "--scheme", "face5").code == 0
    x = load_pack("five.npz").points[0, :, 0]
    assert x.tolist() == sorted(x.tolist())
