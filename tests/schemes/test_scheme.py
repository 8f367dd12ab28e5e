import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dan.core.errors import ConfigError
from dan.schemes import FACE68, Eyes, LandmarkScheme

FIVE = LandmarkScheme(
    name="five",
    point_names=("left_eye", "right_eye", "nose", "left_mouth", "right_mouth"),
    flip_partner={
        "left_eye": "right_eye",
        "right_eye": "left_eye",
        "left_mouth": "right_mouth",
        "right_mouth": "left_mouth",
    },
    groups={"eyes": (0, 1), "mouth": (3, 4)},
    edges=((0, 1), (3, 4)),
    eyes=Eyes(left=(0,), right=(1,), outer_corners=(0, 1)),
)


@st.composite
def involutions(draw):
    """Permutations that are their own inverse: some pairs exchanged, the rest left."""
    order = draw(st.integers(1, 100).flatmap(lambda n: st.permutations(range(n))))
    mirror = list(range(len(order)))
    for place in range(draw(st.integers(0, len(order) // 2))):
        one, other = order[2 * place], order[2 * place + 1]
        mirror[one], mirror[other] = other, one
    return mirror


def test_partners_by_name_become_mirror_indices():
    assert FIVE.mirror.tolist() == [1, 0, 2, 4, 3]  # the nose was left out: it stays
    assert FIVE.n_landmarks == 5


@settings(deadline=None, max_examples=40)
@given(involutions())
def test_any_mutual_mirror_makes_a_scheme(mirror):
    scheme = LandmarkScheme.from_mirror(mirror)
    assert scheme.mirror.tolist() == mirror
    np.testing.assert_array_equal(scheme.mirror[scheme.mirror], np.arange(len(mirror)))
    assert LandmarkScheme.from_dict(scheme.to_dict()) == scheme


@pytest.mark.parametrize("scheme", [FACE68, FIVE, LandmarkScheme.plain(98)], ids=lambda s: s.name)
def test_schemes_survive_json(scheme):
    again = LandmarkScheme.from_dict(json.loads(json.dumps(scheme.to_dict())))
    assert again == scheme


def test_plain_points_know_nothing():
    scheme = LandmarkScheme.plain(12)
    assert scheme.name == "points12"
    assert scheme.point_names[0] == "point_00"
    assert (scheme.mirror, scheme.eyes, scheme.edges) == (None, None, ())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param({"point_names": ()}, "at least 1 point", id="no points"),
        pytest.param({"point_names": ("a", "b", "a")}, "unique", id="a name twice"),
        pytest.param({"flip_partner": {"a": "b"}}, "mutual", id="partner of one side only"),
        pytest.param(
            {"flip_partner": {"a": "b", "b": "c", "c": "a"}}, "mutual", id="a ring of three"
        ),
        pytest.param({"flip_partner": {"a": "x", "x": "a"}}, "mutual", id="unknown name"),
        pytest.param(
            {"groups": {"all": (0, 3)}}, "indices 0..2, got 0..3", id="group past the end"
        ),
        pytest.param({"edges": ((-1, 2),)}, "got -1..2", id="edge before the start"),
        pytest.param({"eyes": Eyes((0,), (1,), (0, 9))}, "got 0..9", id="eye past the end"),
    ],
)
def test_inconsistent_schemes_are_refused(entries, message):
    with pytest.raises(ConfigError, match=message) as caught:
        LandmarkScheme(**{"name": "three", "point_names": ("a", "b", "c"), **entries})
    assert "three" in str(caught.value)


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ([0, 0, 1], "each of 0..2 once"),
        ([0, 2, 3], "each of 0..2 once"),
        ([1, 2, 0], "mutual"),
        ([], "at least 1 point"),
    ],
)
def test_other_index_lists_are_no_mirror(mirror, message):
    with pytest.raises(ConfigError, match=message):
        LandmarkScheme.from_mirror(mirror)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"groups": None}, id="no groups"),
        pytest.param({"flip_partner": ["a", "b"]}, id="partners as a list"),
        pytest.param({"edges": [[0, 1, 2]]}, id="edge of three points"),
        pytest.param({"edges": [["a", "b"]]}, id="edge by name"),
        pytest.param({"groups": {"all": ["a"]}}, id="group by name"),
        pytest.param({"eyes": {"left": [0]}}, id="half of the eyes"),
        pytest.param({"eyes": {"left": [0], "right": [1], "outer_corners": [0]}}, id="one corner"),
        pytest.param({"point_names": 5}, id="a number of names"),
    ],
)
def test_damaged_descriptions_are_refused(changed):
    with pytest.raises(ConfigError, match="scheme"):
        LandmarkScheme.from_dict({**FIVE.to_dict(), **changed})


@pytest.mark.parametrize("entry", sorted(FIVE.to_dict()))
def test_each_entry_of_a_description_is_needed(entry):
    values = FIVE.to_dict()
    del values[entry]
    with pytest.raises(ConfigError, match=entry):
        LandmarkScheme.from_dict(values)


def test_a_list_is_no_description():
    with pytest.raises(ConfigError, match="expected the entries"):
        LandmarkScheme.from_dict([])
