"""Head pose on views of the mean head, whose pose is known, and on faces."""

import cv2
import numpy as np
import pytest

from dan.core.errors import ConfigError, DegenerateShapeError
from dan.core.images import read_rgb
from dan.datasets.annotated import find_annotated, training_part
from dan.geometry import box_of_points, flip_points
from dan.inference.aligner import FaceAligner
from dan.inference.faces import Faces
from dan.points.pose import (
    EYE_CORNERS_MM,
    HEAD,
    angles_of,
    estimate_head_angles,
    estimate_poses,
    fit_heads,
    guess_focal,
    rotation_of,
    smooth_rotations,
)
from dan.schemes import COFW29, FACE51, FACE68

SIZE_WH = (640, 480)
ANGLES = [(0, 0, 0), (20, 0, 0), (-45, 15, -30), (75, -20, 100), (-85, 30, 179)]


def view(*angles):
    """(51, 2) points of the mean head, 80 pixels between its eye corners."""
    return 80 * (HEAD @ rotation_of(*angles).T)[:, :2] + [90, 70]


def seen(angles, translation):
    """(51, 2) points of the mean head before a camera of OpenFace's focal length."""
    x, y, z = (HEAD @ rotation_of(*angles).T + translation).T
    return guess_focal(SIZE_WH) * np.stack([x / z, y / z], axis=1) + [319.5, 239.5]


def turn_about(axis, angle):
    """(3, 3) textbook rotation about x, y or z (0, 1, 2), radians."""
    return cv2.Rodrigues(angle * np.eye(3)[axis])[0]


@pytest.mark.parametrize("angles", ANGLES)
def test_views_of_the_head_give_its_pose(angles):
    (pose,) = estimate_poses(view(*angles)[None], FACE51)
    np.testing.assert_allclose(pose.rotation, rotation_of(*angles), atol=1e-9)
    np.testing.assert_allclose(pose.yaw_pitch_roll_deg, angles, atol=1e-6)
    np.testing.assert_allclose(pose.position_xy, [90, 70])
    assert (pose.scale, pose.residual) == pytest.approx((80, 0))
    assert pose.covariance is None


def test_the_signs_are_what_the_docs_say():
    """Yaw to the picture's right, pitch up, roll clockwise: where the axes end."""
    for angles, axis, direction in [
        ((30, 0, 0), 3, [1, 0]),  # the nose to the right
        ((0, 30, 0), 3, [0, -1]),  # the nose up
        ((0, 0, 30), 1, [np.cos(np.pi / 6), np.sin(np.pi / 6)]),  # the eye at the right down
    ]:
        (pose,) = estimate_poses(view(*angles)[None], FACE51)
        origin, *ends = pose.axes_xy()
        np.testing.assert_allclose(origin, [90, 70])
        arm = ends[axis - 1] - origin
        np.testing.assert_allclose(arm / np.linalg.norm(arm), direction, atol=1e-9)


@pytest.mark.parametrize("angles", ANGLES[:4])
@pytest.mark.parametrize("translation", [(0, 0, 3), (1, -0.5, 4), (-2, 1, 12)])
def test_a_camera_close_by_is_found_too(angles, translation):
    points = seen(angles, translation)
    (pose,) = estimate_poses(points[None], FACE51, size_wh=SIZE_WH)
    np.testing.assert_allclose(pose.rotation, rotation_of(*angles), atol=1e-6)
    np.testing.assert_allclose(pose.translation(SIZE_WH), translation, atol=1e-5)
    focal = guess_focal(SIZE_WH)
    camera = np.array([[focal, 0, 319.5], [0, focal, 239.5], [0, 0, 1]])
    _, turn, move = cv2.solvePnP(HEAD, points, camera, None)
    np.testing.assert_allclose(cv2.Rodrigues(turn)[0], pose.rotation, atol=1e-5)
    np.testing.assert_allclose(move[:, 0], pose.translation(SIZE_WH), atol=1e-4)


