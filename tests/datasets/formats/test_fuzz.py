"""Damaged files are read or refused with a FormatError in one line; nothing else happens."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import FormatError
from dan.datasets.formats import (
    AnnotationSet,
    parse_coco,
    parse_dlib_xml,
    parse_hrnet_csv,
    parse_ljson,
    parse_theano_npz,
    parse_wflw,
    parse_youtube_csv,
    render_coco,
    render_dlib_xml,
    render_hrnet_csv,
    render_ljson,
    render_wflw,
    render_youtube_csv,
)
from dan.schemes import LandmarkScheme

THREE = LandmarkScheme.plain(3)
FACES = AnnotationSet.build(
    ["a/1.jpg", "b & c.png"],
    [0, 0, 1],
    np.arange(18.0).reshape(3, 3, 2) * 1.5,
    boxes_xyxy=[[0, 0, 9, 9], [1, 2, 30, 40], [5, 5, 6, 6]],
    ignore=[False, True, False],
    image_sizes_wh=[[100, 80], [0, 0]],
    attributes={"blur": [0, 1, 0]},
    scheme=THREE,
)


def theano_file() -> bytes:
    out = io.BytesIO()
    np.savez(
        out,
        filenames=np.array(["x/a.jpg", "x/b.jpg"]),
        origLandmarks=np.arange(12.0).reshape(2, 3, 2),
        boundingBoxes=np.array([[0.0, 0, 5, 5], [1, 1, 6, 6]]),
        mirrors=np.array([False, True]),
    )
    return out.getvalue()


SEEDS: dict[str, tuple[Callable[[bytes], AnnotationSet], bytes]] = {
    "coco": (parse_coco, render_coco(FACES).encode()),
    "dlib": (parse_dlib_xml, render_dlib_xml(FACES).encode()),
    "hrnet": (parse_hrnet_csv, render_hrnet_csv(FACES).encode()),
    "youtube": (parse_youtube_csv, render_youtube_csv(FACES).encode()),
    "wflw": (lambda data: parse_wflw(data, scheme=THREE), render_wflw(FACES).encode()),
    "ljson": (
        parse_ljson,
        render_ljson(AnnotationSet.build(["a"], [0, 0], FACES.points[:2])).encode(),
    ),
    "theano": (parse_theano_npz, theano_file()),
}
# What text files break on: signs of the formats, numbers beyond reach, and half characters.
PIECES = st.sampled_from(
    rb"""&amp; &x; <!-- ]]> <box> </box> </image> < /> " ' , . [ ] { } null true NaN Infinity
    -0 -1 1e999 1e308 0x10 1_0 999999999 \ud800""".split()
) | st.sampled_from(
    [b"", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xef\xbb\xbf"]
)  # fmt: skip
PIECES |= st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"9" * 400])


@st.composite
def mutations(draw, data: bytes):
    """Some bytes of a good file cut out, doubled, or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 5, 20, 100, 10_000])))
        piece = draw(PIECES | st.binary(max_size=6) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", SEEDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_damage_is_read_or_refused(name, data):
    parse, good = SEEDS[name]
    check(parse, data.draw(mutations(good)))


@pytest.mark.parametrize("name", SEEDS)
def test_every_truncation(name):
    parse, good = SEEDS[name]
    for end in range(0, len(good), 3):
        check(parse, good[:end])


def check(parse: Callable[[bytes], AnnotationSet], data: bytes) -> None:
    message = None
    try:
        faces = parse(data)
    except FormatError as error:
        message = str(error)
    if message is None:
        assert isinstance(faces, AnnotationSet)
        assert np.isfinite(faces.points[faces.known]).all()
        assert faces.points.nbytes <= 10_000 + 2_000 * len(data)
    else:
        assert message
        assert "\n" not in message
        assert len(message) < 500


@pytest.mark.parametrize("name", [name for name in SEEDS if name != "theano"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: b"\xef\xbb\xbf" + data, id="byte order mark"),
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="Windows line ends"),
        pytest.param(lambda data: data.rstrip(b"\n"), id="no last line end"),
        pytest.param(lambda data: data.decode(), id="text, not bytes"),
    ],
)
def test_harmless_variants(name, change):
    parse, good = SEEDS[name]
    faces, expected = parse(change(good)), parse(good)
    np.testing.assert_array_equal(faces.points, expected.points)
    assert faces.image_names == expected.image_names


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=300))
@pytest.mark.parametrize("name", SEEDS)
def test_junk(name, junk):
    check(SEEDS[name][0], junk)
