from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from dan.errors import ConfigError, FormatError
from dan.training.config import Augmentation, Recipe, load_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


def write(tmp_path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_loads(path):
    recipe = load_recipe(path)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


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
        ("training.rate=nan", "training.rate: expected a number, got nan"),
        ("training.rate=-1", "training.rate: expected above 0, got -1"),
        ("training.weight_decay=-1", "training.weight_decay: expected 0 or more, got -1"),
        ("training.confidence_draws=-1", "training.confidence_draws: expected 0 or more, got -1"),
        ("augmentation.flip=1.5", "augmentation.flip: expected 0..1, got 1.5"),
        ("augmentation.rotation_deg=-5", "augmentation.rotation_deg: expected 0 or more, got -5"),
        ("model.confidence=true", "model.confidence: expected false"),
        ("training.loss=l2", "training.loss: expected one of auto, eye_centres, diagonal, wing"),
        ("training.epochs=3", "training.epochs: expected a list, got 3"),
        (
            "training.epochs=[3, 0]",
            "training.epochs: expected at least 1 for each stage, got [3, 0]",
        ),
        ("training.epochs=[3]", "training.epochs: expected 2 entries, one a stage"),
        ("training=3", "training: expected a table, got 3"),
        ("training.batch_size", "expected key=value"),
        ("data.validation_every=1", "data.validation_every: expected at least 2, got 1"),
        ("training.batch_size=0", "training.batch_size: expected at least 1, got 0"),
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
    assert set(vars(Augmentation.none()).values()) == {0.0}