@pytest.mark.parametrize("angles", ANGLES[:4])
def test_other_conventions_make_the_same_rotation(angles):
    (pose,) = estimate_poses(seen(angles, (0.5, 0.2, 6))[None], FACE51, size_wh=SIZE_WH)
    tx, ty, tz, rx, ry, rz = pose.as_openface(SIZE_WH)
    openface = turn_about(0, rx) @ turn_about(1, ry) @ turn_about(2, rz)
    np.testing.assert_allclose(openface, pose.rotation, atol=1e-6)
    np.testing.assert_allclose([tx, ty, tz], EYE_CORNERS_MM * np.array([0.5, 0.2, 6]), atol=1e-3)
    pitch, yaw, roll = pose.as_300wlp()
    wlp = turn_about(0, -pitch) @ turn_about(1, yaw) @ turn_about(2, roll)
    np.testing.assert_allclose(wlp, pose.rotation, atol=1e-6)


def test_mediapipes_matrix_projects_its_canonical_face_onto_the_picture():
    (pose,) = estimate_poses(seen((25, 10, -15), (0.5, 0.2, 6))[None], FACE51, size_wh=SIZE_WH)
    matrix = pose.as_mediapipe_matrix(SIZE_WH)
    middle_of_eyes = matrix @ [0, 2.58, 3.27, 1]  # of its canonical face, cm
    focal = 240 / np.tan(np.radians(31.5))
    x, y, z, _ = middle_of_eyes
    np.testing.assert_allclose([319.5 - focal * x / z, 239.5 + focal * y / z], pose.position_xy)
    assert z < 0  # in front of a camera that looks along -z
    nose = matrix[:3, :3] @ [0, 0, 1]  # x right, y up: it looks right and up
    assert nose[0] > 0.3
    assert nose[1] > 0.1


def test_expression_and_jaw_move_it_little_or_not():
    jaw = np.random.default_rng(0).uniform(0, 200, (17, 2))
    points = np.concatenate([jaw, view(15, 5, 0)])
    (pose,) = estimate_poses(points[None], FACE68)
    assert pose.yaw_pitch_roll_deg == pytest.approx((15, 5, 0), abs=1e-6)
    points[[17 + 38 + k for k in range(5)]] += [0, 20]  # the lower lip, a quarter of the eyes down
    (open_mouth,) = estimate_poses(points[None], FACE68)
    assert open_mouth.yaw_pitch_roll_deg == pytest.approx((15, 5, 0), abs=3)
    assert open_mouth.residual > 0.01


def test_uncertainty_is_what_noise_does():
    rng = np.random.default_rng(1)
    roots = 1.5 * rng.normal(size=(51, 2, 2))
    points = view(40, 10, -20)
    (pose,) = estimate_poses(points[None], FACE51, (roots @ np.swapaxes(roots, 1, 2))[None])
    noise = np.einsum("pij,npj->npi", roots, rng.normal(size=(2000, 51, 2)))
    spread = angles_of(fit_heads(points + noise)[0]).std(axis=0)
    np.testing.assert_allclose(np.sqrt(np.diag(pose.covariance)), spread, rtol=0.06)


def test_points_of_a_models_noise_give_it_within_two_degrees():
    rng = np.random.default_rng(0)
    angles = rng.uniform([-60, -30, -45], [60, 30, 45], (300, 3))
    points = np.stack([view(*each) for each in angles])
    points += rng.normal(0, 80 * 0.03 / 1.2533, points.shape)  # 3 % on average
    found = [pose.yaw_pitch_roll_deg for pose in estimate_poses(points, FACE51)]
    assert np.abs(np.array(found) - angles).mean(axis=0).max() < 1.5


def test_unknown_points_do_not_count():
    points = view(50, 0, 10)
    points[HEAD[:, 0] > 0.1] = np.nan
    covariance = np.full((1, 51, 2, 2), np.nan)
    covariance[0, HEAD[:, 0] <= 0.1] = np.eye(2)
    (pose,) = estimate_poses(points[None], FACE51, covariance)
    assert pose.yaw_pitch_roll_deg == pytest.approx((50, 0, 10), abs=1e-6)
    assert pose.residual == pytest.approx(0, abs=1e-9)
    assert np.isfinite(pose.covariance).all()


