import numpy as np
import pytest

from dan.core.errors import FormatError
from dan.datasets.formats import (
    AnnotationSet,
    load_dlib_xml,
    parse_dlib_xml,
    render_dlib_xml,
    save_dlib_xml,
)
from dan.schemes import FACE51, FACE68, LandmarkScheme


def document(inside: str, head: str = "") -> str:
    return (
        f"<?xml version='1.0'?>\n{head}<dataset>\n<name>x</name>\n<images>\n{inside}\n</images>\n"
        "</dataset>\n"
    )


BOX = "<box top='1' left='2' width='3' height='4'>"
PARTS = "\n  <part name='0' x='5' y='6'/>\n  <part name='1' x='7' y='8'/>\n"
ONE = document(f"<image file='a.jpg'>\n{BOX}{PARTS}</box>\n</image>")


def test_a_box_holds_its_last_pixel_and_points_stand_as_they_are():
    faces = parse_dlib_xml(ONE)
    assert faces.image_names == ("a.jpg",)
    assert faces.points.tolist() == [[[5, 6], [7, 8]]]
    assert faces.boxes_xyxy.tolist() == [[2, 1, 4, 4]]


def test_everything_a_file_can_say():
    faces = parse_dlib_xml(
        document(
            f"<image file='no face.jpg' width='640' height='480'/><image file='a&amp;b.jpg'>"
            f"<box top='1' left='2' width='3' height='4' ignore='1' occluded='1' age='30'/>"
            f"{BOX}<label>Ann</label>{PARTS}</box></image><!-- {BOX}{PARTS}</box> -->"
            f"<image file='c.jpg'>{BOX}<part y='2' name='1' x=\"1.5\"></part></box></image>"
        )
    )
    assert faces.image_names == ("no face.jpg", "a&b.jpg", "c.jpg")
    assert faces.image_sizes_wh.tolist() == [[640, 480], [0, 0], [0, 0]]
    assert faces.face_names == ("a&b.jpg", "a&b.jpg", "c.jpg")
    assert faces.ignore.tolist() == [True, False, False]
    assert {name: v.tolist() for name, v in faces.attributes.items()} == {"occluded": [1, 0, 0]}
    assert faces.known.tolist() == [[False, False], [True, True], [False, True]]
    assert faces.points[2, 1].tolist() == [1.5, 2]


@pytest.mark.parametrize(
    ("names", "scheme", "places"),
    [
        pytest.param(["00", "02", "01"], None, [0, 2, 1], id="numbers are places"),
        pytest.param(["0", "2", "10"], None, [0, 1, 2], id="not sorted by letters"),
        pytest.param(["38", "36", "37"], None, [2, 0, 1], id="cut to some parts"),
        pytest.param(["3", "36"], LandmarkScheme.plain(2), [0, 1], id="as many as the scheme has"),
        pytest.param(["36", "3"], FACE68, [36, 3], id="some of the scheme's"),
        pytest.param(["1", "2", "3"], None, [0, 1, 2], id="from 1"),
        pytest.param(["1", "2"], LandmarkScheme.plain(3), [1, 2], id="0 is left out"),
        pytest.param(["1", "3"], LandmarkScheme.plain(3), [0, 2], id="from 1, as 3 says"),
        pytest.param(["nose", "chin"], None, [1, 0], id="sorted by letters, as dlib"),
        pytest.param(["jaw_1", "jaw_0"], FACE68, [1, 0], id="names of the scheme"),
    ],
)
def test_names_of_parts(names, scheme, places):
    parts = "".join(f"<part name='{n}' x='{i}' y='0'/>" for i, n in enumerate(names))
    faces = parse_dlib_xml(document(f"<image file='a'>{BOX}{parts}</box></image>"), scheme=scheme)
    assert faces.points[0, places, 0].tolist() == list(range(len(names)))
    assert np.count_nonzero(faces.known) == len(names)
    assert faces.n_landmarks == (scheme.n_landmarks if scheme else max(places) + 1)


def bomb(lines: int) -> str:
    entities = "".join(
        f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(lines)
    )  # fmt: skip
    return f"<!DOCTYPE dataset [<!ENTITY a0 'ha'>{entities}]>"


