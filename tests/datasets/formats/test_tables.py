"""WFLW lists, HRNet's and YouTube Faces' tables."""

import numpy as np
import pytest

from dan.core.errors import ConfigError, FormatError
from dan.datasets.formats import (
    AnnotationSet,
    load_hrnet_csv,
    load_wflw,
    load_youtube_csv,
    parse_hrnet_csv,
    parse_wflw,
    parse_youtube_csv,
    render_hrnet_csv,
    render_wflw,
    save_hrnet_csv,
    save_wflw,
    save_youtube_csv,
)
from dan.schemes import WFLW98, LandmarkScheme

TWO = LandmarkScheme.plain(2)
WFLW = "1.5 2 3 4.25 0 1 9 10 0 1 0 0 1 0 24--Soldier/a b.jpg\n"
HRNET = "image_name,scale,center_w,center_h,original_0_x,original_0_y\na.jpg,0.5,60,70,10,20\n"
YOUTUBE = "image,0,1,2,3\na.jpg,1.0,2.0,3.0,4.0\nb.jpg,5,6,,\na.jpg,7,8,9,10\n"


def test_wflw_lines():
    faces = parse_wflw(WFLW, scheme=TWO)
    assert faces.image_names == ("24--Soldier/a b.jpg",)
    assert faces.points.tolist() == [[[1.5, 2], [3, 4.25]]]
    assert faces.boxes_xyxy.tolist() == [[0, 1, 9, 10]]
    assert faces.attributes["expression"].tolist() == [1]
    assert faces.attributes["occlusion"].tolist() == [1]
    assert len(faces.attributes) == 6


def test_wflw_lines_without_box_and_attributes():
    faces = parse_wflw("1 2 3 4 a.jpg\n\n5 6 7 8 a.jpg\n", scheme=TWO)
    assert faces.points[1].tolist() == [[5, 6], [7, 8]]
    assert faces.image_names == ("a.jpg",)
    assert np.isnan(faces.boxes_xyxy).all()


def test_wflw_has_98_points_unless_told():
    assert parse_wflw("").points.shape == (0, 98, 2)
    line = " ".join(["1"] * 196) + " a.jpg"
    assert parse_wflw(line).points.shape == (1, 98, 2)
    assert parse_wflw(line).scheme is WFLW98


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("1 2 3 a.jpg", "line 1: expected 4 numbers and an image name", id="few"),
        pytest.param("1 2 3 4", "line 1: expected 4 numbers and an image name", id="no name"),
        pytest.param("\n1 2 x 4 a.jpg", "line 2: expected a number, got 'x'", id="a word"),
        pytest.param("1 2 inf 4 a.jpg", "line 1: expected finite numbers, got 'inf'", id="inf"),
        pytest.param("1 2 nan 4 a.jpg", "point 1: expected finite", id="half a point"),
        pytest.param(WFLW + "1 2 3 4 b.jpg", "line 2: expected 14 numbers", id="mixed forms"),
        pytest.param(b"\xff", "not UTF-8", id="not text"),
    ],
)
def test_wflw_damage(text, message):
    with pytest.raises(FormatError, match=message):
        parse_wflw(text, scheme=TWO)


def test_wflw_writes_no_unknown_points_and_no_names_that_would_change():
    faces = AnnotationSet.build(["a"], [0], [[[1, 2], [np.nan, np.nan]]])
    with pytest.raises(FormatError, match=r"face 0 \(a\): expected every point to be known"):
        render_wflw(faces)
    with pytest.raises(FormatError, match="no white space at its ends"):
        render_wflw(AnnotationSet.build([" a"], [0], [[[1, 2]]]))


def test_hrnet_lines():
    faces = parse_hrnet_csv(HRNET)
    assert faces.points.tolist() == [[[10, 20]]]
    assert faces.boxes_xyxy.tolist() == [[10, 20, 110, 120]]
    from_1 = parse_hrnet_csv(HRNET, first_pixel=1)
    assert from_1.points.tolist() == [[[9, 19]]]
    assert from_1.boxes_xyxy.tolist() == [[9, 19, 109, 119]]
    assert render_hrnet_csv(from_1, first_pixel=1) == render_hrnet_csv(faces)


def test_hrnet_columns_in_another_order():
    text = "image_name,image_id,scale,box_size,center_w,center_h,original_0_x,original_0_y\n"
    assert parse_hrnet_csv(text + "a,7,1,9,60,70,,\n").known.tolist() == [[False]]


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        pytest.param(parse_hrnet_csv, "", "expected a heading", id="empty"),
        pytest.param(parse_hrnet_csv, YOUTUBE, "heading: expected image_name, scale", id="other"),
        pytest.param(parse_hrnet_csv, HRNET.replace(",20", ""), "line 2: expected 6 columns.*got 5",
                     id="short"),
        pytest.param(parse_hrnet_csv, HRNET.replace("10", "ten"), "line 2: .*'ten'", id="word"),
        pytest.param(parse_hrnet_csv, HRNET.replace("0.5", "-1"), "x0 <= x1", id="scale"),
        pytest.param(parse_youtube_csv, "", "expected a heading", id="no table"),
        pytest.param(parse_youtube_csv, HRNET, "heading: expected an image column", id="HRNet"),
        pytest.param(parse_youtube_csv, "image,0,1,2\n", "even number", id="odd"),
        pytest.param(parse_youtube_csv, YOUTUBE + '"a', "line 5: expected CSV", id="open quote"),
        pytest.param(parse_youtube_csv, YOUTUBE.replace(",6,", ",,"), "point 0", id="half"),
        pytest.param(parse_youtube_csv, YOUTUBE.replace("b.jpg", ""), "image name", id="no name"),
    ],
)  # fmt: skip
def test_damaged_tables(parse, text, message):
    with pytest.raises(FormatError, match=message) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_only_0_and_1_are_first_pixels():
    with pytest.raises(ConfigError, match="first_pixel: expected 0 or 1, got 2"):
        parse_hrnet_csv(HRNET, first_pixel=2)


def test_youtube_lines():
    faces = parse_youtube_csv(YOUTUBE)
    assert faces.image_names == ("a.jpg", "b.jpg")
    assert faces.image_index.tolist() == [0, 1, 0]
    assert faces.known.tolist() == [[True, True], [True, False], [True, True]]


@pytest.mark.parametrize(
    ("save", "load"),
    [
        (save_wflw, lambda path: load_wflw(path, scheme=TWO)),
        (save_hrnet_csv, load_hrnet_csv),
        (save_youtube_csv, load_youtube_csv),
    ],
)
def test_writing_and_reading_files(tmp_path, save, load):
    path = tmp_path / "faces"
    faces = AnnotationSet.build(["a"], [0], [[[1.25, 2.0], [3.0, 4.0]]])
    save(path, faces)
    assert load(path).points.tolist() == [[[1.25, 2], [3, 4]]]
    path.write_bytes(b"\xff")
    with pytest.raises(FormatError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_the_real_table_of_video_frames(shared_youtube):
    faces = load_youtube_csv(shared_youtube / "keypoints.csv")
    assert faces.points.shape == (len(faces), 68, 2)
    assert len(faces) > 3000
    assert faces.known.all()
    assert all(path.is_file() for path in faces.image_paths(shared_youtube / "frames")[:50])
