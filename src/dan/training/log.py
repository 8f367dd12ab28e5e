"""What a training tells while it runs, and the pictures that it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from dan.core.files import replacing
from dan.training.run_folder import read_csv
from dan.training.validation import ValidationFigures


@dataclass(frozen=True)
class ValidationReport:
    """What is told after a validation.

    Attributes:
        phase: its name.
        step: steps done.
        seconds: time spent training the phase so far.
        training_loss: mean of the last steps.
        figures: scores on the held-out faces.
        is_best: lower error than ever before in this phase.
    """

    phase: str
    step: int
    seconds: float
    training_loss: float
    figures: ValidationFigures
    is_best: bool

    def __str__(self) -> str:
        """One line."""
        stages = ", ".join(
            f"stage {number}: {value:.2f} %"
            for number, value in enumerate(self.figures.error_percent, start=1)
        )
        best = " (best)" if self.is_best else ""
        return (
            f"{self.phase} step {self.step}: loss {self.training_loss:.4f}; {self.figures.n_faces} "
            f"faces held out, {self.figures.normaliser}, {stages}{best}"
        )


class TrainingLog:
    """Hears of a training's progress, in the main process; this one keeps it to itself.

    To see something, override what you want to hear of.

    Attributes:
        every_steps: losses are fetched from the device, checked, written and told every so many
            steps.
    """

    every_steps = 10

    def say(self, text: str) -> None:
        """One line, of what happens rarely."""

    def begin(self, name: str, done: int, total: int) -> None:
        """A phase starts, or goes on, at a step; also the fitting of the confidence."""

    def advance(self) -> None:
        """One more of what :meth:`begin` announced, where no steps are told."""

    def step(self, name: str, step: int, loss: float, rate: float, images_per_s: float) -> None:
        """Steps done in a phase, and the mean loss of the last ones."""

    def validated(self, report: ValidationReport) -> None:
        """Figures of a validation."""


def log_of_process(log: TrainingLog, accelerator: Accelerator) -> TrainingLog:
    """The log itself in the main process, in the others a silent one in step with it."""
    if accelerator.is_main_process:
        return log
    silent = TrainingLog()
    silent.every_steps = log.every_steps
    return silent


def plot_curves(run_dir: Path, phases: list[str]) -> Path | None:
    """Draw loss and validation error over the steps of all phases into ``curves.png``.

    Returns:
        The picture's path, or None where matplotlib (extra ``plot``) is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(9, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    start = 0
    for phase in phases:
        losses = read_csv(run_dir / phase / "losses.csv")
        checks = read_csv(run_dir / phase / "validation.csv")
        if not losses:
            continue
        steps = [start + int(row["step"]) for row in losses]
        values = [float(row["loss"]) for row in losses]
        line = top.plot(steps, values, linewidth=0.5, alpha=0.35)[0]
        top.plot(steps, _smoothed(values), color=line.get_color(), label=phase)
        bottom.plot(
            [start + int(row["step"]) for row in checks],
            [float(row["error_percent"]) for row in checks],
            marker=".",
            label=phase,
        )
        start = steps[-1]
    top.set(ylabel="training loss", yscale="log")
    normaliser = checks[-1]["normaliser"].replace("_", "-") if checks else ""
    bottom.set(xlabel="step", ylabel=f"validation error, % {normaliser}", yscale="log")
    for axes in (top, bottom):
        axes.grid(alpha=0.3, which="both")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
        axes.legend()
    path = run_dir / "curves.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def plot_reliability(path: Path, bins: Sequence[tuple[float, float, int]]) -> Path | None:
    """Draw the share of good results over the confidence.

    Args:
        path: the picture.
        bins: mean confidence, share of good results, and how many, of each bin.

    Returns:
        ``path``, or None where matplotlib (extra ``plot``) is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    predicted, observed, counts = zip(*bins, strict=True)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--", label="as it should be")
    axes.plot(predicted, observed, marker="o", label="faces held out")
    for x, y, count in zip(predicted, observed, counts, strict=True):
        axes.annotate(str(count), (x, y), (6, -10), textcoords="offset points", fontsize=8)
    axes.set(xlabel="confidence", ylabel="share with a mean error under 8 %", aspect="equal")
    axes.set(xlim=(-0.03, 1.06), ylim=(-0.06, 1.03))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    return path


def _smoothed(values: list[float], keep: float = 0.95) -> list[float]:
    mean, smooth = values[0], []
    for value in values:
        mean = keep * mean + (1 - keep) * value
        smooth.append(mean)
    return smooth
