import numpy as np
import pytest

from dan.core.errors import ConfigError
from dan.datasets.formats import AnnotationSet
from dan.datasets.splitting import select_images, split_images

NAMES = [f"{letter}.jpg" for letter in "jihgfedcba"]  # not in order


def held_out(twins=(), **how):
    chosen = split_images(NAMES, twins, **how)
    return sorted(name[0] for name, out in zip(NAMES, chosen, strict=True) if out)


def test_every_so_many_th_by_name():
    assert held_out(every=5) == ["e", "j"]


def test_a_share_is_drawn_by_the_seed():
    first = held_out(share=0.3, seed=1)
    assert len(first) == 3
    assert first == held_out(share=0.3, seed=1)
    assert any(held_out(share=0.3, seed=seed) != first for seed in range(2, 6))


def test_twins_go_where_the_first_by_name_goes():
    place = {name[0]: index for index, name in enumerate(NAMES)}
    twins = [(place["j"], place["c"]), (place["f"], place["e"])]
    # e takes f along; c stays, and keeps its twin j.
    assert held_out(twins, every=5) == ["e", "f"]
    chain = [(place["j"], place["i"]), (place["i"], place["e"]), (place["h"], place["j"])]
    assert held_out(chain, every=5) == ["e", "h", "i", "j"]


@pytest.mark.parametrize("how", [{}, {"every": 2, "share": 0.5}, {"every": 1}, {"share": 1.0}])
def test_refusals(how):
    with pytest.raises(ConfigError):
        split_images(NAMES, [], **how)


def test_one_image_cannot_be_split():
    with pytest.raises(ConfigError, match="split: expected at least 2 images, got 1"):
        split_images(["a.jpg"], [], every=2)


def test_selected_images_keep_all_that_is_known_of_them():
    faces = AnnotationSet.build(
        ["a", "b", "c"],
        [0, 2, 2],
        np.arange(12.0).reshape(3, 2, 2),
        ignore=[False, True, False],
        boxes_xyxy=[[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]],
        image_sizes_wh=[[1, 1], [2, 2], [3, 3]],
        attributes={"pose": [1, 2, 3]},
    )
    part = select_images(faces, np.array([False, True, True]))
    assert part.image_names == ("b", "c")
    assert part.image_index.tolist() == [1, 1]
    assert part.image_sizes_wh.tolist() == [[2, 2], [3, 3]]
    assert part.ignore.tolist() == [True, False]
    assert part.attributes["pose"].tolist() == [2, 3]
    np.testing.assert_array_equal(part.points, faces.points[1:])
