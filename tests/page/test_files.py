"""The files of the page: complete, of known types, and about nothing outside of it."""

import json
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

import numpy as np
import pytest

import dan as package
from dan.inference.bundle import bundle_path, load_bundle, models_folder
from dan.inference.detections import BoxFit
from dan.inference.finder import FaceFinder
from dan.schemes import FACE68
from dan.service.page.files import CONTENT_SECURITY_POLICY, HEADERS, MEDIA_TYPES, page_files
from dan.video.tracker import FaceTracker

ROOT = Path(__file__).resolve().parents[2]
OWN = {".css", ".html", ".js", ".svg"}


def own_texts(files):
    return {
        name: data.decode()
        for name, data in files.items()
        if PurePosixPath(name).suffix in OWN and not name.startswith("ort/")
    }


def test_the_networks_are_those_of_the_package(files):
    assert files["model.onnx"] == load_bundle(bundle_path("dan68-fast")).graph
    assert files["finder.onnx"] == (models_folder() / "finder.onnx").read_bytes()


def test_every_file_has_a_type(files):
    assert {PurePosixPath(name).suffix for name in files} <= set(MEDIA_TYPES)


def test_what_modules_and_the_page_name_is_there(files):
    named = []
    for name, text in own_texts(files).items():
        beside = re.findall(r'(?:from|new URL\()\s*"(\.{1,2}/[^"]+|worker\.js)"', text)
        named += [normpath(PurePosixPath(name).parent / link) for link in beside]
        named += re.findall(r'(?:src|href)="([^#"]+)"', text)
        named += re.findall(r'"([\w/.]+\.(?:json|gz|onnx|jpg))"', text)
    assert len(named) > 40
    assert sorted(set(named) - set(files)) == []


def test_nothing_of_it_names_another_host(files):
    for name, text in own_texts(files).items():
        hosts = set(re.findall(r"(?:https?:)?//[\w-]+(?:\.[\w-]+)+", text))
        assert hosts <= {"http://www.w3.org"}, name  # a namespace


def test_the_policy_stands_in_the_page(files):
    text = files["index.html"].decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy == CONTENT_SECURITY_POLICY


def test_the_headers_stand_in_the_documentation():
    text = (ROOT / "docs/page.md").read_text(encoding="utf-8")
    assert "\n".join(f"{name}: {value}" for name, value in HEADERS.items()) in text


def test_the_runtime_is_what_npm_is_asked_for(files):
    package_json = json.loads((ROOT / "page/package.json").read_text())
    lock = json.loads((ROOT / "page/package-lock.json").read_text())
    version = package_json["dependencies"]["onnxruntime-web"]
    assert lock["packages"]["node_modules/onnxruntime-web"]["version"] == version
    assert f"ONNX Runtime Web v{version}".encode() in files["ort/ort.js"][:100]
    assert len(files["ort/ort.wasm.gz"]) < 4e6


def test_facts_are_those_of_the_package(files):
    facts = json.loads(files["facts.json"])
    assert facts["hasServer"]
    assert not json.loads(page_files()["facts.json"])["hasServer"]
    assert facts["version"] == package.__version__
    assert facts["tracker"]["detectEvery"] == FaceTracker(package.FaceAligner()).detect_every
    assert facts["aligner"]["halfTurn"] == {"angleDeg": 180.0}
    assert facts["finder"]["size"] == FaceFinder().size
    assert facts["model"]["edges"] == [list(edge) for edge in FACE68.edges]
    bundle = load_bundle(bundle_path("dan68-fast"))
    assert np.array_equal(np.float32(facts["model"]["meanShape"]), bundle.mean_shape)


def test_the_finder_gives_boxes_as_the_page_takes_them():
    assert FaceFinder.box_fit == BoxFit()


def test_the_command_writes_a_new_folder(dan, tmp_path, files):
    out = tmp_path / "page"
    done = dan("page", "-o", out)
    assert done.code == 0
    assert re.search(rf", {len(files)} files, 10\.\d MB$", " ".join(done.err.split()))
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert written == set(files)
    assert dan("page", "-o", out).code == 2  # nothing is overwritten


def test_a_model_that_is_none_leaves_no_folder(dan, tmp_path):
    done = dan("page", "-o", tmp_path / "page", "--model", "none")
    assert done.code == 2
    assert "none: expected a bundle's path or a model's name" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["index.html", "style.css"])
def test_both_looks_are_declared(files, name):
    assert "light dark" in files[name].decode()
