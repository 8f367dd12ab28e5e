"""Published results on 300-W: mean inter-ocular error in percent, from the papers themselves."""

from __future__ import annotations

from dataclasses import dataclass

from dan.evaluation.predictions import Predictions

SETS = ("common", "challenging", "full", "private")


@dataclass(frozen=True)
class Published:
    """One method's figures, percent inter-ocular; None where the paper does not say."""

    method: str
    boxes: str
    common: float | None = None
    challenging: float | None = None
    full: float | None = None
    private: float | None = None

    def of(self, subset: str) -> float | None:
        """The figure of a subset by name."""
        values: dict[str, float | None] = {name: vars(self)[name] for name in SETS}
        return values.get(subset.split(" ")[0])


PUBLISHED = (
    Published("DAN, 2017 (the paper)", "det", 3.19, 5.24, 3.59, 4.30),
    Published("DAN-Menpo, 2017 (more data)", "det", 3.09, 4.88, 3.44, 3.97),
    Published("LAB, 2018", "gt", 2.98, 5.19, 3.49),
    Published("AWing, 2019", "gt", 2.72, 4.52, 3.07),
    Published("HRNet-W18, 2019", "gt", 2.87, 5.15, 3.32),
    Published("PIPNet-R18, 2021", "gt", full=3.36),
    Published("ADNet, 2021", "gt", 2.53, 4.58, 2.93),
    Published("SPIGA, 2022", "gt", 2.59, 4.66, 2.99),
    Published("STAR, 2023", "gt", 2.52, 4.32, 2.87),
)


def is_comparable(predictions: Predictions) -> bool:
    """Whether they are scored as the published ones are: 68 points, outer eye corners."""
    by_corners = predictions.normalisers[0] == "inter_ocular"
    return predictions.scheme.name == "face68" and by_corners
