"""The face finder's network: shapes, the order of cells, and what a map says."""

import math

import pytest

torch = pytest.importorskip("torch")

from dan.model.finder import (
    QUARTERS,
    SIZE_IN_STRIDES,
    STRIDES,
    VALUES,
    FaceFinderNetwork,
    FinderConfig,
    answers_of,
    decode,
)


def tiny_network() -> FaceFinderNetwork:
    return FaceFinderNetwork(FinderConfig((4, 4, 8, 8, 8), 8, (0, 1, 0)))


def frames_of(*maps: torch.Tensor):
    """What maps of stride 8, 16 and so on say."""
    answers, cells = answers_of(maps)
    quarters = torch.arange(QUARTERS).repeat(len(cells))
    return decode(answers, cells.repeat_interleave(QUARTERS, dim=0), quarters)


def test_every_cell_of_three_maps_gives_four_answers():
    network = tiny_network().eval()
    pictures = torch.zeros(2, 3, 64, 96)
    assert [tuple(map_.shape) for map_ in network.maps(pictures)] == [
        (2, QUARTERS * VALUES, 64 // stride, 96 // stride) for stride in STRIDES
    ]
    frames = network(pictures)
    n_answers = QUARTERS * (8 * 12 + 4 * 6 + 2 * 3)
    assert [tuple(values.shape) for values in frames] == [
        (2, n_answers),
        (2, n_answers, 2),
        (2, n_answers),
        (2, n_answers),
    ]


def test_a_map_of_zeros_says_cells_and_directions_in_reading_order():
    frames = frames_of(torch.zeros(1, QUARTERS * VALUES, 2, 3))
    assert frames.centres_xy[0, ::QUARTERS].tolist() == [
        [3.5, 3.5],
        [11.5, 3.5],
        [19.5, 3.5],
        [3.5, 11.5],
        [11.5, 11.5],
        [19.5, 11.5],
    ]
    assert frames.sizes.unique().tolist() == [SIZE_IN_STRIDES * 8]
    turns = [0, math.pi / 2, math.pi, 3 * math.pi / 2]
    assert frames.rolls[0, :QUARTERS].tolist() == pytest.approx(turns)


def test_a_frame_of_a_map_made_by_hand():
    map_ = torch.zeros(1, QUARTERS * VALUES, 2, 3)
    quarter, row, column = 2, 1, 2
    map_[0, quarter * VALUES : (quarter + 1) * VALUES, row, column] = torch.tensor(
        [4.0, 0.5, -0.25, math.log(2), 0.1]
    )
    nothing = torch.zeros(1, QUARTERS * VALUES, 4, 6)
    frames, place = frames_of(nothing, map_), (4 * 6 + row * 3 + column) * QUARTERS + quarter
    assert frames.logits[0].nonzero().tolist() == [[place]]
    assert frames.logits[0, place] == 4
    assert frames.centres_xy[0, place].tolist() == [2 * 16 + 7.5 + 8, 16 + 7.5 - 4]
    assert frames.sizes[0, place].item() == pytest.approx(2 * SIZE_IN_STRIDES * 16)
    assert frames.rolls[0, place].item() == pytest.approx(math.pi + 0.1)
