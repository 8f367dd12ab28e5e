"""What a training ends with: after several joint rounds, the mean of their models.

Models that one training reaches at the ends of several cosines lie in one basin, and the mean of
their weights is better on new faces than each of them (Izmailov et al. 2018, "Averaging Weights
Leads to Wider Optima and Better Generalization").
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, replace

import torch

from dan.model import DAN, load_model
from dan.model.weights import ModelFile
from dan.training.engine import PhaseJob, score


def finished_model(jobs: Sequence[PhaseJob]) -> ModelFile:
    """The best model of the last phase, or the mean of the joint rounds' ends if that is better.

    The model is on the CPU.

    Args:
        jobs: phases, trained; the last may be any. In many processes, each has to call this.
    """
    last = jobs[-1]
    best = load_model(last.folder.best)
    rounds = [job for job in jobs if job.phase.joint]
    if last.phase.refined or len(rounds) < 2:
        return best
    mean = mean_of_models([load_model(job.folder.last).model for job in rounds])
    figures = score(last, mean.to(last.accelerator.device))
    error, single = figures.error_percent[-1], best.training["validation"]["error_percent"][-1]
    last.report.say(
        f"mean of {len(rounds)} joint rounds: {error:.2f} % on the faces held out, "
        f"best of the last: {single:.2f} %"
    )
    if error >= single:
        return best
    end = load_model(last.folder.last)
    made = {**end.training, "mean_of_rounds": len(rounds), "validation": asdict(figures)}
    return replace(end, model=mean.cpu(), training=made)


def mean_of_models(models: Sequence[DAN]) -> DAN:
    """A model whose weights and batch statistics are the means of those of models of one form."""
    mean = deepcopy(models[0])
    others = [model.state_dict() for model in models]
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.stack([state[name] for state in others]).mean(dim=0))
    return mean
