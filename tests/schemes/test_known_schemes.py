"""The schemes that are known by name: facts about each, and what holds for all of them."""

import numpy as np
import pytest

from dan.schemes import (
    COFW29,
    FACE5,
    FACE51,
    FACE68,
    MEDIAPIPE468,
    SCHEMES,
    SUMMARIES,
    WFLW98,
    LandmarkScheme,
    scheme_of,
)

# The flip pairs of mmpose's tables of these data sets, written out.
PAIRS98 = {
    **{point: 32 - point for point in range(16)},
    **{33: 46, 34: 45, 35: 44, 36: 43, 37: 42, 38: 50, 39: 49, 40: 48, 41: 47},
    **{55: 59, 56: 58},
    **{60: 72, 61: 71, 62: 70, 63: 69, 64: 68, 65: 75, 66: 74, 67: 73},
    **{76: 82, 77: 81, 78: 80, 83: 87, 84: 86, 88: 92, 89: 91, 93: 95, 96: 97},
}
PAIRS29 = {0: 1, 2: 3, 4: 6, 5: 7, 8: 9, 10: 11, 12: 14, 13: 15, 16: 17, 18: 19, 22: 23}

FLIPPED = [scheme for scheme in SCHEMES.values() if scheme.mirror is not None]


def mirror_of(n_landmarks, pairs):
    mirror = list(range(n_landmarks))
    for one, other in pairs.items():
        mirror[one], mirror[other] = other, one
    return mirror


@pytest.mark.parametrize(
    ("scheme", "mirror"),
    [
        (WFLW98, mirror_of(98, PAIRS98)),
        (COFW29, mirror_of(29, PAIRS29)),
        (FACE51, [point - 17 for point in FACE68.mirror[17:]]),
        (FACE5, [1, 0, 2, 4, 3]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_mirrors_are_the_published_ones(scheme, mirror):
    assert scheme.mirror.tolist() == mirror


@pytest.mark.parametrize("scheme", FLIPPED, ids=lambda scheme: scheme.name)
def test_a_flip_keeps_edges_and_exchanges_eyes(scheme):
    edges = {frozenset(edge) for edge in scheme.edges}
    assert {frozenset(scheme.mirror[list(edge)].tolist()) for edge in edges} == edges
    assert set(scheme.mirror[list(scheme.eyes.left)].tolist()) == set(scheme.eyes.right)
    if scheme.eyes.outer_corners is not None:
        left, right = scheme.eyes.outer_corners
        assert scheme.mirror[left] == right


@pytest.mark.parametrize("scheme", FLIPPED, ids=lambda scheme: scheme.name)
def test_a_flip_takes_left_groups_to_right_ones_and_others_to_themselves(scheme):
    for group, points in scheme.groups.items():
        partner = group.replace("left_", "right_") if group.startswith("left_") else group
        if group.startswith("right_"):
            partner = group.replace("right_", "left_")
        assert set(scheme.mirror[list(points)].tolist()) == set(scheme.groups[partner]), group


@pytest.mark.parametrize("scheme", FLIPPED, ids=lambda scheme: scheme.name)
def test_groups_hold_each_point_once(scheme):
    points = [point for group in scheme.groups.values() for point in group]
    assert sorted(points) == list(range(scheme.n_landmarks))


def test_the_51_keep_the_names_of_the_68():
    assert FACE51.point_names == FACE68.point_names[17:]
    assert FACE51.eyes.outer_corners == (36 - 17, 45 - 17)
    assert "jaw" not in FACE51.groups
    assert len(FACE51.edges) == len(FACE68.edges) - 16


def test_five_points_have_no_eye_corners():
    assert FACE5.eyes.outer_corners is None
    assert FACE5.point_names[0] == "left_eye"


def test_the_mesh_knows_its_eyes_only():
    assert MEDIAPIPE468.n_landmarks == 468
    assert MEDIAPIPE468.mirror is None
    assert MEDIAPIPE468.eyes.outer_corners == (33, 263)


@pytest.mark.parametrize("scheme", [FACE68, FACE51, WFLW98, COFW29, MEDIAPIPE468])
def test_a_number_of_points_that_says_enough(scheme):
    assert scheme_of(scheme.n_landmarks) is scheme


@pytest.mark.parametrize("n_landmarks", [1, 5, 21, 106])
def test_a_number_of_points_that_does_not(n_landmarks):
    assert scheme_of(n_landmarks) == LandmarkScheme.plain(n_landmarks)


def test_every_scheme_has_a_summary():
    assert SUMMARIES.keys() == SCHEMES.keys()


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_they_survive_json_and_names_are_unique(scheme):
    assert LandmarkScheme.from_dict(scheme.to_dict()) == scheme
    assert len(set(scheme.point_names)) == scheme.n_landmarks


def test_middle_points_may_be_named_as_their_own_partners():
    named = LandmarkScheme("two", ("a", "b"), {"a": "a", "b": "b"})
    assert named == LandmarkScheme("two", ("a", "b"), {})
    np.testing.assert_array_equal(named.mirror, [0, 1])
