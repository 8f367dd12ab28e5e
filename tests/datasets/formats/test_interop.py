"""Other people's programs read what we write; the extra ``interop`` installs them."""

import json
import warnings

import numpy as np
import pytest

from dan.core.images import write_png
from dan.datasets.formats import (
    AnnotationSet,
    from_keypoint_arrays,
    parse_dlib_xml,
    render_coco,
    save_coco,
    save_dlib_xml,
    save_ljson,
    save_pts,
    to_keypoint_arrays,
)
from dan.schemes import FACE68

RNG = np.random.default_rng(5)


def faces_with_images(folder, n_images: int = 6) -> AnnotationSet:
    """Bright discs on a dark ground with five points each, and one face to be ignored."""
    base = np.array([[20, 30], [44, 30], [32, 40], [22, 52], [42, 52]])
    names, points, index = [], [], []
    for place in range(n_images):
        shift = RNG.integers(-6, 7, 2)
        rows, columns = np.mgrid[:80, :80]
        disc = np.hypot(columns - 32 - shift[0], rows - 40 - shift[1]) < 24
        write_png(folder / f"{place:02d}.png", np.where(disc, 200, 30).astype(np.uint8))
        names.append(f"{place:02d}.png")
        points.append(base + shift)
        index.append(place)
    xy = np.array(points, dtype=np.float64)
    return AnnotationSet.build(
        names,
        index,
        xy,
        boxes_xyxy=np.concatenate([xy.min(axis=1) - 8, xy.max(axis=1) + 8], axis=1),
        ignore=[False] * (n_images - 1) + [True],
        image_sizes_wh=[[80, 80]] * n_images,
    )


def test_dlib_trains_on_our_xml(tmp_path):
    dlib = pytest.importorskip("dlib", reason="needs dlib, the extra 'interop'")
    faces = faces_with_images(tmp_path)
    save_dlib_xml(tmp_path / "faces.xml", faces)
    options = dlib.shape_predictor_training_options()
    options.tree_depth, options.cascade_depth, options.num_trees_per_cascade_level = 2, 4, 20
    options.oversampling_amount, options.num_threads, options.be_verbose = 20, 1, False
    xml, model = str(tmp_path / "faces.xml"), str(tmp_path / "five.dat")
    dlib.train_shape_predictor(xml, model, options)
    assert dlib.test_shape_predictor(xml, model) < 3.0
    box = [round(value) for value in faces.boxes_xyxy[0]]
    image = dlib.load_grayscale_image(str(tmp_path / faces.image_names[0]))
    found = dlib.shape_predictor(model)(image, dlib.rectangle(*box))
    points = np.array([(found.part(place).x, found.part(place).y) for place in range(5)])
    assert np.abs(points - faces.points[0]).max() < 5


def test_what_dlib_reads_and_writes_is_what_we_read(tmp_path):
    dlib = pytest.importorskip("dlib", reason="needs dlib, the extra 'interop'")
    metadata = pytest.importorskip("dlib").image_dataset_metadata
    faces = faces_with_images(tmp_path)
    save_dlib_xml(tmp_path / "ours.xml", faces)
    data = metadata.load_image_dataset_metadata(str(tmp_path / "ours.xml"))
    box = data.images[0].boxes[0]
    assert [box.rect.left(), box.rect.top(), box.rect.right(), box.rect.bottom()] == [
        round(value) for value in faces.boxes_xyxy[0]
    ]
    assert isinstance(box.rect, dlib.rectangle)
    metadata.save_image_dataset_metadata(data, str(tmp_path / "theirs.xml"))
    theirs = parse_dlib_xml((tmp_path / "theirs.xml").read_bytes())
    ours = parse_dlib_xml((tmp_path / "ours.xml").read_bytes())
    for name in ("points", "boxes_xyxy", "ignore", "image_sizes_wh", "image_index"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name), name)
    assert theirs.image_names == ours.image_names


def test_pycocotools_loads_our_json(tmp_path, capsys):
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools, the extra 'interop'")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    faces = faces_with_images(tmp_path)
    save_coco(tmp_path / "faces.json", faces)
    data = coco.COCO(str(tmp_path / "faces.json"))
    data.info()
    assert len(data.getAnnIds(areaRng=[1, 1e6])) == len(faces)
    entry = data.loadAnns(data.getAnnIds(imgIds=[1]))[0]
    assert entry["num_keypoints"] == 5
    assert entry["keypoints"][:3] == [*faces.points[0, 0].tolist(), 2]
    assert len(data.getAnnIds(iscrowd=True)) == 1

    found = [{**e, "score": 0.9} for e in json.loads(render_coco(faces))["annotations"]]
    run = evaluation.COCOeval(data, data.loadRes(found), "keypoints")
    run.params.kpt_oks_sigmas = np.full(5, 0.05)
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == pytest.approx(1.0)
    capsys.readouterr()


def test_menpo_reads_our_landmarks(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        io = pytest.importorskip("menpo.io", reason="needs menpo, the extra 'interop'")
    points = RNG.uniform(0, 100, (68, 2)).round(3)
    save_pts(tmp_path / "a.pts", points)
    unknown = np.where(np.arange(68)[:, None] == 7, np.nan, points)
    save_ljson(tmp_path / "a.ljson", AnnotationSet.build(["a"], [0], [unknown], scheme=FACE68))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pts = io.import_landmark_file(tmp_path / "a.pts")["PTS"].points
        face = io.import_landmark_file(tmp_path / "a.ljson")["face_0"]
        io.export_landmark_file(face, tmp_path / "theirs.ljson")
    np.testing.assert_allclose(pts[:, ::-1], points, atol=1e-3)
    np.testing.assert_array_equal(face.points[:, ::-1], unknown)
    assert "left_eye" in face.labels


def test_menpo_writes_what_we_read(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        io = pytest.importorskip("menpo.io", reason="needs menpo, the extra 'interop'")
        shape = pytest.importorskip("menpo.shape")
    from dan.datasets.formats import load_ljson, load_pts

    points = RNG.uniform(0, 100, (68, 2)).round(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        io.export_landmark_file(shape.PointCloud(points[:, ::-1]), tmp_path / "a.pts")
        io.export_landmark_file(shape.PointCloud(points[:, ::-1]), tmp_path / "a.ljson")
    np.testing.assert_allclose(load_pts(tmp_path / "a.pts"), points, atol=1e-3)
    np.testing.assert_array_equal(load_ljson(tmp_path / "a.ljson").points[0], points)


def test_supervision_takes_our_arrays():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sv = pytest.importorskip("supervision", reason="needs supervision, the extra 'interop'")
    faces = AnnotationSet.build(["image"], [0], [[[1, 2], [np.nan, np.nan]]])
    key_points = sv.KeyPoints(**to_keypoint_arrays(faces))
    assert len(key_points) == 1
    again = from_keypoint_arrays(key_points.xy, key_points.keypoint_confidence)
    np.testing.assert_array_equal(again.points, faces.points)
