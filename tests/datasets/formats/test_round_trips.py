"""Every format, and every pair of formats, keeps what its page promises."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dan.datasets.formats import (
    UNKNOWN,
    VISIBLE,
    AnnotationSet,
    parse_coco,
    parse_dlib_xml,
    parse_hrnet_csv,
    parse_ljson,
    parse_wflw,
    parse_youtube_csv,
    render_coco,
    render_dlib_xml,
    render_hrnet_csv,
    render_ljson,
    render_wflw,
    render_youtube_csv,
    same_annotations,
)
from dan.datasets.formats.wflw import ATTRIBUTES
from dan.schemes import LandmarkScheme

LIMIT = 5000.0


@dataclass(frozen=True)
class Form:
    """A format and what it keeps."""

    render: Callable[..., str]
    parse: Callable[..., AnnotationSet]
    atol: float
    images: bool = False  # sizes of images, and images without faces
    visibility: bool = False
    unknown: bool = True
    ignore: bool = False
    boxes: str = "none"
    attributes: tuple[str, ...] | None = ()

    def expected(self, faces: AnnotationSet) -> AnnotationSet:
        """What is left of a set, but for rounding."""
        return AnnotationSet.build(
            **self._images(faces),
            points=faces.points,
            visibility=faces.visibility
            if self.visibility
            else np.where(faces.known, VISIBLE, UNKNOWN),
            boxes_xyxy=self._boxes(faces),
            ignore=faces.ignore if self.ignore else None,
            attributes=self._attributes(faces),
            scheme=faces.scheme,
        )

    def _images(self, faces: AnnotationSet) -> dict[str, Any]:
        if self.images:
            return {
                "image_names": faces.image_names,
                "image_index": faces.image_index,
                "image_sizes_wh": faces.image_sizes_wh,
            }
        names = list(dict.fromkeys(faces.face_names))
        return {"image_names": names, "image_index": [names.index(n) for n in faces.face_names]}

    def _boxes(self, faces: AnnotationSet) -> Any:
        if self.boxes == "kept":
            return faces.boxes_xyxy
        if self.boxes == "none":
            return None
        boxes = faces.boxes_or_points_boxes()
        if self.boxes == "square":
            centre = (boxes[:, :2] + boxes[:, 2:]) / 2
            half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0, keepdims=True) / 2
            boxes = np.concatenate([centre - half, centre + half], axis=1)
        return boxes

    def _attributes(self, faces: AnnotationSet) -> dict[str, Any]:
        if self.attributes is None or not len(faces):
            return dict(faces.attributes)
        nothing = np.zeros(len(faces))
        return {
            name: np.nan_to_num(faces.attributes.get(name, nothing)) for name in self.attributes
        }


FORMS = {
    "coco": Form(
        render_coco, parse_coco, 0.0011, images=True, visibility=True, ignore=True,
        boxes="kept", attributes=None,
    ),
    "dlib": Form(render_dlib_xml, parse_dlib_xml, 1.01, images=True, ignore=True, boxes="points"),
    "dlib 2 decimals": Form(
        lambda faces: render_dlib_xml(faces, decimals=2),
        parse_dlib_xml, 0.011, images=True, ignore=True, boxes="points",
    ),
    "wflw": Form(
        render_wflw, parse_wflw, 0.51, unknown=False, boxes="points", attributes=ATTRIBUTES
    ),
    "hrnet": Form(render_hrnet_csv, parse_hrnet_csv, 0.0021, boxes="square"),
    "hrnet from 1": Form(
        lambda faces: render_hrnet_csv(faces, first_pixel=1),
        lambda text, scheme: parse_hrnet_csv(text, first_pixel=1, scheme=scheme),
        0.0021, boxes="square",
    ),
    "youtube": Form(render_youtube_csv, parse_youtube_csv, 0.0006),
}  # fmt: skip

names = st.lists(
    st.text(alphabet="aé名<>&'\"{}[],; \\x=/._-", min_size=1, max_size=8).filter(
        lambda name: name == name.strip() and name
    ),
    max_size=4,
    unique=True,
)


@st.composite
def annotation_sets(draw, unknown=True, unknown_faces=True, n_images=None):
    image_names = draw(names) if n_images is None else ["image"]
    n_images = len(image_names)
    n_faces = draw(st.integers(0, 4)) if image_names else 0
    n_landmarks = draw(st.integers(1, 12))

    def array_of(shape, elements, dtype=np.float64):
        return draw(arrays(dtype, shape, elements=elements))

    floats = st.floats(-LIMIT, LIMIT, width=32)
    seen = array_of((n_faces, n_landmarks), st.integers(0 if unknown else 1, 2), np.uint8)
    if not unknown_faces:
        seen[:, :1] = VISIBLE
    corner = array_of((n_faces, 2), floats)
    size = array_of((n_faces, 2), st.floats(0, LIMIT, width=32))
    boxes = np.concatenate([corner, corner + size], axis=1)
    boxes[array_of(n_faces, st.booleans(), np.bool_) & (seen > 0).any(axis=1)] = np.nan
    attributes = st.dictionaries(
        st.sampled_from(["blur", "pose"]),
        arrays(np.float64, n_faces, elements=st.sampled_from([0.0, 1.0])),
    )
    return AnnotationSet.build(
        image_names,
        np.sort(array_of(n_faces, st.integers(0, max(0, n_images - 1)), np.int64)),
        array_of((n_faces, n_landmarks, 2), floats),
        visibility=seen,
        boxes_xyxy=boxes,
        ignore=array_of(n_faces, st.booleans(), np.bool_),
        image_sizes_wh=array_of((n_images, 2), st.integers(1, 10_000), np.int64),
        attributes=draw(attributes) if n_faces else {},
        scheme=LandmarkScheme.plain(n_landmarks),
    )


def snapshot(faces: AnnotationSet) -> AnnotationSet:
    per_face = ("image_index", "points", "visibility", "boxes_xyxy", "ignore", "image_sizes_wh")
    return replace(faces, **{name: getattr(faces, name).copy() for name in per_face})


quick = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", FORMS)
@quick
@given(data=st.data())
def test_one_format_keeps_what_it_promises_and_the_writer_its_input(name, data):
    form = FORMS[name]
    faces = data.draw(annotation_sets(unknown=form.unknown))
    before = snapshot(faces)
    text = form.render(faces)
    assert same_annotations(faces, before)
    again = form.parse(text, scheme=faces.scheme)
    assert same_annotations(again, form.expected(faces), form.atol), text
    assert form.parse(text.encode(), scheme=faces.scheme).image_names == again.image_names
    # The second time nothing is left to round.
    assert form.render(form.parse(form.render(again), scheme=faces.scheme)) == form.render(again)


PAIRS = [(a, b) for a in FORMS for b in FORMS if a != b]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a} to {b}" for a, b in PAIRS])
@settings(quick, max_examples=8)
@given(data=st.data())
def test_from_any_format_to_any_other(first, second, data):
    a, b = FORMS[first], FORMS[second]
    faces = data.draw(annotation_sets(a.unknown and b.unknown, unknown_faces=False))
    there = a.parse(a.render(faces), scheme=faces.scheme)
    here = b.parse(b.render(there), scheme=faces.scheme)
    assert same_annotations(here, b.expected(there), b.atol)
    np.testing.assert_allclose(here.points, faces.points, rtol=0, atol=a.atol + b.atol)


@quick
@given(annotation_sets(n_images=1))
def test_ljson_and_coco_keep_an_image(faces):
    kept = Form(render_ljson, parse_ljson, 0.0).expected(faces)
    again = parse_ljson(render_ljson(faces), scheme=faces.scheme)
    if len(faces):
        assert same_annotations(again, kept)
        there = parse_coco(render_coco(again, decimals=9))
        assert parse_ljson(render_ljson(there)).points == pytest.approx(
            faces.points, abs=1e-8, nan_ok=True
        )
    else:
        assert len(again) == 0
        assert again.image_names == ("image",)


@pytest.mark.parametrize("name", FORMS)
def test_empty_sets(name):
    form = FORMS[name]
    empty = AnnotationSet.build([], [], np.empty((0, 5, 2)), scheme=LandmarkScheme.plain(5))
    again = form.parse(form.render(empty), scheme=empty.scheme)
    assert len(again) == 0
    assert again.points.shape == (0, 5, 2)
    assert len(form.parse(form.render(AnnotationSet.empty()), scheme=None)) == 0


@pytest.mark.parametrize("name", FORMS)
def test_without_a_scheme_the_number_of_points_is_found(name):
    form = FORMS[name]
    n_landmarks = 98 if name == "wflw" else 7
    points = np.arange(n_landmarks * 2.0).reshape(1, n_landmarks, 2)
    faces = AnnotationSet.build(["a.jpg"], [0], points)
    again = form.parse(form.render(faces), scheme=None)
    assert again.n_landmarks == n_landmarks
    np.testing.assert_allclose(again.points, points, atol=1e-9)
