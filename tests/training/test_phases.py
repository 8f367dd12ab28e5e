import dataclasses

import pytest

torch = pytest.importorskip("torch")

from msgspec.structs import replace

from dan.training import Recipe
from dan.training.phases import Draw, derive_seed, phases_of, stage_phase, steps_per_epoch


def phase_of(n_faces=10, n_steps=20, **training):
    recipe = Recipe.from_dict({"training": {"batch_size": 4, **training}})
    return dataclasses.replace(stage_phase(1, recipe, n_faces), n_steps=n_steps)


def test_every_face_is_seen_once_an_epoch_and_none_is_dropped():
    phase = phase_of(n_faces=10)
    drawn = torch.cat([phase.faces_of(step) for step in range(5)])
    assert sorted(drawn[:10].tolist()) == sorted(drawn[10:20].tolist()) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:20].tolist()
    assert steps_per_epoch(10, 4) == 3


def test_order_depends_on_the_seed_only():
    assert torch.equal(phase_of(seed=1).faces_of(7), phase_of(seed=1, rate=0.5).faces_of(7))
    assert not torch.equal(phase_of(seed=1).faces_of(7), phase_of(seed=2).faces_of(7))


def test_a_batch_may_be_larger_than_the_data():
    phase = phase_of(n_faces=3, batch_size=6)
    assert sorted(phase.faces_of(0).tolist()) == [0, 0, 1, 1, 2, 2]


def test_rate_rises_then_falls_as_a_cosine():
    phase = phase_of(n_steps=110, rate=1.0, warm_up_steps=10)
    rates = [phase.rate_at(step) for step in range(110)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.505)
    assert rates[109] == pytest.approx(0.01, abs=1e-3)
    assert max(rates) == rates[10]


def test_constant_rate_without_warm_up():
    phase = phase_of(n_steps=50, rate=0.3, rate_schedule="constant", warm_up_steps=0)
    assert {phase.rate_at(step) for step in range(50)} == {0.3}


def test_phases_are_the_stages_then_all_together_then_refined():
    training = {"epochs": [5, 4, 3], "joint_epochs": 2, "joint_rounds": 3, "refinement_epochs": 7}
    recipe = Recipe.from_dict({"model": {"n_stages": 3, "refinement": 8}, "training": training})
    phases = phases_of(recipe, n_faces=130)  # three batches of 64
    assert [(phase.name, phase.stages, phase.n_steps) for phase in phases] == [
        ("stage1", (1,), 15),
        ("stage2", (2,), 12),
        ("stage3", (3,), 9),
        ("joint", (1, 2, 3), 6),
        ("joint2", (1, 2, 3), 6),
        ("joint3", (1, 2, 3), 6),
        ("refinement", (1, 2, 3), 21),
    ]
    # Part of all seeds: other numbers would change what a stopped run goes on with.
    assert [phase.key for phase in phases] == [1, 2, 3, 0, 4, 5, 1000]
    assert {phase.recipe.model.refinement for phase in phases[:-1]} == {0}
    assert phases[-1].recipe == recipe
    assert phases[2] == stage_phase(3, recipe.without_refinement(), 130)
    assert phases[3].n_stages == 3


def test_when_a_phase_is_validated():
    phase = stage_phase(1, Recipe.from_dict({"training": {"validate_every": 2}}), n_faces=130)
    short = replace(phase.recipe, training=replace(phase.recipe.training, epochs=(3, 1)))
    phase = stage_phase(1, short, n_faces=130)
    assert [step for step in range(1, 10) if phase.is_validated_after(step)] == [6, 9]


def fingerprint(recipe=None, phase=1, identity="faces", **training):
    recipe = recipe or Recipe.from_dict({"training": training})
    return stage_phase(phase, recipe, n_faces=130).fingerprint(identity)


@pytest.mark.parametrize(
    "setting", ["save_seconds", "validate_every", "joint_rounds", "joint_rate"]
)
def test_what_has_no_effect_on_a_phase_is_not_in_its_fingerprint(setting):
    assert fingerprint(**{setting: 7}) == fingerprint()


@pytest.mark.parametrize(
    "change", [{"seed": 2}, {"rate": 0.5}, {"epochs": [41, 40]}, {"loss": "wing"}, {"phase": 2},
               {"identity": "others"}]
)  # fmt: skip
def test_what_changes_the_weights_changes_the_fingerprint(change):
    assert fingerprint(**change) != fingerprint()


def test_at_a_constant_rate_the_length_is_not_in_it():
    short, long = (fingerprint(rate_schedule="constant", epochs=[epochs, 1]) for epochs in (2, 3))
    assert short == long


def test_fingerprints_are_those_of_runs_from_before():
    """Of the release that wrote them first; a setting that comes later has to be marked."""
    wanted = "9afe859870b6d62e52cb9923e425af85bca88dbb7d1eeea509f85a8483ab457b"
    assert fingerprint(loss="eye_centres") == wanted


def test_uses_of_randomness_keep_their_numbers():
    assert {draw.name: draw.value for draw in Draw} == {
        "ORDER": 0,
        "SAMPLES": 1,
        "DROPOUT": 2,
        "WEIGHTS": 3,
        "STATISTICS": 4,
        "CONFIDENCE": 7,
        "REFINEMENT": 8,
        "CERTAINTY": 9,
    }


def test_seeds_differ_with_every_part():
    seeds = {derive_seed(a, b) for a in range(10) for b in range(10)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
