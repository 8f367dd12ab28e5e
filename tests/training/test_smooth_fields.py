import pytest

torch = pytest.importorskip("torch")

from dan.training.smooth_fields import FREQUENCIES, SmoothFields


def fields(n_fields: int, deviation: float, *, pictures: int = 200, size: int = 48) -> SmoothFields:
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(pictures, SmoothFields.n_draws(n_fields), generator=generator)
    return SmoothFields.of_draws(draws.double(), deviation, size)


def test_fields_have_the_deviation_asked_for_and_no_mean():
    maps = fields(2, 3.0).maps()
    assert maps.shape == (200, 2, 48, 48)
    assert maps.square().mean().sqrt().item() == pytest.approx(3.0, rel=0.05)
    assert maps.mean(dim=(2, 3)).abs().max() < 1e-12


def test_one_wave_across():
    draws = torch.zeros(1, FREQUENCIES, FREQUENCIES)
    draws[0, 0, 1] = 1.0
    field = SmoothFields.of_draws(draws.view(1, -1), 1.0, 16).maps()[0, 0]
    assert torch.equal(field, field[:1].expand(16, 16))  # alike in all rows
    torch.testing.assert_close(field[0], -field[0].flip(0))  # odd about the centre
    assert (field[0].diff() < 0).all()


def test_a_bent_picture_shows_each_point_where_its_source_is_the_point():
    bend = fields(2, 1.0, pictures=5)
    pixels = torch.tensor([[10.0, 7.0], [24.0, 24.0], [40.0, 31.0]], dtype=torch.float64)
    sources = bend.sources().view(5, 48, 48, 2)[:, pixels[:, 1].long(), pixels[:, 0].long()]
    assert (sources - pixels).abs().mean() > 0.3
    torch.testing.assert_close(bend.places(sources), pixels.expand(5, 3, 2), atol=0.01, rtol=0)
