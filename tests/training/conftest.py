"""Small drawn faces and recipes for the tests of training."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def drawn_pack():
    """40 drawn faces, cut out at 60 pixels in 96."""
    pytest.importorskip("torch")
    import cv2

    from dan.datasets.pack import FacePack
    from dan.datasets.synthetic import draw_synthetic_face
    from dan.geometry import Similarity, box_centre, box_of_points, box_size_wh, warp_image
    from dan.schemes import FACE68

    images, shapes = [], []
    for index in range(40):
        picture, points = draw_synthetic_face(np.random.default_rng([7, index]), 120)
        box = box_of_points(points)
        scale = 60 / float(box_size_wh(box).max())
        cut = Similarity.about(box_centre(box), scale=scale, move_to_xy=[47.5, 47.5])
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        images.append(warp_image(grey, cut, (96, 96)))
        shapes.append(cut.apply(points))
    names = tuple(f"drawn_{index:02d}" for index in range(40))
    return FacePack.build(names, np.stack(images), np.stack(shapes), FACE68)


@pytest.fixture
def tiny_recipe():
    """Two stages of width 2 on 32-pixel crops: a step takes milliseconds."""
    pytest.importorskip("torch")
    from dan.training.recipe import Recipe

    def build(refinement=0, **training) -> Recipe:
        return Recipe.from_dict(
            {
                "model": {
                    "image_size": 32,
                    "width": 2,
                    "hidden": 16,
                    "heat_map": "gaussians",
                    "refinement": refinement,
                },
                "data": {"face_size": 22.0, "validation_every": 4},
                "training": {
                    "epochs": [2, 2],
                    "batch_size": 8,
                    "precision": "fp32",
                    "confidence_draws": 0,
                    **training,
                },
            }
        )

    return build
