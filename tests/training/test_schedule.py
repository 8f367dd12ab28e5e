import pytest

torch = pytest.importorskip("torch")

from dan.training.config import Recipe, TrainingSettings
from dan.training.schedule import (
    batch_indices,
    derive_seed,
    phases_of,
    rate_at,
    stage_phase,
    steps_per_epoch,
)


def test_every_face_is_seen_once_an_epoch_and_none_is_dropped():
    drawn = torch.cat([batch_indices(step, 10, 4, seed=1) for step in range(5)])
    assert sorted(drawn[:10].tolist()) == sorted(drawn[10:20].tolist()) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:20].tolist()
    assert steps_per_epoch(10, 4) == 3


def test_order_depends_on_the_seed_only():
    assert torch.equal(batch_indices(7, 10, 4, seed=1), batch_indices(7, 10, 4, seed=1))
    assert not torch.equal(batch_indices(7, 10, 4, seed=1), batch_indices(7, 10, 4, seed=2))


def test_a_batch_may_be_larger_than_the_data():
    assert sorted(batch_indices(0, 3, 6, seed=1).tolist()) == [0, 0, 1, 1, 2, 2]


def test_rate_rises_then_falls_as_a_cosine():
    settings = TrainingSettings(warm_up_steps=10)
    rates = [rate_at(step, 110, 1.0, settings) for step in range(110)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.505)
    assert rates[109] == pytest.approx(0.01, abs=1e-3)
    assert max(rates) == rates[10]


def test_constant_rate_without_warm_up():
    settings = TrainingSettings(rate_schedule="constant", warm_up_steps=0)
    assert {rate_at(step, 50, 0.3, settings) for step in range(50)} == {0.3}


def test_phases_are_the_stages_then_all_together_then_refined():
    training = {"epochs": [5, 4, 3], "joint_epochs": 2, "joint_rounds": 3, "refinement_epochs": 7}
    recipe = Recipe.from_dict({"model": {"n_stages": 3, "refinement": 8}, "training": training})
    phases = phases_of(recipe)
    assert [(phase.name, phase.trained, phase.epochs) for phase in phases] == [
        ("stage1", (1,), 5),
        ("stage2", (2,), 4),
        ("stage3", (3,), 3),
        ("joint", (1, 2, 3), 2),
        ("joint2", (1, 2, 3), 2),
        ("joint3", (1, 2, 3), 2),
        ("refinement", (1, 2, 3), 7),
    ]
    assert len({phase.number for phase in phases}) == 7
    assert [phase.name for phase in phases if phase.refined] == ["refinement"]
    assert phases[2] == stage_phase(3, recipe)
    assert phases[3].n_stages == 3


def test_seeds_differ_with_every_part():
    seeds = {derive_seed(a, b) for a in range(10) for b in range(10)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
