"""Steps as CUDA graphs learn what plain steps learn."""

import copy

import pytest

torch = pytest.importorskip("torch")
from dan.training import loop, train
from dan.training.augmentation import Batch
from dan.training.cuda_graph import GraphedStep
from dan.training.optimiser import MovingAverage, build_optimiser
from dan.training.run_folder import read_csv

pytestmark = pytest.mark.gpu


def test_replayed_steps_follow_rate_batch_and_average():
    plain = torch.nn.Linear(6, 2).cuda()
    graphed = copy.deepcopy(plain)

    def learner(model):
        optimiser = build_optimiser(model, "adamw", 1e-2, 0.1, on_device=True)
        average = MovingAverage(model, 0.9)

        def prepare(step) -> None:
            for group in optimiser.param_groups:
                group["lr"].fill_(0.01 * (step + 1))
            average.prepare(step)

        def learn(batch) -> torch.Tensor:
            loss = (model(batch.crops) - batch.points).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            average.update(model)
            return loss.detach()

        return prepare, learn, average.model

    prepare_plain, plain_step, plain_average = learner(plain)
    prepare_graphed, learn, graphed_average = learner(graphed)
    graphed_step = GraphedStep(learn)
    generator = torch.Generator().manual_seed(0)
    for step in range(8):
        values = (torch.randn(4, n, generator=generator).cuda() for n in (6, 2, 1, 1))
        batch = Batch(*values)
        prepare_plain(step)
        prepare_graphed(step)
        assert float(graphed_step(batch)) == pytest.approx(float(plain_step(batch)), rel=1e-5)
    assert graphed_step.loss is not None
    assert torch.allclose(graphed_average.weight, plain_average.weight, atol=1e-6)
    assert not torch.allclose(graphed_average.weight, graphed.weight, atol=1e-3)


def test_a_training_of_graphs_has_the_losses_of_plain_steps(
    drawn_pack, tmp_path, tiny_recipe, monkeypatch
):
    recipe = tiny_recipe(epochs=[2, 2], precision="fp32")
    train(drawn_pack, recipe, tmp_path / "graphs", device="cuda")
    monkeypatch.setattr(loop, "_can_be_graphed", lambda *_: False)
    train(drawn_pack, recipe, tmp_path / "plain", device="cuda")
    for stage in ("stage1", "stage2"):
        graphs, plain = (
            [float(row["loss"]) for row in read_csv(tmp_path / run / stage / "losses.csv")]
            for run in ("graphs", "plain")
        )
        assert graphs == pytest.approx(plain, rel=0.02)
