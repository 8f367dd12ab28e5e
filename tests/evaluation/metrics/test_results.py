import numpy as np
import pytest

from dan.core.errors import ShapeError
from dan.evaluation.metrics import Score, render_table

NAMED = {
    "subset": "common",
    "scheme": "face68",
    "box_source": "gt",
    "normaliser": "inter_ocular",
}


def test_missed_faces_count_as_failures_and_stay_out_of_the_mean():
    score = Score.of(np.array([0.02, 0.04, 0.10, np.inf]), **NAMED)
    assert (score.n_images, score.n_missed) == (4, 1)
    assert score.nme_percent == pytest.approx(100 * 0.16 / 3)
    assert score.failure_percent == 50
    assert score.auc == pytest.approx((0.75 + 0.5) / 4)
    assert score.threshold == 0.08


def test_threshold_is_used():
    score = Score.of(np.array([0.02, 0.04]), threshold=0.03, **NAMED)
    assert score.failure_percent == 50
    assert score.auc == pytest.approx(1 / 6)


def test_all_faces_missed():
    score = Score.of(np.array([np.inf, np.inf]), **NAMED)
    assert (score.nme_percent, score.auc, score.failure_percent) == (np.inf, 0, 100)


def test_no_faces_are_no_score():
    with pytest.raises(ShapeError, match="at least one"):
        Score.of(np.array([]), **NAMED)


def test_dict_has_every_entry():
    values = Score.of(np.array([0.02]), **NAMED).to_dict()
    assert {name: values[name] for name in NAMED} == NAMED
    assert Score(**values) == Score.of(np.array([0.02]), **NAMED)


def test_table_names_all_that_a_figure_depends_on():
    rows = [
        Score.of(np.array([0.02, np.inf]), **NAMED),
        Score.of(np.array([0.05]), **{**NAMED, "subset": "challenging", "box_source": "det"}),
    ]
    lines = render_table(rows).splitlines()
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == (
        "| common | 2 | 1 | face68 | gt | inter_ocular | 2.00 | 0.375 @0.08 | 50.00 @0.08 |"
    )
    assert "| challenging | 1 | 0 | face68 | det |" in lines[3]
