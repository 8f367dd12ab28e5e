"""Model cards: what a bundle says of itself."""

from dataclasses import replace

import pytest

from dan.core.errors import BundleError
from dan.evaluation.metrics import Score
from dan.evaluation.model_card import render_card
from dan.inference.bundle import bundle_path, load_bundle

FIGURES = {
    "command": "dan evaluate",
    "date": "2026-11-23",
    "scores": [
        Score("common", "face68", "gt", "inter_ocular", 330, 0, 3.25, 0.6, 0.5, 0.08).to_dict()
    ],
}
TRAINING = {
    "date": "2026-11-22",
    "validation": {
        "n_faces": 292,
        "normaliser": "inter_ocular",
        "error_percent": [4.251, 3.6],
        "loss": 0.05,
    },
    "confidence": {"roc_auc": 0.9984, "calibration_error": 0.0129},
}


@pytest.fixture(scope="module")
def bundle():
    return load_bundle(bundle_path("dan68-fast"))


def test_a_bare_card_tells_what_the_bundle_is(bundle):
    card = render_card(replace(bundle, name="mine", card={}), 5_000_000)
    assert card.startswith("# mine\n\n- 68 landmarks (face68) in crops of ")
    assert "5.0 MB" in card
    assert "Licence" not in card


def test_a_full_card_tells_figures_and_texts(bundle):
    entries = {
        "mirrored": True,
        "cost": {"parameters": 1_250_000, "multiplications_a_face": 64_000_000},
        "training": TRAINING,
        "figures": FIGURES,
        "limits": "Profiles.",
        "licences": {"weights": "research only"},
    }
    card = render_card(replace(bundle, card=entries), 1)
    for part in (
        "averaged with the mirror image",
        "1.2 million parameters, 64.0 million multiplications a face",
        "4.25 → 3.60 % (inter_ocular",
        "ROC-AUC 0.998, calibration error 1.3 %",
        "| common | 330 | 0 | face68 | gt | inter_ocular | 3.25 |",
        "**Known limits.** Profiles.",
        "**Licence of the weights.** research only",
    ):
        assert part in card


@pytest.mark.parametrize(
    "entries", [{"cost": 3}, {"figures": {"scores": [{}]}}, {"training": {"validation": [1]}}]
)
def test_a_foreign_card_is_refused_in_one_line(bundle, entries):
    with pytest.raises(BundleError, match="expected the entries of a model card"):
        render_card(replace(bundle, card=entries), 1)
