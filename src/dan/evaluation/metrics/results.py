"""One line of a results table: an error figure that names all it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dan.core.types import FloatArray
from dan.evaluation.metrics.curves import area_under_ced, failure_rate
from dan.evaluation.metrics.nme import Normaliser

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Score:
    """Scores of one method on one set of faces.

    Attributes:
        box_source: where the initial boxes came from, such as ``gt`` or ``det``.
        n_images: faces scored, missed ones included.
        n_missed: faces without a prediction; their error is infinite.
        nme_percent: mean error of the faces that were found.
        auc: area under the CED up to ``threshold``, 0..1, missed faces counted.
        failure_percent: faces above ``threshold``, missed ones included.
        threshold: a fraction of the normaliser.
    """

    subset: str
    scheme: str
    box_source: str
    normaliser: Normaliser
    n_images: int
    n_missed: int
    nme_percent: float
    auc: float
    failure_percent: float
    threshold: float

    @classmethod
    def of(
        cls,
        errors: FloatArray,
        *,
        subset: str,
        scheme: str,
        box_source: str,
        normaliser: Normaliser,
        threshold: float = 0.08,
    ) -> Score:
        """Score (F,) normalised errors, fractions; infinite for a missed face."""
        errors = np.asarray(errors, dtype=np.float64)
        found = errors[np.isfinite(errors)]
        return cls(
            subset=subset,
            scheme=scheme,
            box_source=box_source,
            normaliser=normaliser,
            n_images=len(errors),
            n_missed=len(errors) - len(found),
            nme_percent=100 * float(found.mean()) if len(found) else float("inf"),
            auc=area_under_ced(errors, threshold),
            failure_percent=100 * failure_rate(errors, threshold),
            threshold=threshold,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; the error is None where no face was found."""
        return plain_values(self)


def plain_values(score: DataclassInstance) -> dict[str, Any]:
    """The fields of a dataclass of figures, for JSON; None for one that is NaN or infinite."""
    return {name: _plain(value) for name, value in asdict(score).items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever the fields hold
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def render_table(scores: Sequence[Score]) -> str:
    """Markdown table of scores."""
    lines = [
        "| faces | images | missed | scheme | boxes | normaliser | NME % | AUC | failures % |",
        "| --- | ---: | ---: | --- | --- | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {s.subset} | {s.n_images} | {s.n_missed} | {s.scheme} | {s.box_source} "
        f"| {s.normaliser} | {s.nme_percent:.2f} | {s.auc:.3f} @{s.threshold:g} "
        f"| {s.failure_percent:.2f} @{s.threshold:g} |"
        for s in scores
    ]
    return "\n".join(lines) + "\n"