def test_what_has_no_pose_is_told():
    few = np.where(np.arange(51)[:, None] < 16, view(0, 0, 0), np.nan)
    line = np.stack([np.arange(51.0), 2 * np.arange(51.0)], axis=1)
    for bad, n_known in ((few, 16), (line, 51), (np.full((51, 2), 7.0), 51)):
        with pytest.raises(
            DegenerateShapeError,
            match=f"^face 2: expected at least 17 inner points that span an area, got {n_known}$",
        ):
            estimate_poses(np.stack([view(0, 0, 0), bad]), FACE51)
    with pytest.raises(ConfigError, match="no conversion leads from scheme cofw29"):
        estimate_poses(np.zeros((1, 29, 2)), COFW29)
    with pytest.raises(ConfigError, match="focal_px: expected size_wh and a positive number"):
        estimate_poses(view(0, 0, 0)[None], FACE51, focal_px=500)


def test_the_angles_alone_are_those_of_the_poses_however_many_faces_there_are():
    faces = np.stack([view(*angles) for angles in ANGLES])
    angles = estimate_head_angles(faces, FACE51)
    poses = estimate_poses(faces, FACE51)
    assert angles.tolist() == [list(pose.yaw_pitch_roll_deg) for pose in poses]
    assert angles.tolist() == [estimate_head_angles(one[None], FACE51)[0].tolist() for one in faces]
    line = np.stack([np.arange(51.0), 2 * np.arange(51.0)], axis=1)
    mixed = estimate_head_angles(np.stack([line, faces[1]]), FACE51)
    assert np.isnan(mixed[0]).all()
    assert mixed[1].tolist() == angles[1].tolist()
    assert np.isnan(estimate_head_angles(np.zeros((2, 29, 2)), COFW29)).tolist() == [[True] * 3] * 2
    assert estimate_head_angles(np.empty((0, 51, 2)), FACE51).shape == (0, 3)


def test_faces_tell_their_poses():
    none = Faces.empty(FACE51)
    assert none.poses() == []
    ones, spread = np.ones(2), np.broadcast_to(np.eye(2), (2, 51, 2, 2))
    points = np.stack([view(20, 0, 0), view(-10, 5, 0)])
    faces = Faces(points, np.zeros((2, 4)), ones, ones, FACE51, spread)
    for pose, face, yaw in zip(faces.poses(), faces, (20, -10), strict=True):
        assert pose.yaw_pitch_roll_deg[0] == pytest.approx(yaw, abs=1e-3)
        np.testing.assert_allclose(face.pose().covariance, pose.covariance, rtol=1e-9)


def test_smoothing_halves_the_noise_of_a_turning_head_and_does_not_lag():
    rng = np.random.default_rng(2)
    times = np.arange(100) / 25
    yaws = 40 * times - 80
    noisy = np.stack([rotation_of(yaw, *rng.normal(0, 2, 2)) for yaw in yaws])
    smooth = angles_of(smooth_rotations(noisy, times))
    assert smooth[:, 1:].std() < 0.5 * angles_of(noisy)[:, 1:].std()
    np.testing.assert_allclose(smooth[10:-10, 0], yaws[10:-10], atol=0.1)
    assert smooth_rotations(noisy[:0], times[:0]).shape == (0, 3, 3)


def test_mirrored_pictures_have_mirrored_poses(shared_300w):
    faces = training_part(find_annotated(shared_300w))[100:1500:100]
    aligner, flip, turns = FaceAligner(), np.diag([-1, 1, 1]), []
    for face in faces:
        picture, points = read_rgb(face.image_path), face.load_points()
        mirrored = flip_points(points, picture.shape[1], FACE68.mirror)
        (pose,) = aligner(picture, boxes=box_of_points(points)[None]).poses()
        flipped = np.ascontiguousarray(picture[:, ::-1])
        (other,) = aligner(flipped, boxes=box_of_points(mirrored)[None]).poses()
        turn = flip @ other.rotation @ flip @ pose.rotation.T
        turns.append(np.degrees(np.linalg.norm(cv2.Rodrigues(turn)[0])))
    assert np.mean(turns) < 2
