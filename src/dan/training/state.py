"""The exact state of a phase, saved and restored: after a kill the run goes on as if unbroken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from accelerate import Accelerator
from torch import Tensor
from torch.optim import Optimizer

from dan.core.errors import CheckpointError
from dan.model import DAN, load_model
from dan.model.weights import FORMAT_VERSION, fill, load_tensors, save_tensors
from dan.training.optimiser import MovingAverage, Network
from dan.training.processes import from_main
from dan.training.run_folder import check_fingerprint

MODEL, AVERAGE, OPTIMISER = "model.", "average.", "optimiser."


@dataclass
class PhaseState(Generic[Network]):
    """All that changes while a phase runs. Random draws are functions of the step: none is kept.

    Attributes:
        model: the network, all of it.
        average: its moving average, or None.
        optimiser: of the weights that are trained.
        scaler: fp16's loss scaler, or None.
        fingerprint: of recipe and data; a state of another one is refused.
        start: of the earlier phases' weights, likewise.
        step: steps done.
        seconds: time spent on them, over all runs.
        best_error: lowest validation error so far, percent.
    """

    model: Network
    average: MovingAverage[Network] | None
    optimiser: Optimizer
    scaler: Any
    fingerprint: str
    start: str
    step: int = 0
    seconds: float = 0.0
    best_error: float = float("inf")

    @property
    def averaged_model(self) -> Network:
        """The model to validate and keep."""
        return self.model if self.average is None else self.average.model

    def prepare(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self.average is not None:
            self.average.prepare(self.step)

    def descend(self, loss: Tensor, clip_norm: float, accelerator: Accelerator) -> None:
        """One step down the loss, and the average after it; gradients are clipped unless at 0."""
        self.optimiser.zero_grad()
        accelerator.backward(loss)
        if clip_norm:
            accelerator.clip_grad_norm_(self.model.parameters(), clip_norm)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.model)

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        tensors = {MODEL + name: value for name, value in self.model.state_dict().items()}
        if self.average is not None:
            values = self.average.model.state_dict()
            tensors |= {AVERAGE + name: value for name, value in values.items()}
        optimiser_tensors, optimiser_values = _split(self.optimiser.state_dict()["state"])
        tensors |= optimiser_tensors
        header = {
            "format": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "start": self.start,
            "step": self.step,
            "seconds": self.seconds,
            "best_error": self.best_error,
            "optimiser": optimiser_values,
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
        }
        save_tensors(path, tensors, header)

    def resume(self, path: Path, accelerator: Accelerator) -> None:
        """Take over the saved state, if there is one; in many processes, each has to call this.

        Raises:
            CheckpointError: if it is damaged, or made with other settings or data.
        """
        saved = from_main(accelerator, lambda: load_tensors(path) if path.is_file() else None)
        if saved is None:
            return
        tensors, header = saved
        check_fingerprint(path, header, self.fingerprint)
        if header.get("start") != self.start:
            raise CheckpointError(
                f"{path}: began from another model of the stages before; remove {path.parent} to "
                "train this stage anew"
            )
        fill(self.model, _with_prefix(tensors, MODEL), path)
        if self.average is not None:
            fill(self.average.model, _with_prefix(tensors, AVERAGE), path)
        state = self.optimiser.state_dict()
        state["state"] = _join(_with_prefix(tensors, OPTIMISER), header["optimiser"])
        self.optimiser.load_state_dict(state)
        if self.scaler is not None and header["scaler"] is not None:
            self.scaler.load_state_dict(header["scaler"])
        self.step, self.seconds = header["step"], header["seconds"]
        self.best_error = header["best_error"]


def load_phase(model: DAN, path: Path, accelerator: Accelerator) -> None:
    """Take the weights of an earlier phase; stages that the file lacks keep theirs.

    In many processes, each has to call this.
    """
    source = from_main(accelerator, lambda: load_model(path)).model
    fill(model, model.state_dict() | source.state_dict(), path)


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _split(state: dict[int, dict[str, Any]]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser's state as tensors and as JSON values, both by ``parameter.entry``."""
    flat = {
        f"{index}.{name}": value for index, entry in state.items() for name, value in entry.items()
    }
    tensors = {OPTIMISER + key: value for key, value in flat.items() if isinstance(value, Tensor)}
    return tensors, {key: value for key, value in flat.items() if not isinstance(value, Tensor)}


def _join(tensors: dict[str, Tensor], values: dict[str, Any]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **values}.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    return state
