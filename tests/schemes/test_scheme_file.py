import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ConfigError, FormatError
from dan.schemes import (
    FACE68,
    SCHEMES,
    LandmarkScheme,
    load_scheme,
    load_scheme_file,
    parse_scheme,
    render_scheme,
    scheme_file,
)

FOUR = """
name = "corners4"
points = ["left_eye", "right_eye", "left_mouth", "right_mouth"]
"""


def test_the_example_of_the_docstring_reads():
    lines = scheme_file.__doc__.split("::\n")[1].split("\nPoints are")[0].splitlines()
    found = parse_scheme("\n".join(line.removeprefix("    ") for line in lines))
    assert found.scheme.mirror.tolist() == [1, 0, 3, 2]
    assert found.scheme.edges == ((0, 1), (2, 3))
    assert found.scheme.groups == {"eyes": (0, 1)}
    assert found.scheme.eyes.left == (0,)
    assert found.scheme.eyes.outer_corners is None
    assert found.positions.shape == (4, 2)


def test_points_by_number_and_by_index():
    text = 'name = "six"\npoints = 6\nflip = [[0, 1]]\n[groups]\nend = [5, "point_4"]\n'
    scheme = parse_scheme(text).scheme
    assert scheme.point_names[5] == "point_5"
    assert scheme.mirror.tolist() == [1, 0, 2, 3, 4, 5]
    assert scheme.groups == {"end": (5, 4)}


def test_no_flip_and_an_empty_flip_differ():
    assert parse_scheme(FOUR).scheme.mirror is None
    assert parse_scheme(FOUR + "flip = []").scheme.mirror.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_round_trip_of_all_known_schemes(scheme):
    positions = np.random.default_rng(0).uniform(-1, 1, (scheme.n_landmarks, 2)).round(4)
    again = parse_scheme(render_scheme(scheme, positions))
    assert again.scheme == scheme
    np.testing.assert_array_equal(again.positions, positions)
    assert parse_scheme(render_scheme(scheme)).positions is None


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1,
                unique=True))  # fmt: skip
def test_any_names_come_back(names):
    scheme = LandmarkScheme(names[0], tuple(names), groups=dict.fromkeys(names, (0,)))
    assert parse_scheme(render_scheme(scheme)).scheme == scheme


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "expected TOML: "),
        ('points = ["a"]', "name: expected an entry, found none"),
        ('name = "x"', "points: expected an entry, found none"),
        ('name = "x"\npoints = []', "points: expected"),
        ('name = "x"\npoints = 0', "points: expected .* got 0"),
        ('name = "x"\npoints = true', "points: expected .* got True"),
        ('name = "x"\npoints = 1000000000', "points: expected"),
        ('name = "x"\npoints = ["a", 1]', r"points\[1\]: expected a text, got 1"),
        ('name = "x"\npoints = ["a", "a"]', "unique point names"),
        (FOUR + "colour = 1", "colour: unknown setting; known: name, points"),
        (FOUR + "flip = 5", "flip: expected a list, got 5"),
        (FOUR + 'flip = ["left_eye"]', r"flip\[0\]: expected a list, got 'left_eye'"),
        (FOUR + 'flip = [["left_eye"]]', r"flip\[0\]: .* list of length 2, got \['left_eye'\]"),
        (FOUR + "flip = [[0, 4]]", r"flip: .* index 0\.\.3, got 4"),
        (FOUR + 'flip = [["left_eye", "nose"]]', "flip: expected the name .* got 'nose'"),
        (FOUR + "flip = [[0, 1], [1, 2]]", "flip: expected each .* in one pair, got 'right_eye'"),
        (FOUR + "edges = [[0, true]]", r"edges\[0\]\[1\]: expected the name .* got True"),
        (FOUR + "groups = 3", "groups: expected a table, got 3"),
        (FOUR + "[groups]\nall = [9]", r"groups\.all: expected"),
        (FOUR + "[groups]\none = [1]\nall = [[9]]", r"groups\.all\[0\]: expected the name .*\[9\]"),
        (FOUR + "eyes = 3", "eyes: expected a table, got 3"),
        (FOUR + "[eyes]\nleft = [0]", r"eyes\.right: expected an entry, found none"),
        (FOUR + "[eyes]\nleft = []\nright = [1]", "at least 1 point of each eye"),
        (FOUR + "[eyes]\nleft = [0]\nright = [1]\ninner = [2]", r"eyes\.inner: unknown"),
        (FOUR + "[eyes]\nleft = [0]\nright = [1]\nouter_corners = [0]", "corners: .* length 2"),
        (FOUR + "positions = [[0, 1]]", r"finite x and y of 4 points, got \(1, 2\)"),
        (FOUR + "positions = [[0, 1], [2]]", r"positions\[1\]: .* length 2, got \[2\]"),
        (FOUR + "positions = [[0, nan], [0, 0], [0, 0], [0, 0]]", "positions: expected finite"),
    ],
)  # fmt: skip
def test_bad_files_are_named_in_one_line(tmp_path, text, message):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        load_scheme_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_schemes_by_name_or_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(FOUR)
    assert load_scheme("face68") is FACE68
    assert load_scheme(path).name == load_scheme(str(path)).name == "corners4"
    with pytest.raises(ConfigError, match="or a scheme file, got face69"):
        load_scheme("face69")
    with pytest.raises(FormatError, match=r"absent\.toml: No such file"):
        load_scheme(tmp_path / "absent.toml")
