"""What a training takes from its faces: the loss from their scheme, who is held out of few."""

import json
from dataclasses import replace

import pytest
from msgspec import structs

pytest.importorskip("torch")

from dan.core.errors import DataError
from dan.schemes import LandmarkScheme
from dan.training import train
from dan.training.recipe import DataSettings


@pytest.mark.parametrize("count", [2, 5, 9])
def test_of_fewer_faces_than_validation_every_the_last_is_held_out(drawn_pack, count):
    kept, held_out = drawn_pack.subset(range(count)).split(10)
    assert held_out.names == drawn_pack.names[count - 1 : count]
    assert kept.names == drawn_pack.names[: count - 1]


def test_few_faces_train_and_one_alone_is_refused(drawn_pack, tmp_path, tiny_recipe):
    recipe = structs.replace(
        tiny_recipe(epochs=[1, 1], confidence_draws=1), data=DataSettings(face_size=22.0)
    )
    assert train(
        drawn_pack.subset(range(5)), recipe, tmp_path / "five", device="cpu"
    ).path.is_file()
    with pytest.raises(DataError, match=r"at least 2 faces, got 1: .*data\.validation_every"):
        train(drawn_pack.subset([0]), recipe, tmp_path / "one", device="cpu")
    assert not (tmp_path / "one").exists()


def test_a_run_whose_loss_was_named_goes_on_where_the_scheme_says_the_same(
    drawn_pack, tmp_path, tiny_recipe
):
    train(drawn_pack, tiny_recipe(epochs=[1, 1], loss="eye_centres"), tmp_path, device="cpu")
    train(drawn_pack, tiny_recipe(epochs=[1, 1]), tmp_path, device="cpu")
    written = json.loads((tmp_path / "recipe.json").read_text())
    assert written["training"]["loss"] == "eye_centres"


def test_a_scheme_without_eyes_is_trained_by_the_diagonal(drawn_pack, tmp_path, tiny_recipe):
    plain = replace(drawn_pack, scheme=LandmarkScheme.plain(68))
    train(plain, tiny_recipe(epochs=[1, 1]), tmp_path, device="cpu")
    written = json.loads((tmp_path / "recipe.json").read_text())
    assert written["training"]["loss"] == "diagonal"
