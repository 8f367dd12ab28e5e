"""The model card of a bundle as Markdown: what it is, costs, was made of, and is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dan.core.errors import BundleError
from dan.evaluation.metrics import Score, render_table
from dan.inference.bundle import Bundle

TEXTS = {
    "data": "Training data",
    "boxes": "Boxes",
    "intended_use": "Intended use",
    "limits": "Known limits",
}
"""Entries of the card that are told as they are, and their titles."""


def render_card(bundle: Bundle, n_bytes: int) -> str:
    """The card of a bundle.

    Args:
        bundle: whose card; entries that it lacks are left out.

    Raises:
        BundleError: if an entry is of another kind than ours.
    """
    try:
        return _render(bundle, n_bytes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{bundle.name}: expected the entries of a model card: {error}") from None


def _render(bundle: Bundle, n_bytes: int) -> str:
    card = bundle.card
    lines = [f"# {bundle.name}", ""]
    lines += [f"- {line}" for line in _facts(bundle, n_bytes)]
    figures = card.get("figures", {})
    if figures:
        scores = [Score(**score) for score in figures["scores"]]
        lines += ["", f"`{figures['command']}`, {figures['date']}:", ""]
        lines += render_table(scores).splitlines()
    for name, title in TEXTS.items():
        if name in card:
            lines += ["", f"**{title}.** {card[name]}"]
    for what, text in card.get("licences", {}).items():
        lines += ["", f"**Licence of the {what}.** {text}"]
    return "\n".join(lines) + "\n"


def _facts(bundle: Bundle, n_bytes: int) -> list[str]:
    card, scheme = bundle.card, bundle.scheme
    averaged = ", averaged with the mirror image" if card.get("mirrored") else ""
    facts = [
        f"{scheme.n_landmarks} landmarks ({scheme.name}) in crops of {bundle.crop_size} pixels",
        f"{bundle.n_stages} stages{averaged}; {bundle.weights} weights, {n_bytes / 1e6:.1f} MB",
    ]
    cost = card.get("cost", {})
    if cost:
        millions = {name: f"{count / 1e6:.1f} million" for name, count in cost.items()}
        facts.append(
            f"{millions['parameters']} parameters, {millions['multiplications_a_face']} "
            "multiplications a face"
        )
    training = card.get("training", {})
    facts += _stage_errors(training)
    confidence = training.get("confidence")
    if confidence:
        facts.append(
            f"confidence on faces held out: ROC-AUC {confidence['roc_auc']:.3f}, calibration error "
            f"{100 * confidence['calibration_error']:.1f} %"
        )
    points = training.get("points")
    if points:
        held = ", ".join(f"{100 * share:.0f}" for share in points["coverage"])
        auc = points["visibility_roc_auc"]
        seen = "" if auc is None else f"; visibility: ROC-AUC {auc:.3f}"
        facts.append(f"50, 68 and 95 % ellipses of the points hold {held} % of the errors{seen}")
    dates = [
        f"{verb} {source['date']}"
        for verb, source in (("trained", card.get("training")), ("exported", card.get("made")))
        if source and "date" in source
    ]
    return facts + [", ".join(dates)] * bool(dates)


def _stage_errors(training: Mapping[str, Any]) -> list[str]:
    validation = training.get("validation")
    if validation is None:
        return []
    errors = " → ".join(f"{error:.2f}" for error in validation["error_percent"])
    return [
        f"stage by stage on {validation['n_faces']} faces held out: {errors} % "
        f"({validation['normaliser']}, gt boxes, not mirrored)"
    ]
