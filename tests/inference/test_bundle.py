"""Bundles: written, read, and refused in one line where something is wrong with them."""

import contextlib
import io
import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from dan.core.errors import BundleError
from dan.inference import bundle as module
from dan.inference.bundle import (
    GRAPH,
    METADATA,
    Bundle,
    bundle_path,
    load_bundle,
    models_folder,
    parse_bundle,
    save_bundle,
)
from dan.inference.onnx_model import OnnxModel
from dan.schemes import FACE68, LandmarkScheme

SQUARE = LandmarkScheme("square", ("a", "b", "c", "d"), {"a": "b", "b": "a", "c": "d", "d": "c"})
TOY = Bundle(
    name="toy",
    graph=b"no graph, but it has a hash" * 40,
    scheme=SQUARE,
    crop_size=32,
    mean_shape=np.array([[8.0, 8.0], [24.0, 8.0], [8.0, 24.0], [24.0, 24.0]], np.float32),
    n_stages=2,
    has_confidence=True,
    weights="fp16",
    card={"figures": {"HELEN": 4.3}, "remark": "naïve"},
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("bundle") / "toy.danbundle"
    save_bundle(path, TOY)
    return path.read_bytes()


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(contents, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in contents.items():
            file.writestr(name, content)
    return buffer.getvalue()


def with_metadata(data, **changes):
    contents = members(data)
    values = json.loads(contents[METADATA]) | changes
    values = {key: value for key, value in values.items() if value is not ...}
    return zipped(contents | {METADATA: json.dumps(values)})


def test_round_trip(tmp_path):
    save_bundle(tmp_path / "toy.danbundle", TOY)
    read = load_bundle(tmp_path / "toy.danbundle")
    assert np.array_equal(read.mean_shape, TOY.mean_shape)
    assert read.metadata == TOY.metadata
    assert read.graph == TOY.graph
    assert read.scheme.mirror.tolist() == SQUARE.mirror.tolist()


def test_the_same_bundle_gives_the_same_bytes(tmp_path, data):
    save_bundle(tmp_path / "b.danbundle", parse_bundle(data))
    assert (tmp_path / "b.danbundle").read_bytes() == data


def test_models_of_the_package_load_by_name_and_by_path():
    names = {path.stem for path in models_folder().glob("*.danbundle")}
    assert {"dan68", "dan68-fast"} <= names
    for name in ("dan68", "dan68-fast"):
        bundle = load_bundle(bundle_path(name))
        assert bundle_path(bundle_path(name)) == bundle_path(name)
        assert bundle.scheme.to_dict() == FACE68.to_dict()
        assert bundle.card["licences"]


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def claims_too_much(data):
    """The graph's entries in the zip say that it has 4 GB."""
    at = data.rindex(GRAPH.encode()) - 46  # its entry in the central directory
    return data[: at + 24] + struct.pack("<I", 0xFFFFFFF0) + data[at + 28 :]


DAMAGES = {
    "empty": (lambda data: b"", "no bundle at all"),
    "text": (lambda data: b"hello\n" * 50, "no bundle at all"),
    "cut in half": (lambda data: data[: len(data) // 2], "no bundle at all"),
    "last bytes missing": (lambda data: data[:-30], "no bundle at all"),
    "claims 4 GB": (claims_too_much, "expected at most"),
    "not the graph of its hash": (
        lambda data: zipped(members(data) | {GRAPH: b"another"}),
        "does not match its hash",
    ),
    "no graph": (
        lambda data: zipped({METADATA: members(data)[METADATA]}),
        "model.onnx is missing in it",
    ),
    "no metadata": (
        lambda data: zipped({GRAPH: members(data)[GRAPH]}),
        "bundle.json is missing in it",
    ),
    "metadata no JSON": (
        lambda data: zipped(members(data) | {METADATA: "{"}),
        "bundle.json cannot be read",
    ),
    "metadata not UTF-8": (
        lambda data: zipped(members(data) | {METADATA: b"\xff\xfe\x00"}),
        "bundle.json cannot be read",
    ),
    "metadata nested without end": (
        lambda data: zipped(members(data) | {METADATA: "[" * 100_000}),
        "bundle.json cannot be read",
    ),
    "metadata a list": (
        lambda data: zipped(members(data) | {METADATA: "[1]"}),
        "expected format 1, got list",
    ),
    "another zip": (lambda data: zipped({"word/document.xml": "x"}), "bundle.json is missing"),
    "another format version": (
        lambda data: with_metadata(data, format=2),
        "expected format 1, got 2",
    ),
    "no format version": (lambda data: with_metadata(data, format=...), "expected format 1"),
    "no scheme": (lambda data: with_metadata(data, scheme=...), "entry 'scheme' is missing"),
    "scheme of another kind": (lambda data: with_metadata(data, scheme=[1]), "landmark scheme"),
    "three points": (
        lambda data: with_metadata(data, mean_shape=[[0, 0], [1, 1], [2, 0]]),
        "mean_shape: expected shape (4, 2), got (3, 2)",
    ),
    "ragged mean shape": (
        lambda data: with_metadata(data, mean_shape=[[0], [1, 1], [2, 0], [3, 3]]),
        "bundle.json: ",
    ),
    "mean shape in one place": (
        lambda data: with_metadata(data, mean_shape=[[5, 5]] * 4),
        "expected them to span an area",
    ),
    "mean shape not finite": (
        lambda data: with_metadata(data, mean_shape=[[1e39, 0], [0, 1], [1, 0], [1, 1]]),
        "expected finite points",
    ),
    "huge crops": (lambda data: with_metadata(data, crop_size=100_000), "crop size of 1..1024"),
    "no stage": (lambda data: with_metadata(data, n_stages=0), "a stage or more"),
    "card of another kind": (lambda data: with_metadata(data, card="nice"), "bundle.json: "),
}


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
def test_damaged_files_are_named_in_one_line(tmp_path, data, kind):
    damage, message = DAMAGES[kind]
    path = tmp_path / "bad.danbundle"
    path.write_bytes(damage(data))
    with pytest.raises(BundleError) as caught:
        load_bundle(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: expected a dan bundle: ")
    assert message in text
    assert "\n" not in text


def test_any_flipped_byte_is_harmless_or_told(data):
    wanted = TOY.metadata
    for place in range(0, len(data), 7):
        with contextlib.suppress(BundleError):  # else a time stamp, a flag: nothing that counts
            assert parse_bundle(flipped(data, place)).metadata == wanted


def test_a_small_file_cannot_unpack_to_any_size(tmp_path, data, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 1_000_000)
    bomb = zipped(members(data) | {GRAPH: bytes(2_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 10_000
    with pytest.raises(BundleError, match="expected at most 1000000 bytes, got 2000000"):
        parse_bundle(bomb)
    # The same with a forged size: no more is unpacked than was claimed.
    forged = bomb.replace(struct.pack("<I", 2_000_000), struct.pack("<I", 500_000))
    with pytest.raises(BundleError):
        parse_bundle(forged)


def foreign_graph():
    """A graph of something else."""
    helper = pytest.importorskip("onnx").helper
    node = helper.make_node("Identity", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, 1, [3, 2]) for name in "xy")
    graph = helper.make_graph([node], "other", [x], [y])
    opset = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9).SerializeToString()


def test_a_foreign_graph_is_told():
    with pytest.raises(BundleError, match="toy: expected a graph with the one input crops, got x"):
        OnnxModel(replace(TOY, graph=foreign_graph()))


def test_what_is_no_graph_is_told():
    with pytest.raises(BundleError, match="toy: onnxruntime cannot run its graph: "):
        OnnxModel(TOY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_size": 80}, r"crops: expected shape \[None, 80, 80\] in the graph"),
        ({"n_stages": 3}, r"stage_points: expected shape \[3, None, 68, 2\]"),
    ],
)
def test_metadata_and_graph_must_agree(changes, message):
    with pytest.raises(BundleError, match=message):
        OnnxModel(replace(load_bundle(bundle_path("dan68-fast")), **changes))


@pytest.mark.parametrize(
    "model", ["nowhere.danbundle", "dan99", "", ".", "a" * 300, "nul\0byte", "../dan68"]
)
def test_unknown_models_are_told_with_the_known_names(model):
    with pytest.raises(BundleError, match=r"expected a bundle's path or a model's name \(.*dan68"):
        bundle_path(model)


def test_the_command_line_tells_it_in_one_line(dan, tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(b"")
    for content in (b"", flipped(data, len(data) // 2), with_metadata(data, format=9)):
        (tmp_path / "bad.danbundle").write_bytes(content)
        done = dan("align", tmp_path / "a.jpg", "--model", tmp_path / "bad.danbundle")
        assert done.code == 2
        assert done.err.startswith(f"dan: {tmp_path / 'bad.danbundle'}: expected a dan bundle: ")
        assert done.err.count("\n") == 1