FULL = f"<image file='a'>{BOX}{PARTS}</box></image>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "expected XML: no element found", id="empty"),
        pytest.param(ONE[:-20], "expected XML: .*line", id="cut off"),
        pytest.param(ONE.replace("<name>", "<name"), "expected XML: .*line 3", id="not XML"),
        pytest.param("<html/>", "line 1: expected the root element dataset, got 'html'", id="HTML"),
        pytest.param(document(FULL, bomb(9)), "without a document type", id="a bomb of entities"),
        pytest.param(
            document("", "<!DOCTYPE d SYSTEM 'file:///etc/passwd'>"), "document type", id="files"
        ),
        pytest.param(document(FULL.replace("'5'", "'five'")), "line 6: part.*five", id="a word"),
        pytest.param(document(FULL.replace("'5'", "'nan'")), "line 6: part: .*finite", id="NaN"),
        pytest.param(document(FULL.replace("'5'", "'1e999'")), "finite", id="infinite"),
        pytest.param(document(FULL.replace("'5'", "'1e12'")), "point 0: expected fin", id="absurd"),
        pytest.param(document(FULL.replace(" y='6'", "")), "line 6: part: .*'y': None", id="no y"),
        pytest.param(document(FULL.replace("name='0'", "")), "line 6: part: .*name", id="no name"),
        pytest.param(document(FULL.replace("'1'", "'0'")), "expected each part once", id="double"),
        pytest.param(document(FULL.replace("'1' x", "'00' x")), "each part once", id="0 and 00"),
        pytest.param(document(FULL.replace("top='1'", "")), "line 5: box: .*'top': None", id="top"),
        pytest.param(document(FULL.replace("width='3'", "width='0'")), "1 or more", id="no width"),
        pytest.param(document(FULL.replace(" file='a'", "")), "line 5: image: .*file", id="file"),
        pytest.param(document(FULL.replace("file='a'", "file=''")), "image name", id="empty name"),
        pytest.param(document(FULL.replace("'a'", "'a' width='1.5' height='2'")), "whole", id="px"),
        pytest.param(document(f"{BOX}{PARTS}</box>"), "a box inside an image", id="no image"),
        pytest.param(document(f"<image file='a'>{BOX}{BOX}</box></box></image>"), "other boxes",
                     id="box in box"),
        pytest.param(document("<image file='a'><image file='b'/></image>"), "side by", id="images"),
        pytest.param(
            document("".join(FULL.replace("name='", f"name='{i:03}") for i in range(500))),
            "about the same parts in each box, got 1000 names of parts, but 1000", id="other names",
        ),
        pytest.param(
            "<?xml version='1.0' encoding='none'?><dataset/>", "expected XML", id="unknown code"
        ),
        pytest.param("<dataset>\x00</dataset>", "expected XML", id="NUL"),
        pytest.param("<dataset>\ud800</dataset>", "UTF-8 can hold", id="half a letter"),
    ],
)  # fmt: skip
def test_what_is_refused(text, message):
    if "encoding=" in text:
        text = text.encode() + b"\xff"
    with pytest.raises(FormatError, match=message) as caught:
        parse_dlib_xml(text)
    assert "\n" not in str(caught.value)


def test_deep_nesting_and_long_rows_of_boxes_end_soon():
    deep = "<dataset>" + "<x>" * 50_000 + "</x>" * 50_000 + "</dataset>"
    assert len(parse_dlib_xml(deep)) == 0
    for boxes in ("<box>", "<box/>"):
        with pytest.raises(FormatError, match="a box inside an image"):
            parse_dlib_xml("<dataset>" + boxes * 100_000 + "</box></dataset>")


def with_parts(numbers) -> str:
    parts = "".join(f"<part name='{number:02}' x='{number}' y='5'/>" for number in numbers)
    return document(f"<image file='a'>{BOX}{parts}</box></image>")


def test_a_file_cut_to_some_parts_has_just_these_points():
    eyes = parse_dlib_xml(with_parts(range(36, 48)))
    assert eyes.points[..., 0].tolist() == [list(range(36, 48))]
    assert eyes.or_plain_scheme() == LandmarkScheme.plain(12)
    without_jaw = parse_dlib_xml(with_parts(range(17, 68)))
    assert without_jaw.or_plain_scheme() is FACE51


def test_a_choice_of_parts_is_not_taken_for_the_scheme_of_that_number():
    """29 of 68 points are not those of COFW, whose flip partners are others."""
    text = with_parts(range(0, 58, 2))
    with pytest.raises(FormatError, match="or to be told the scheme, got 29 numbers from 0 to 56"):
        parse_dlib_xml(text)
    assert parse_dlib_xml(text, scheme=LandmarkScheme.plain(29)).points[0, 1].tolist() == [2, 5]
    assert np.flatnonzero(parse_dlib_xml(text, scheme=FACE68).known[0]).tolist() == [
        *range(0, 58, 2)
    ]


def test_a_scheme_with_fewer_points_is_an_error():
    with pytest.raises(FormatError, match="the 1 landmarks of points1, got 2"):
        parse_dlib_xml(ONE, scheme=LandmarkScheme.plain(1))


def test_letters_beyond_ascii_whatever_the_declaration_says():
    latin = ONE.replace("version='1.0'", "version='1.0' encoding='ISO-8859-1'").replace("a.", "é.")
    assert parse_dlib_xml(latin.encode()).image_names == ("é.jpg",)  # as dlib writes it
    assert parse_dlib_xml(latin.encode("latin-1")).image_names == ("é.jpg",)
    assert parse_dlib_xml(latin).image_names == ("é.jpg",)
    assert parse_dlib_xml(ONE.encode("utf-16")).points.tolist() == [[[5, 6], [7, 8]]]


def test_writing_and_reading_a_file(tmp_path):
    path = tmp_path / "faces.xml"
    faces = AnnotationSet.build(["a"], [0], [[[1.4, 2.6], [-3.0, 4.0]]])
    save_dlib_xml(path, faces)
    again = load_dlib_xml(path)
    assert again.points.tolist() == [[[1, 3], [-3, 4]]]
    assert again.boxes_xyxy.tolist() == [[-3, 3, 1, 4]]
    save_dlib_xml(path, faces, decimals=1)
    assert load_dlib_xml(path).points.tolist() == [[[1.4, 2.6], [-3, 4]]]
    path.write_text("<dataset>")
    with pytest.raises(FormatError) as caught:
        load_dlib_xml(path)
    assert str(caught.value).startswith(f"{path}: expected XML")
    with pytest.raises(FormatError) as caught:
        load_dlib_xml(tmp_path / "none.xml")
    assert str(caught.value) == f"{tmp_path / 'none.xml'}: No such file or directory"


def test_a_face_of_which_nothing_is_known_cannot_be_written():
    nothing = AnnotationSet.build(["a"], [0], np.full((1, 2, 2), np.nan))
    with pytest.raises(FormatError, match=r"face 0 \(a\): expected a box or known points"):
        render_dlib_xml(nothing)
