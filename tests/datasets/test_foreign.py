import pytest

from dan.core.errors import FormatError
from dan.datasets.annotation_files import load_annotations

FILES = {
    "cvat.xml": (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        '  <meta></meta>\n  <image id="0" name="a.jpg" width="9" height="9">\n'
        '    <points label="face" points="4.67,3.52;4.08,4.24"></points>\n  </image>\n'
        "</annotations>\n",
        "CVAT's own XML, which is not read: export COCO Keypoints from CVAT",
    ),
    "labelstudio.json": (
        '[{"id": 1, "data": {"image": "/data/a.jpg"}, "annotations": [{"result": [{"value": '
        '{"x": 39.0, "y": 81.0, "keypointlabels": ["left_eye"]}}]}]}]',
        "Label Studio's own JSON, which is not read: export COCO from Label Studio",
    ),
    "labelme.json": (
        '{"version": "5.0", "flags": {}, "shapes": [{"label": "nose", "points": [[1.0, 2.0]], '
        '"shape_type": "point"}], "imagePath": "a.jpg", "imageData": null}',
        "labelme's JSON, which is not read: write its points as COCO keypoints",
    ),
    "openface.csv": (
        "frame, face_id, timestamp, confidence, success, gaze_0_x, x_0\n1, 0, 0, 1, 1, 0, 5",
        "OpenFace's table, which is not read: write its points as COCO keypoints",
    ),
    "list_landmarks_celeba.txt": (
        "202599\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y "
        "rightmouth_x rightmouth_y \n000001.jpg 69 109 106 113 77 142 73 152 108 154\n",
        "CelebA's list of landmarks, which is not read: write its points as COCO keypoints",
    ),
    "pfld.txt": (
        "./imgs/0.png" + " 0.25" * 196 + " 0 0 0 0 0 0 1.0 2.0 3.0\n",
        "a list of PFLD's samples, which is not read: take WFLW's own files",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_the_line_about_another_programs_file_says_what_to_export(tmp_path, name):
    content, message = FILES[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(FormatError) as caught:
        load_annotations(tmp_path / name)
    page = "(docs/formats.md#other-programs)"
    assert str(caught.value) == f"{tmp_path / name}: this is {message} {page}"


def test_a_damaged_file_of_ours_is_told_as_before(tmp_path):
    (tmp_path / "faces.json").write_text("{}")
    with pytest.raises(FormatError, match=r"faces.json: expected COCO keypoints: "):
        load_annotations(tmp_path / "faces.json")
