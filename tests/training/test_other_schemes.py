"""Faces converted to other schemes: packed, trained, predicted and scored by the commands."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from dan.datasets.folders import load_folder, save_folder
from dan.datasets.formats import convert_annotations, load_pts
from dan.datasets.pack import load_pack
from dan.datasets.synthetic import write_synthetic_faces
from dan.schemes import FACE5, WFLW98

RECIPE = """
[model]
n_stages = 1
image_size = 32
width = 4
hidden = 32
heat_map = "gaussians"
[data]
face_size = 22
validation_every = 4
[training]
epochs = [4]
batch_size = 8
rate = 3e-3
warm_up_steps = 5
confidence_draws = 1
average_decay = 0.0
precision = "fp32"
"""


BY_BOX = ["diagonal", "box_size"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "normalisers"),
    [
        pytest.param(FACE5, ["inter_pupil", *BY_BOX], id="5 points"),
        pytest.param(WFLW98, ["inter_ocular", "inter_pupil", *BY_BOX], id="98 points"),
    ],
)
def test_from_converted_faces_to_scores(dan, tmp_path, scheme, normalisers):
    def output(*words):
        done = dan(*words)
        assert done.code == 0
        return done.out

    faces = tmp_path / "faces"
    write_synthetic_faces(faces, 40, size=100)
    save_folder(faces, convert_annotations(load_folder(faces), scheme))
    output("prepare", faces, "-o", tmp_path / "faces.npz", "--scheme", scheme.name)
    assert load_pack(tmp_path / "faces.npz").scheme == scheme
    (tmp_path / "tiny.toml").write_text(RECIPE)
    words = ["--recipe", tmp_path / "tiny.toml", "-o", tmp_path / "run", "--device", "cpu"]
    output("train", tmp_path / "faces.npz", *words)
    model = tmp_path / "run" / "model.safetensors"
    output("predict", model, faces / "testset", "-o", tmp_path / "found")
    found = [load_pts(path) for path in (tmp_path / "found").glob("*.pts")]
    assert np.shape(found) == (8, scheme.n_landmarks, 2)
    scores = json.loads(output("evaluate", model, faces / "testset", "--json"))
    assert [score["normaliser"] for score in scores] == normalisers
    assert {score["scheme"] for score in scores} == {scheme.name}
    assert scores[-2]["nme_percent"] < 10  # of the diagonal; points mixed up give 20 and more
