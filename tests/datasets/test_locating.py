import numpy as np
import pytest

from dan.core.errors import ConfigError, DataError
from dan.datasets.annotated import find_annotated
from dan.datasets.annotation_files import Reading
from dan.datasets.formats import AnnotationSet, save_coco
from dan.datasets.locating import locate_images


def named(*names) -> AnnotationSet:
    points = np.arange(4.0 * len(names)).reshape(len(names), 2, 2)
    return AnnotationSet.build(names, range(len(names)), points)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def names_found(root, *names, **options):
    faces, folder = locate_images(named(*names), root, **options)
    return faces.image_names, folder


@pytest.mark.parametrize(
    "name", ["/home/ann/set/a.jpg", r"C:\set\a.jpg", "../set/a.jpg", r"..\set\a.jpg"]
)
def test_names_that_lead_out_stay_refused_and_the_line_names_the_options(tmp_path, name):
    faces, folder = locate_images(named(name), tmp_path)
    assert faces.image_names == (name,)
    with pytest.raises(DataError, match=r"--images DIR --find-images .* --allow-outside") as error:
        faces.image_paths(folder)
    assert str(error.value).startswith(f"{name}: expected an image below {tmp_path}, got a path")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/home/ann/set/a.jpg", "set/a.jpg"),
        (r"D:\data\set\a.jpg", "set/a.jpg"),
        ("../set/a.jpg", "set/a.jpg"),
        (r"set\a.jpg", "set/a.jpg"),
        ("set/a.jpg", "set/a.jpg"),
        ("/else/where/b.jpg", "deep/er/b.jpg"),
        ("/home/ann/none.jpg", "home/ann/none.jpg"),
    ],
)
def test_an_image_is_found_by_the_end_of_its_name(tmp_path, name, found):
    touch(tmp_path, "set/a.jpg", "other/a.jpg", "deep/er/b.jpg")
    assert names_found(tmp_path, name, find=True) == ((found,), tmp_path)


def test_the_root_stands_for_the_front_of_the_names(tmp_path):
    touch(tmp_path, "a.jpg", "set/a.jpg")
    assert names_found(tmp_path, "/x/a.jpg", "/x/set/a.jpg", find=True)[0] == (
        "a.jpg",
        "set/a.jpg",
    )


def test_a_name_that_two_images_fit_is_refused(tmp_path):
    touch(tmp_path, "one/a.jpg", "two/a.jpg")
    with pytest.raises(DataError, match=r"^/x/a.jpg: expected one .* got one/a.jpg and two/a.jpg"):
        names_found(tmp_path, "/x/a.jpg", find=True)


def test_two_names_that_fit_one_image_are_refused(tmp_path):
    touch(tmp_path, "a.jpg")
    with pytest.raises(DataError, match=r"/x/a.jpg and /y/a.jpg: expected an image each, got"):
        names_found(tmp_path, "/x/a.jpg", "/y/a.jpg", find=True)


def test_names_are_taken_as_they_stand_where_the_user_allows_it(tmp_path):
    touch(tmp_path, "set/a.jpg", "b.jpg")
    names = ("../b.jpg", str(tmp_path / "set" / "a.jpg"))
    placed, folder = names_found(tmp_path / "set", *names, allow_outside=True)
    assert placed == ("b.jpg", "set/a.jpg")
    assert folder == tmp_path.resolve()


def test_backslashes_part_folders_unless_an_image_is_called_so(tmp_path):
    touch(tmp_path, "set/a.jpg")
    assert names_found(tmp_path, r"set\a.jpg") == (("set/a.jpg",), tmp_path)
    touch(tmp_path, r"set\a.jpg")
    assert names_found(tmp_path, r"set\a.jpg") == ((r"set\a.jpg",), tmp_path)


def test_both_options_at_once_mean_nothing(tmp_path):
    with pytest.raises(ConfigError, match="expected --find-images or --allow-outside, got both"):
        names_found(tmp_path, "a.jpg", find=True, allow_outside=True)


def test_faces_of_a_file_with_names_of_another_computer(tmp_path):
    touch(tmp_path / "pictures", "set/a.jpg")
    save_coco(tmp_path / "faces.json", named("/home/ann/set/a.jpg"))
    with pytest.raises(DataError, match="--find-images"):
        find_annotated(tmp_path / "faces.json")
    said = Reading(images=tmp_path / "pictures", find_images=True)
    (face,) = find_annotated(tmp_path / "faces.json", said)
    assert (face.name, face.image_path) == ("set/a", tmp_path / "pictures/set/a.jpg")
    with pytest.raises(DataError, match=r"none: expected a folder of images, found none"):
        find_annotated(tmp_path / "faces.json", Reading(images=tmp_path / "none"))
