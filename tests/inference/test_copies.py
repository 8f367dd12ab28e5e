"""Everything that finds faces can be copied and sent to another process, and so can the results."""

import copy
import multiprocessing
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from helpers import PORTRAIT

from dan.core.errors import ConfigError, DeviceError
from dan.inference.aligner import FaceAligner
from dan.inference.bundle import bundle_path, load_bundle
from dan.inference.detections import BoxFit
from dan.inference.detectors import DETECTORS, build_detector
from dan.inference.onnx_model import OnnxModel
from dan.video.tracker import FaceTracker

COPIES = {
    "pickle": lambda given: pickle.loads(pickle.dumps(given)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
every_copy = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


@pytest.fixture(scope="module")
def whole():
    return FaceAligner("dan68-fast", "whole", threads=1)


@pytest.fixture(scope="module")
def faces(whole):
    return whole(PORTRAIT)


@every_copy
def test_a_model_starts_a_session_of_its_own(model, copied):
    other = copied(model)
    crops = np.random.default_rng(0).integers(0, 256, (2, model.crop_size, model.crop_size), "u1")
    assert np.array_equal(other(crops).estimates(), model(crops).estimates())
    assert other._session is not model._session
    assert (other.threads, other.provider) == (1, "cpu")
    assert (other.name, other.sha256) == (model.name, model.sha256)


@every_copy
def test_an_aligner_keeps_its_options(model, portrait, copied):
    aligner = FaceAligner(model, "whole", passes=2, max_faces=1, min_confidence=0.01)
    wanted = aligner(portrait)
    for other in (
        copied(FaceAligner(model, "whole", passes=2, min_confidence=0.01)),
        copied(aligner),
    ):
        assert np.array_equal(other(portrait).points_xy, wanted.points_xy)
        assert (other.passes, other.min_confidence) == (2, 0.01)
    assert other.max_faces == 1


@every_copy
@pytest.mark.parametrize("name", DETECTORS)
def test_detectors(portrait, name, copied):
    try:
        detector = build_detector(name)
    except ConfigError as error:
        pytest.skip(str(error))
    detector.box_fit = BoxFit(scale_wh=(0.5, 0.6))
    before = detector.detect(portrait)
    other = copied(detector)
    assert np.array_equal(other.detect(portrait).boxes_xyxy, before.boxes_xyxy)
    assert other.box_fit == BoxFit(scale_wh=(0.5, 0.6))
    assert vars(other).keys() == vars(detector).keys()


@every_copy
def test_results(faces, copied):
    other = copied(faces)
    assert other.to_dict() == faces.to_dict()
    assert other.scheme == faces.scheme
    assert np.array_equal(other[0].points_xy, faces[0].points_xy)


@every_copy
def test_what_goes_with_them(whole, copied):
    search = whole.search(PORTRAIT)
    assert np.array_equal(copied(search).batch.crops, search.batch.crops)
    found, again = (whole.faces_of([one])[0] for one in (search, copied(search)))
    assert again.to_dict() == found.to_dict()
    bundle = load_bundle(bundle_path("dan68-fast"))
    assert copied(bundle).metadata == bundle.metadata


@pytest.mark.parametrize("kind", ["pickle", "deepcopy"])
def test_a_tracker_goes_on_where_it_was(whole, portrait, kind):
    tracker = FaceTracker(whole, detect_every=2)
    tracker.update(portrait, 0.0)
    other = COPIES[kind](tracker)
    for number in range(1, 4):
        shifted = np.roll(portrait, number, axis=1)
        wanted = tracker.update(shifted, number / 25)
        assert other.update(shifted, number / 25).to_dict() == wanted.to_dict()
    assert (other.n_frames, other.n_detections) == (tracker.n_frames, tracker.n_detections)


def test_a_copied_aligner_is_safe_to_share(whole):
    other = copy.deepcopy(whole)
    assert isinstance(other._making_detector, type(threading.Lock()))
    assert other._making_detector is not whole._making_detector


def test_another_process_finds_the_same(whole, faces):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(whole, PORTRAIT).result(timeout=120)
    assert found.to_dict() == faces.to_dict()


@pytest.mark.torch
def test_workers_of_a_data_loader(whole, faces):
    import torch

    loader = torch.utils.data.DataLoader(
        [PORTRAIT, PORTRAIT],
        batch_size=None,
        collate_fn=whole,
        num_workers=1,
        multiprocessing_context="spawn",
    )
    assert [found.to_dict() for found in loader] == [faces.to_dict()] * 2


def test_a_model_that_cannot_start_elsewhere_says_so(monkeypatch):
    data = pickle.dumps(OnnxModel("dan68-fast", threads=1))
    monkeypatch.setattr("onnxruntime.get_available_providers", list)
    with pytest.raises(DeviceError, match="provider: expected one that this onnxruntime has"):
        pickle.loads(data)
