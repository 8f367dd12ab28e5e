"""Parts of the face cover the pixels that they should, and meshes the area of the hull."""

import numpy as np
import pytest

from dan.core.errors import ConfigError, DegenerateShapeError
from dan.geometry import Similarity
from dan.inference.faces import Faces
from dan.points.shapes import PARTS, hull_of, part_mask, part_outlines, triangles_of
from dan.schemes import FACE5, FACE68, WFLW98


def a_face():
    """(68, 2) a face of straight lines, 100 wide, about (100, 100)."""
    face = np.zeros((68, 2))
    side = np.linspace(-1, 1, 17)
    face[:17] = np.c_[100 + 50 * side, 150 - 60 * np.abs(side)]
    for brow, eye, left in ((17, 36, 60), (22, 42, 110)):
        face[brow : brow + 5] = np.c_[np.linspace(left, left + 30, 5), np.full(5, 80)]
        face[eye : eye + 6, 0] = left + np.array([5, 10, 20, 25, 20, 10])
        face[eye : eye + 6, 1] = 90, 86, 86, 90, 94, 94
    face[27:31] = np.c_[np.full(4, 100), [88, 94, 100, 106]]
    face[31:36] = np.c_[np.linspace(92, 108, 5), np.full(5, 110)]
    lips = np.exp(1j * np.linspace(np.pi, 3 * np.pi, 13)[:-1])
    face[48:60] = np.c_[100 + 20 * lips.real, 125 + 8 * lips.imag]
    face[60:68] = np.c_[100, 125] + np.c_[10 * lips.real, 3 * lips.imag][[0, 2, 3, 4, 6, 8, 9, 10]]
    return face


def area(outline):
    x, y = outline.T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


@pytest.mark.parametrize("part", PARTS)
def test_masks_have_the_area_of_their_outlines_and_move_with_the_face(part):
    face = a_face()
    made, taken = part_outlines(face, FACE68, part)
    expected = sum(map(area, made)) - sum(map(area, taken))
    move = Similarity.about([100, 100], scale=5, angle_deg=40, move_to_xy=[500, 500])
    mask = part_mask(move.apply(face), FACE68, (1000, 1000), part)
    assert mask.shape == (1000, 1000)
    assert mask.dtype == bool
    assert abs(mask.sum() / 25 / expected - 1) < 0.07  # with the pixels along the outline


@pytest.mark.parametrize(
    ("part", "inside", "outside"),
    [
        ("face", [(100, 60), (100, 145), (52, 90)], [(100, 155), (45, 60), (100, 45)]),
        ("skin", [(100, 100), (100, 60)], [(75, 90), (100, 125), (70, 80)]),
        ("lips", [(100, 119), (85, 125)], [(100, 125), (100, 110)]),
        ("mouth", [(100, 125)], [(100, 110)]),
        ("left_eye", [(75, 90)], [(125, 90)]),
        ("eyes", [(75, 90), (125, 90)], [(100, 90)]),
        ("right_brow", [(125, 80), (125, 82), (125, 78)], [(125, 85), (75, 80)]),
        ("nose", [(100, 105)], [(100, 115), (85, 100)]),
        ("hull", [(100, 85), (52, 88)], [(100, 70)]),
    ],
)
def test_what_lies_in_a_part(part, inside, outside):
    mask = part_mask(a_face(), FACE68, (200, 200), part)
    assert all(mask[y, x] for x, y in inside)
    assert not any(mask[y, x] for x, y in outside)


def test_the_forehead_is_as_high_as_the_nose_is_long():
    ((*_, outline),) = [part_outlines(a_face(), FACE68, "face")[0]]
    assert outline[:, 1].min() == pytest.approx(80 - (110 - 80))


def test_the_mask_of_faces_is_that_of_each():
    two = np.array([a_face(), a_face() + np.array([120, 10])])
    faces = Faces(two, np.zeros((2, 4)), np.ones(2), np.ones(2), FACE68)
    mask = faces.mask((300, 200), "lips")
    one, other = (part_mask(face, FACE68, (300, 200), "lips") for face in two)
    assert (mask == one | other).all()
    assert one.any()
    assert other.any()
    none = Faces.empty(FACE68).mask((30, 20))
    assert none.shape == (20, 30)
    assert not none.any()


def test_other_schemes_and_bad_parts():
    wflw = np.random.default_rng(0).uniform(0, 90, (98, 2))
    assert part_mask(wflw, WFLW98, (90, 90), "hull").any()
    with pytest.raises(ConfigError, match=r"scheme face5 \(5 points\) to face68"):
        part_mask(wflw[:5], FACE5, (90, 90), "lips")
    with pytest.raises(ConfigError, match=r"part: expected one of hull, face, skin, .*, got ear"):
        part_mask(a_face(), FACE68, (90, 90), "ear")
    with pytest.raises(DegenerateShapeError, match="expected finite points"):
        part_mask(np.full((68, 2), np.nan), FACE68, (90, 90), "face")
    assert not part_mask(a_face() + 1e9, FACE68, (90, 90), "face").any()


def test_triangles_fill_the_hull_and_no_point_lies_in_a_circle():
    points = np.random.default_rng(4).uniform(0, 50, (40, 2))
    found = triangles_of(points)
    a, b, c = (points[found[:, place]] for place in range(3))
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert areas.min() > 0
    assert areas.sum() == pytest.approx(area(hull_of(points)), rel=1e-6)
    # Delaunay 1934: a triangle's circumcircle holds none of the others.
    for corners in found:
        a, b, c = points[corners]
        middle = np.linalg.solve(2 * np.array([b - a, c - a]), [b @ b - a @ a, c @ c - a @ a])
        assert (np.hypot(*(points - middle).T) > np.hypot(*(a - middle)) - 1e-4).all()
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    assert len(triangles_of(square)) == 2
    with pytest.raises(DegenerateShapeError, match="expected them to span an area"):
        triangles_of(np.array([(0, 0), (1, 0), (2, 0)]))
