from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta, Struct
from msgspec.structs import asdict

torch = pytest.importorskip("torch")

from dan.core.errors import ConfigError, FormatError
from dan.training import Augmentation, Recipe, load_recipe
from dan.training.finder import FinderRecipe
from dan.training.recipe import NOT_COVERED, covered_by_fingerprint

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def write(tmp_path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_loads(path):
    kind = FinderRecipe if path.stem == "finder" else Recipe
    recipe = load_recipe(path, kind=kind)
    assert kind.from_dict(recipe.to_dict()) == recipe


def test_the_repository_has_recipes():
    assert RECIPES


def test_overrides_reach_every_kind_of_setting(tmp_path):
    path = write(tmp_path, "[training]\nepochs = [3, 4]\n[model]\nwidth = 8\n")
    overrides = [
        "training.rate=2e-3",
        "training.loss=wing",
        "training.compile=true",
        "model.width=12",
        "augmentation.flip=0",
        "training.epochs=[1, 2]",
    ]
    recipe = load_recipe(path, overrides)
    assert recipe.training.rate == 2e-3
    assert recipe.training.loss == "wing"
    assert recipe.training.compile is True
    assert recipe.model.width == 12
    assert recipe.augmentation.flip == 0.0
    assert recipe.training.epochs == (1, 2)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.bach_size=3", "training.bach_size: unknown setting; known: epochs"),
        ("training.batch_size=big", "training.batch_size: expected a whole number, got 'big'"),
        ("training.batch_size=1.5", "training.batch_size: expected a whole number, got 1.5"),
        ("training.rate=true", "training.rate: expected a number, got True"),
        ("training.rate=nan", "training.rate: expected a number > 0, got nan"),
        ("training.rate=-1", "training.rate: expected a number > 0, got -1"),
        ("training.weight_decay=-1", "training.weight_decay: expected a number >= 0, got -1"),
        ("training.confidence_draws=-1", "training.confidence_draws: expected a whole number >= 0"),
        ("augmentation.flip=1.5", "augmentation.flip: expected a number <= 1, got 1.5"),
        (
            "augmentation.rotation_deg=-5",
            "augmentation.rotation_deg: expected a number >= 0",
        ),
        ("model.confidence=true", "model.confidence: expected false"),
        ("training.loss=l2", "training.loss: expected one of auto, eye_centres, diagonal, wing"),
        ("training.epochs=3", "training.epochs: expected a list, got 3"),
        (
            "training.epochs=[3, 0]",
            "training.epochs[1]: expected a whole number >= 1, got 0",
        ),
        ("training.epochs=[3]", "training.epochs: expected 2 entries, one a stage"),
        ("training.epochs=[1, 2.5]", "training.epochs[1]: expected a whole number, got 2.5"),
        ("training=3", "training: expected a table, got 3"),
        ("training.seed=-1", "training.seed: expected a whole number >= 0, got -1"),
        ("training.epochs=[]", "training.epochs: expected a list of length >= 1, got []"),
        ("data.face_size=inf", "data.face_size: expected a number, got inf"),
        (
            "learning.rate=3",
            "learning: unknown setting; known: model, data, augm",
        ),
        ("training.batch_size", "expected key=value"),
        ("data.validation_every=1", "data.validation_every: expected a whole number >= 2, got 1"),
        ("training.batch_size=0", "training.batch_size: expected a whole number >= 1, got 0"),
        ("model.width=0", "width: expected a whole number of at least 1, got 0"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path, override, message):
    path = write(tmp_path, "[training]\nepochs = [3, 4]\n")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, [override])
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_no_toml_or_missing_is_named(tmp_path):
    path = write(tmp_path, "[training\n")
    with pytest.raises(ConfigError, match=r"recipe.toml"):
        load_recipe(path)
    with pytest.raises(FormatError, match=r"none.toml: No such file"):
        load_recipe(tmp_path / "none.toml")


def test_no_augmentation_switches_everything_off():
    assert set(asdict(Augmentation.none()).values()) == {0.0}


class Table(Struct):
    old: int = 1
    spared: Annotated[int, NOT_COVERED] = 2
    later: Annotated[int, Meta(ge=0), Meta(extra={"fingerprint": "unless default"})] = 3


def test_what_a_fingerprint_covers_stands_at_the_fields():
    assert covered_by_fingerprint(Table(spared=7)) == {"old": 1}
    assert covered_by_fingerprint(Table(later=4)) == {"old": 1, "later": 4}
