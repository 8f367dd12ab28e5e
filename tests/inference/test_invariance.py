"""What is found in a face does not depend on the faces that go through the network with it."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from dan.core.images import read_rgb
from dan.inference.aligner import FaceAligner, Search, in_batches
from dan.inference.bundle import bundle_path, load_bundle
from dan.inference.onnx_model import MAX_BATCH, OnnxModel


@pytest.fixture(scope="module")
def pictures(portrait_path):
    """The portrait as it comes out at many angles and sizes."""
    portrait = read_rgb(portrait_path)
    middle = (225, 130)
    moves = [
        cv2.getRotationMatrix2D(middle, 7.3 * n - 60, 0.8 + 0.03 * (n % 11)) for n in range(18)
    ]
    return [cv2.warpAffine(portrait, move, (450, 300)) for move in moves]


@pytest.mark.parametrize("model", ["dan68-fast", "dan68"])
def test_any_grouping_of_crops_gives_the_same_bits(model, pictures):
    network = OnnxModel(model, threads=1)
    boxes = [(179.0, 90.0, 269.0, 175.0)]
    aligner = FaceAligner(network)
    crops = np.concatenate([aligner.search(one, boxes=boxes).batch.crops for one in pictures])
    whole = network(crops)
    random = np.random.default_rng(3)
    for _ in range(3):
        order = random.permutation(len(crops))
        cuts = np.sort(random.choice(np.arange(1, len(crops)), 7, replace=False))
        for group in np.split(order, [*cuts, len(crops) - 1]):  # the last is alone
            found = network(crops[group])
            assert found.points.tobytes() == whole.points[group].tobytes()
            assert found.stages.tobytes() == whole.stages[:, group].tobytes()
            assert found.confidence.tobytes() == whole.confidence[group].tobytes()


def test_a_crop_left_over_by_full_runs_is_not_alone(pictures):
    network = OnnxModel("dan68-fast", threads=1)
    aligner = FaceAligner(network)
    (crop,) = aligner.search(pictures[3], boxes=[(179.0, 90.0, 269.0, 175.0)]).batch.crops
    many = network(np.repeat(crop[None], MAX_BATCH + 1, axis=0))
    assert len(many.points) == MAX_BATCH + 1
    assert (many.points == many.points[0]).all()


def test_a_lone_crop_of_an_older_bundle_goes_twice_and_comes_back_once(pictures):
    now = load_bundle(bundle_path("dan68-fast"))
    card = {name: value for name, value in now.card.items() if name != "keeps_crops_apart"}
    before = OnnxModel(replace(now, card=card), threads=1)
    crop = np.full((1, now.crop_size, now.crop_size), 90, dtype=np.uint8)
    seen = []
    run = before._session.run
    before._session = SimpleNamespace(
        run=lambda names, given: seen.append(given) or run(names, given)
    )
    found, wanted = before(crop), OnnxModel(now, threads=1)(crop)
    assert len(seen[0]["crops"]) == 2
    for name in ("points", "stages", "confidence", "covariance", "visibility"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name


@pytest.mark.parametrize("pool_faces", [1, 2, 5, 64])
def test_pictures_do_not_depend_on_those_in_their_pool(pictures, pool_faces):
    aligner = FaceAligner("dan68-fast", threads=1)
    alone = [aligner(picture) for picture in pictures]
    searches = ((place, aligner.search(picture)) for place, picture in enumerate(pictures))
    pooled = [
        pair for each in in_batches(searches, pool_faces) for pair in aligner.faces_of_each(each)
    ]
    assert [place for place, _ in pooled] == list(range(len(pictures)))
    for one, (_, other) in zip(alone, pooled, strict=True):
        assert not isinstance(other, Search)
        assert one.to_dict(certainty=True) == other.to_dict(certainty=True)
        assert one.points_xy.tobytes() == other.points_xy.tobytes()
