from dataclasses import replace

import cv2
import numpy as np
import pytest

from dan.core.errors import DeviceError
from dan.inference.faces import Faces
from dan.schemes import FACE68
from dan.video import window as window_module
from dan.video.drawing import ID_COLOURS, colour_of, draw_tracked
from dan.video.tracked_faces import TrackedFaces
from dan.video.window import LiveWindow


def tracked(points, ids, confidence=0.5):
    boxes = [[*shape.min(axis=0), *shape.max(axis=0)] for shape in points]
    levels = np.full(len(points), confidence)
    return TrackedFaces.of(Faces(points, np.array(boxes), levels, levels, FACE68), ids)


def test_each_id_has_its_colour_and_the_frame_is_left_alone(scene):
    frame = np.full((240, 320, 3), 90, dtype=np.uint8)
    shape = scene.face()[1].round()  # a dot of a pixel's width is whole on a pixel's centre
    points = shape + np.array([[[10, 100]], [[200, 100]]])
    for ids in ([1, 2], [2, 1], [9, 7]):
        drawn = draw_tracked(frame, tracked(points, ids)).astype(float)
        for shape, track_id in zip(points, ids, strict=True):
            x, y = shape[30].astype(int)  # the tip of the nose
            nearest = min(ID_COLOURS, key=lambda colour: np.linalg.norm(drawn[y, x] - colour))
            assert nearest == colour_of(track_id)
            assert drawn[y, x].mean() > 120
    assert (frame == 90).all()


def test_colours_are_light_differ_and_come_again():
    assert len(set(ID_COLOURS)) == len(ID_COLOURS)
    assert min(np.mean(colour) for colour in ID_COLOURS) > 150
    assert [colour_of(n) for n in range(1, 10)] == [*ID_COLOURS, ID_COLOURS[0]]


def test_the_confidence_is_told_where_it_is_known(scene, monkeypatch):
    labels = []
    monkeypatch.setattr(
        "dan.video.drawing.draw_face", lambda image, *_, label, **__: labels.append(label) or image
    )
    points = scene.face()[1][None]
    frame = np.zeros((80, 80, 3), np.uint8)
    draw_tracked(frame, tracked(points, [3], 0.876))
    draw_tracked(frame, tracked(points, [4], np.nan))
    assert labels == ["3: 88%", "4"]
    nobody = draw_tracked(frame, TrackedFaces.empty(FACE68))
    assert (nobody == frame).all()
    assert nobody is not frame


def test_certainty_is_drawn_on_request_in_the_colour_of_the_id(scene):
    frame = np.full((240, 320, 3), 90, dtype=np.uint8)
    plain = tracked(scene.face()[1][None] + [100, 100], [2])
    spread = np.tile(900 * np.eye(2), (1, 68, 1, 1))
    telling = replace(plain, covariance=spread, visibility=np.zeros((1, 68)))
    without = draw_tracked(frame, plain)
    assert (draw_tracked(frame, telling) == without).all()
    added = draw_tracked(frame, telling, certainty=True).astype(int) - without
    far = added[60:90, 100:180].max(axis=(0, 1))  # only ellipses reach there
    red, green, blue = np.array(colour_of(2)) - 90
    assert far[0] > 20 > blue
    np.testing.assert_allclose(far, [far[0], far[0] * green / red, 0], atol=1)


def test_no_window_without_a_display(monkeypatch):
    monkeypatch.setattr(window_module.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="expected a display"):
        LiveWindow("title")


def test_no_window_with_an_opencv_that_has_none(monkeypatch):
    def refuse(*_):
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(window_module, "has_display", lambda: True)
    monkeypatch.setattr(window_module.cv2, "namedWindow", refuse)
    with pytest.raises(DeviceError, match="built without windows"):
        LiveWindow("title")


@pytest.mark.parametrize(
    ("key", "is_visible", "goes_on"),
    [(-1, 1, True), (ord("x"), 1, True), (ord("q"), 1, False), (27, 1, False), (-1, 0, False)],
)
def test_a_window_shows_bgr_and_ends_by_key_or_mouse(monkeypatch, key, is_visible, goes_on):
    shown = []
    for name, answer in {
        "namedWindow": lambda *_: None,
        "imshow": lambda title, picture: shown.append(picture),
        "waitKey": lambda _: key,
        "getWindowProperty": lambda *_: float(is_visible),
    }.items():
        monkeypatch.setattr(window_module.cv2, name, answer)
    monkeypatch.setattr(window_module, "has_display", lambda: True)
    assert LiveWindow("title").show(np.array([[[1, 2, 3]]], np.uint8)) is goes_on
    assert shown[0].tolist() == [[[3, 2, 1]]]
