from pathlib import Path

import numpy as np
import pytest

from dan.schemes import FACE68, render_mirror, scheme_of

# The 68-point mirror of the old scripts, written out.
MIRROR68 = [
    *(16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
    *(26, 25, 24, 23, 22, 21, 20, 19, 18, 17),
    *(27, 28, 29, 30),
    *(35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48),
    *(59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60),
    *(67, 66, 65),
]


def test_mirror_is_the_one_of_the_old_scripts():
    assert FACE68.mirror.tolist() == MIRROR68


def test_shipped_mirror_file_is_this_scheme():
    shipped = Path(__file__).parents[2] / "Mirror68.txt"
    assert shipped.read_text(encoding="utf-8") == render_mirror(FACE68)


def test_groups_cover_each_point_once():
    members = [index for group in FACE68.groups.values() for index in group]
    assert sorted(members) == list(range(68))


@pytest.mark.parametrize(
    ("group", "partner"),
    [
        ("left_brow", "right_brow"),
        ("left_eye", "right_eye"),
        ("jaw", "jaw"),
        ("nose_bridge", "nose_bridge"),
        ("nostrils", "nostrils"),
        ("outer_lips", "outer_lips"),
        ("inner_lips", "inner_lips"),
    ],
)
def test_a_flip_takes_each_group_to_its_partner(group, partner):
    mirrored = FACE68.mirror[list(FACE68.groups[group])]
    assert set(mirrored.tolist()) == set(FACE68.groups[partner])


@pytest.mark.parametrize(
    ("group", "edges"),
    [
        ("jaw", 16),
        ("left_brow", 4),
        ("right_brow", 4),
        ("nose_bridge", 3),
        ("nostrils", 4),
        ("left_eye", 6),
        ("right_eye", 6),
        ("outer_lips", 12),
        ("inner_lips", 8),
    ],
)
def test_edges_stay_in_their_group_open_or_closed(group, edges):
    members = set(FACE68.groups[group])
    inside = [edge for edge in FACE68.edges if set(edge) <= members]
    assert len(inside) == edges
    assert not [e for e in FACE68.edges if len(set(e) & members) == 1]


def test_edges_are_the_same_after_a_flip():
    edges = {frozenset(edge) for edge in FACE68.edges}
    flipped = {frozenset(FACE68.mirror[list(edge)].tolist()) for edge in FACE68.edges}
    assert flipped == edges
    assert (36, 41) in [tuple(sorted(edge)) for edge in FACE68.edges]  # the eye is closed


def test_eyes_mirror_each_other():
    eyes = FACE68.eyes
    assert eyes.outer_corners == (36, 45)
    assert set(FACE68.mirror[list(eyes.left)].tolist()) == set(eyes.right) == set(range(42, 48))


def test_left_is_the_left_side_of_a_real_picture(shared_300w):
    from dan.datasets.formats import load_pts

    faces = [load_pts(path) for path in sorted((shared_300w / "afw").glob("*.pts"))[:20]]
    centre_x = np.mean(faces, axis=0)[:, 0]
    for point, name in enumerate(FACE68.point_names):
        if name.startswith("left_"):
            assert centre_x[point] < centre_x[FACE68.mirror[point]], name


def test_scheme_of_a_number_of_points():
    assert scheme_of(68) is FACE68
    assert scheme_of(5).n_landmarks == 5
    assert scheme_of(5).mirror is None
